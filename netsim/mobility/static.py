"""Devices that stay where they were placed."""

from typing import Literal, final

from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.mobility.base import Mobility
from netsim.parameters import CONFIG


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Static(Mobility):
    """Nobody moves, as in section V-A of the paper."""

    kind: Literal["static"] = "static"

    @override
    def positions(self, start_m: Float[ndarray, "K 2"], time_s: float) -> Float[ndarray, "K 2"]:
        return start_m
