"""Random scheduling: a random set of devices per round."""

from typing import Annotated, Literal, final

from pydantic import model_validator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG, Count, Probability, source
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.round_state import RoundState


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Random(Policy):
    """Random scheduling: a uniform set of ``count`` devices, or each one with ``probability``.

    With ``count`` every set is equally likely; with ``probability`` devices are independent. The
    band is divided for the minimum common delay.

    Yang, Liu, Quek and Poor, "Scheduling policies for federated learning in wireless networks",
    IEEE Trans. Commun. 68(1), 2020, section II-C. A device drawn without gain could never deliver
    and is left out.
    """

    kind: Literal["random"] = "random"
    count: Annotated[Count | None, source("cited, Yang et al. 2020")] = None
    """Number of devices per round; all offered devices if there are fewer. Excludes
    ``probability``.
    """
    probability: Annotated[Probability | None, source("cited, Yang et al. 2020")] = None
    """Probability of a device to take part in a round, without unit. Excludes ``count``."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "Random":
        if (self.count is None) == (self.probability is None):
            raise ValueError("needs count or probability, and only one of them")
        return self

    @override
    def schedule(self, state: RoundState) -> Allocation:
        offered = state.by_device()
        if self.count is None:
            assert self.probability is not None, "the validator requires one of the two"
            drawn = state.require_rng().random(len(offered)) < self.probability
            return Allocation.equal_finish(state, offered[drawn])
        count = min(self.count, len(offered))
        return Allocation.equal_finish(
            state, offered[state.require_rng().choice(len(offered), count, replace=False)]
        )
