"""Channel state information (CSI): the server's knowledge of the gains when it decides."""

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
    """Channel state information: relation of the gains of a policy to those of its transfers."""

    @property
    def age(self) -> int:
        """Age of the measurement in channel blocks."""
        return 0

    @abstractmethod
    def estimate(
        self, gain: Float[ndarray, " K"], round_number: int, streams: Streams
    ) -> Float[ndarray, " K"]:
        """Return the server's estimate of all gains, given the gains of the measured block."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PerfectCsi(ChannelState):
    """Perfect CSI: the gains of the block in which the round starts, as in the paper."""

    kind: Annotated[Literal["perfect"], source("paper, Algorithm 1")] = "perfect"

    @override
    def estimate(
        self, gain: Float[ndarray, " K"], round_number: int, streams: Streams
    ) -> Float[ndarray, " K"]:
        return gain


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class OutdatedCsi(ChannelState):
    """Outdated CSI: gains measured ``blocks`` channel blocks ago.

    If fewer blocks have passed, these are the gains of the first block.
    """

    kind: Literal["delayed"]
    blocks: Count
    """Age of the measurement in channel blocks; with ``coherence = "round"``, in rounds."""

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
    """Noisy CSI: estimates whose error is Gaussian in dB, independent per device and round.

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
