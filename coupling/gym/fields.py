"""Observed fields: names, units, bounds and normalised values of the numbers an agent sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from netsim.scheduling import Objective, RoundState

MISSING: Final = -1.0
"""Value of an absent device, and of a number that a device does not have."""
LARGEST: Final = 1e30
"""Upper bound of quantities that no model bounds; larger values are shown as this one."""

_Values = Any  # a number, an array over the offered devices, or None
_Normal = Callable[[Float[ndarray, "..."], RoundState], Float[ndarray, "..."]]


@final
@dataclass(frozen=True)
class ObservedField:
    """Number per device, or of the cell, that an observation may contain."""

    of: Literal["device", "cell"]
    unit: str
    """Unit of the values of a dict; empty without unit."""
    values: Callable[[RoundState, Objective], _Values]
    """Values of the offered devices, or the number of the cell; None if they do not apply."""
    normal: _Normal
    """Map from values to the interval from -1 to 1, for a box."""
    low: float = MISSING
    high: float = LARGEST

    def natural(self, state: RoundState, objective: Objective) -> Float[ndarray, "..."]:
        """Return the values in their unit, within the bounds; ``MISSING`` where there is none."""
        values = self.values(state, objective)
        if values is None:
            return np.full(len(state.device) if self.of == "device" else 1, MISSING)
        known = np.atleast_1d(np.asarray(values, float))
        return np.where(np.isnan(known), MISSING, np.clip(known, self.low, self.high))

    def normalised(self, state: RoundState, objective: Objective) -> Float[ndarray, "..."]:
        """Return the values in -1 to 1; ``MISSING`` where there is none."""
        values = self.values(state, objective)
        if values is None:
            return np.full(len(state.device) if self.of == "device" else 1, MISSING)
        known = np.atleast_1d(np.asarray(values, float))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            scaled = np.clip(self.normal(known, state), -1.0, 1.0)
        return np.where(np.isnan(known) | np.isnan(scaled), MISSING, scaled)


def snr_db(gain: Float[ndarray, " n"], state: RoundState) -> Float[ndarray, " n"]:
    """Return the signal-to-noise ratio over the whole band of gains at the devices' power, in dB.

    Minus infinity for a gain of 0.
    """
    noise_w = state.noise_psd * state.bandwidth_hz
    return np.asarray(10.0 * np.log10(state.tx_power_w * gain / noise_w))


def _logarithm(reference: Callable[[RoundState], ArrayLike], decades: float) -> _Normal:
    """Return the map ``log10(x / reference) / decades``."""
    return lambda values, state: np.asarray(np.log10(values / reference(state)) / decades)


def _saturating(reference: Callable[[RoundState], ArrayLike]) -> _Normal:
    """Return the map ``x / (x + reference)``."""
    return lambda values, state: np.asarray(values / (values + reference(state)))


def _attribute(name: str) -> Callable[[RoundState, Objective], _Values]:
    return lambda state, _: getattr(state, name)


def _past(name: str) -> Callable[[RoundState, Objective], _Values]:
    return lambda state, _: None if state.history is None else getattr(state.history, name)


def _axis(axis: int) -> Callable[[RoundState, Objective], _Values]:
    return lambda state, _: None if state.position_m is None else state.position_m[:, axis]


def _price(state: RoundState, objective: Objective) -> float:
    """Return the number of devices that a delay of one budget costs in J: ``zeta Q / budget``."""
    return objective.zeta.at(state.round) * state.virtual_queue_s / state.delay_budget_s


def _band_bits(state: RoundState) -> float:
    """Return the bits that the band carries in one budget at 1 bit/s/Hz."""
    return state.bandwidth_hz * state.delay_budget_s


def _shown_place(values: Float[ndarray, " n"], state: RoundState) -> Float[ndarray, " n"]:
    return np.asarray(values / (np.abs(values) + 500.0))


_POSITION: Final[Mapping[str, Any]] = {"normal": _shown_place, "low": -1e9, "high": 1e9}

FIELDS: Final[Mapping[str, ObservedField]] = {
    "round": ObservedField(
        "cell", "", _attribute("round"), _saturating(lambda _: 1000.0), low=0.0, high=1e9
    ),
    "zeta": ObservedField(
        "cell",
        "",
        lambda state, objective: objective.zeta.at(state.round),
        lambda values, _: np.asarray(np.log10(values) / 4.0),
        low=0.0,
    ),
    "virtual_queue_s": ObservedField(
        "cell",
        "s",
        _attribute("virtual_queue_s"),
        lambda values, state: np.log1p(values / state.delay_budget_s) / np.log(1e4),
        low=0.0,
    ),
    "delay_price": ObservedField(
        "cell", "", _price, lambda values, _: np.log1p(values) / np.log(1e3), low=0.0
    ),
    "delay_budget_s": ObservedField(
        "cell", "s", _attribute("delay_budget_s"), _logarithm(lambda _: 1.0, 6), low=0.0
    ),
    "gain": ObservedField(
        "device",
        "",
        _attribute("gain"),
        lambda values, state: snr_db(values, state) / 60.0,
    ),
    "ranked_gain": ObservedField(
        "device",
        "",
        lambda state, _: state.gain[np.argsort(-state.tx_power_w * state.gain, kind="stable")],
        lambda _, state: -np.sort(-snr_db(state.gain, state)) / 60.0,
    ),
    "bits": ObservedField("device", "bit", _attribute("bits"), _logarithm(_band_bits, 3)),
    "downlink_bits": ObservedField(
        "device", "bit", _attribute("downlink_bits"), _logarithm(_band_bits, 3)
    ),
    "tx_power_w": ObservedField(
        "device", "W", _attribute("tx_power_w"), _logarithm(lambda _: 1.0, 3)
    ),
    "battery_j": ObservedField(
        "device",
        "J",
        _attribute("battery_j"),
        _logarithm(lambda state: state.tx_power_w * state.delay_budget_s, 3),
    ),
    "x_m": ObservedField("device", "m", _axis(0), **_POSITION),
    "y_m": ObservedField("device", "m", _axis(1), **_POSITION),
    "distance_m": ObservedField(
        "device", "m", _attribute("distance_m"), _logarithm(lambda _: 100.0, 2)
    ),
    "samples": ObservedField("device", "", _attribute("samples"), _logarithm(lambda _: 1e3, 3)),
    "last_loss": ObservedField("device", "", _attribute("last_loss"), _saturating(lambda _: 1.0)),
    "last_gradient_norm": ObservedField(
        "device", "", _attribute("last_gradient_norm"), _logarithm(lambda _: 1.0, 3)
    ),
    "speed_per_s": ObservedField(
        "device", "1/s", _attribute("speed_per_s"), _logarithm(lambda _: 1e10, 5)
    ),
    "rounds_since_arrival": ObservedField(
        "device", "", _attribute("rounds_since_arrival"), _saturating(lambda _: 10.0)
    ),
    "times_scheduled": ObservedField(
        "device", "", _past("times_scheduled"), _saturating(lambda state: float(state.round))
    ),
    "last_round": ObservedField(
        "device", "", _past("last_round"), _saturating(lambda state: float(state.round))
    ),
    "mean_rate_bps": ObservedField(
        "device",
        "bit/s",
        _past("mean_rate_bps"),
        _saturating(lambda state: state.bandwidth_hz),
    ),
    "mean_energy_j": ObservedField(
        "device",
        "J",
        _past("mean_energy_j"),
        _saturating(lambda state: state.tx_power_w * state.delay_budget_s),
    ),
}
"""Fields of an observation by name: those of ``RoundState`` and ``History``, the control parameter
zeta, the price of delay ``zeta Q / budget``, and the gains in falling order of received power.
"""
ALWAYS: Final = ("round", "zeta")
"""Fields that are part of every observation."""
DEFAULT: Final = (*ALWAYS, "virtual_queue_s", "delay_price", "gain")
