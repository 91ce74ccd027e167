"""Type checker of executed annotations: beartype, with the numeric tower of PEP 484.

NumPy's ArrayLike relies on the tower: int counts as float, and float as complex.
"""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
