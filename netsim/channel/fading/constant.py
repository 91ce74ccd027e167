"""Constant fading: a channel without fading."""

from typing import Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.channel.fading.base import DiffuseComponent, Fading
from netsim.parameters import CONFIG


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ConstantFading(Fading):
    """No fading: the factor is 1 in every block."""

    kind: Literal["none"] = "none"

    @override
    def power_gain(self, diffuse: DiffuseComponent) -> Float[ndarray, "n T"]:
        return np.ones(diffuse.shape)

    @override
    def correlation_model(self) -> None:
        return None
