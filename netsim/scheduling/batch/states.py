"""Round states of many worlds as matrices, and the allocations in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.scheduling.objective import Objective
from netsim.scheduling.round_state import RoundState


@final
@dataclass(frozen=True)
class StateBatch:
    """States of W worlds with K devices each; band and noise are those of all worlds.

    The fields are those of ``RoundState``, whose optional ones do not occur: delays are those of
    the uplink.
    """

    round: Int[ndarray, " W"]
    """Round number in each world; rounds count from 1."""
    gain: Float[ndarray, "W K"]
    """Power gain, without unit."""
    bits: Float[ndarray, "W K"]
    """Payload of the uplink in bit."""
    tx_power_w: Float[ndarray, "W K"]
    """Transmit power in W."""
    present: Bool[ndarray, "W K"]
    """Whether the device is there; the numbers of the others do not matter."""
    bandwidth_hz: float
    """Bandwidth of the uplink in Hz."""
    noise_psd: float
    """Noise power spectral density in W/Hz."""
    delay_budget_s: Float[ndarray, " W"]
    """Mean delay of a round that (8) allows, in seconds."""
    virtual_queue_s: Float[ndarray, " W"]
    """Virtual queue before the round, in seconds."""

    @staticmethod
    def of(states: Sequence[RoundState]) -> "StateBatch":
        """Return states of one band, each with all its devices, as a batch.

        Raises:
            ValueError: no state, or states of different bands, noise or numbers of devices, or a
                link model other than (5).
        """
        if any(state.uplink is not None for state in states):
            raise ValueError("a batch has Shannon's rate (5); decide other links one by one")
        bands = {(state.bandwidth_hz, state.noise_psd, len(state.gain)) for state in states}
        if len(bands) != 1:
            raise ValueError(f"a batch has one band, noise and number of devices, not {len(bands)}")
        gain = np.array([state.gain for state in states])
        return StateBatch(
            round=np.array([state.round for state in states]),
            gain=gain,
            bits=np.array([state.bits for state in states]),
            tx_power_w=np.array([state.tx_power_w for state in states]),
            present=np.ones(gain.shape, bool),
            bandwidth_hz=states[0].bandwidth_hz,
            noise_psd=states[0].noise_psd,
            delay_budget_s=np.array([state.delay_budget_s for state in states]),
            virtual_queue_s=np.array([state.virtual_queue_s for state in states]),
        )

    @staticmethod
    def padded(states: Sequence[RoundState], count: int) -> "StateBatch":
        """Return states of one band as a batch with ``count`` devices, each at its device id.

        Raises:
            ValueError: no state, or states of different bands or noise.
        """
        bands = {(state.bandwidth_hz, state.noise_psd) for state in states}
        if len(bands) != 1:
            raise ValueError(f"a batch has one band and noise, not {len(bands)}")
        shape = (len(states), count)
        present = np.zeros(shape, bool)
        gain, bits, power_w = np.zeros(shape), np.ones(shape), np.ones(shape)
        for world, state in enumerate(states):
            present[world, state.device] = True
            gain[world, state.device] = state.gain
            bits[world, state.device] = state.bits
            power_w[world, state.device] = state.tx_power_w
        return StateBatch(
            round=np.array([state.round for state in states]),
            gain=gain,
            bits=bits,
            tx_power_w=power_w,
            present=present,
            bandwidth_hz=states[0].bandwidth_hz,
            noise_psd=states[0].noise_psd,
            delay_budget_s=np.array([state.delay_budget_s for state in states]),
            virtual_queue_s=np.array([state.virtual_queue_s for state in states]),
        )

    def state(self, world: int) -> RoundState:
        """Return the state of one world with the devices that are there."""
        there = np.flatnonzero(self.present[world])
        return RoundState(
            round=int(self.round[world]),
            gain=self.gain[world, there],
            bits=self.bits[world, there],
            tx_power_w=self.tx_power_w[world, there],
            bandwidth_hz=self.bandwidth_hz,
            noise_psd=self.noise_psd,
            delay_budget_s=float(self.delay_budget_s[world]),
            virtual_queue_s=float(self.virtual_queue_s[world]),
            device=there,
        )

    def objective(
        self,
        objective: Objective,
        count: Int[ndarray, "*#sets"],
        delay_s: Float[ndarray, "*sets"],
        world: Int[ndarray, "*#sets"],
    ) -> Float[ndarray, "*sets"]:
        """Return J of sets with ``count`` devices and a common delay in the rounds of ``world``."""
        zeta = np.array([objective.zeta.at(number) for number in self.round.tolist()])
        weight = (zeta / self.delay_budget_s**2)[world]
        queue_s = self.virtual_queue_s[world]
        if objective.drift == "full":
            return np.asarray(count - weight * (queue_s + delay_s / 2) * delay_s)
        return np.asarray(count - (weight * queue_s) * delay_s)


@final
@dataclass(frozen=True)
class AllocationBatch:
    """Allocations in W worlds with K devices each."""

    scheduled: Bool[ndarray, "W K"]
    """Whether the device takes part."""
    bandwidth_hz: Float[ndarray, "W K"]
    """Bandwidth in Hz; 0 for devices that do not take part."""
    delay_s: Float[ndarray, " W"]
    """Common delay in seconds; 0 for an empty set."""
