"""What the server knows of the channel when it decides."""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, final

from jaxtyping import Float
from numpy import ndarray
from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG, Count, Spread, source
from netsim.streams import Streams, normal_pairs


class ChannelState(ABC):
    """How the gains that a policy is shown differ from those that its transfers meet."""

    @property
    def age(self) -> int:
        """How many channel blocks ago the server measured."""
        return 0

    @abstractmethod
    def estimate(
        self, gain: Float[ndarray, " K"], round_number: int, streams: Streams
    ) -> Float[ndarray, " K"]:
        """Return what the server takes for the gains of all devices, given those of the measured
        block.
        """


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PerfectCsi(ChannelState):
    """The gains of the block in which the round starts, as in the paper."""

    kind: Annotated[Literal["perfect"], source("paper, Algorithm 1")] = "perfect"

    @override
    def estimate(
        self, gain: Float[ndarray, " K"], round_number: int, streams: Streams
    ) -> Float[ndarray, " K"]:
        return gain


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class OutdatedCsi(ChannelState):
    """The gains of some blocks ago; until there were so many, those of the first one."""

    kind: Literal["delayed"]
    blocks: Count
    """Age of the knowledge, in channel blocks; with ``coherence = "round"``, in rounds."""

    @property
    @override
    def age(self) -> int:
        return self.blocks

    @override
    def estimate(
        self, gain: Float[ndarray, " K"], round_number: int, streams: Streams
    ) -> Float[ndarray, " K"]:
        return gain


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class NoisyCsi(ChannelState):
    """Estimates with an error that is Gaussian in dB, independent between devices and rounds.

    ``10 log10`` of estimate over truth has mean 0 and the standard deviation ``std_db``, so the
    median of the estimates is right and their mean is larger than the truth.
    """

    kind: Literal["noisy"]
    std_db: Spread
    """Standard deviation of the estimate, in dB."""

    @override
    def estimate(
        self, gain: Float[ndarray, " K"], round_number: int, streams: Streams
    ) -> Float[ndarray, " K"]:
        words = streams.words(2 * len(gain), "estimate", round_number)
        error_db, _ = normal_pairs(words[0::2], words[1::2])
        return gain * 10.0 ** (self.std_db * error_db / 10)


AnyChannelState = Annotated[PerfectCsi | OutdatedCsi | NoisyCsi, Field(discriminator="kind")]
