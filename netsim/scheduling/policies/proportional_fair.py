"""Proportional-fair scheduling: the largest ratios of present rate to mean rate."""

from typing import Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.link import shannon
from netsim.parameters import CONFIG, Count
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.round_state import RoundState


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ProportionalFair(Policy):
    """Proportional-fair scheduling: the largest ratios of present rate to mean rate so far.

    The present rate is that over an equal share of the band. Devices that have not sent yet come
    first, fastest first. The band is divided for the minimum common delay.

    Viswanath, Tse and Laroia, "Opportunistic beamforming using dumb antennas", IEEE Trans. Inf.
    Theory 48(6), 2002, section III; for federated learning Yang et al., IEEE Trans. Commun. 68(1),
    2020, section II-C. The mean is over all rounds and not a moving average.
    """

    kind: Literal["proportional_fair"] = "proportional_fair"
    count: Count
    """Number of devices per round; all offered devices if there are fewer."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        number = min(self.count, max(len(state.gain), 1))
        if state.uplink is None:
            share_hz = state.bandwidth_hz / number
            rate_bps = shannon.rate(
                share_hz, state.gain, state.noise_psd, tx_power_w=state.tx_power_w
            )
        else:
            everyone = np.arange(len(state.gain))
            rate_bps = state.rate(everyone, np.full(len(everyone), state.equal_share(number)))
        mean_bps = state.require_history().mean_rate_bps
        ratio = np.divide(
            rate_bps, mean_bps, out=np.full(len(rate_bps), np.inf), where=mean_bps > 0
        )
        ranked = np.lexsort((state.device, -rate_bps, -ratio))
        return Allocation.equal_finish(state, ranked[: self.count])
