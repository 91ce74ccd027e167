"""Channel settings: the ``[channel]`` table."""

from typing import Annotated, Literal, Self, final

from pydantic import model_validator

from coupling.scenario.tables.base import ScenarioTable
from netsim.channel.fading import AnyFading
from netsim.channel.pathloss import AnyPathLoss
from netsim.channel.trace_gains import GainTrace
from netsim.link.shannon_link import IDEAL, ShannonLink
from netsim.parameters import Positive, source


@final
class ChannelTable(ScenarioTable):
    """Channel: path loss and fading, or recorded gains, and the link model."""

    path_loss: Annotated[AnyPathLoss | None, source("paper, section V-A")] = None
    """Mean power gain as a function of the distance."""
    fading: Annotated[AnyFading | None, source("paper, section II-B")] = None
    """Random factor on the power gain in each channel block."""
    gains: GainTrace | None = None
    """Recorded gains, path loss and fading together; excludes ``path_loss`` and ``fading``."""
    coherence: Annotated[Literal["round"] | Positive, source("paper, section II-B")] = "round"
    """Coherence time: duration of a channel block in seconds; ``round``: one draw per round, as in
    the paper.
    """

    link: ShannonLink = IDEAL
    """Link model: rate as a function of the SNR, in the uplink and the downlink. The default is
    Shannon's rate without limits, as in the paper.
    """

    @model_validator(mode="after")
    def _one_world(self) -> Self:
        if self.gains is not None and (self.path_loss is not None or self.fading is not None):
            raise ValueError(
                "gains excludes path_loss and fading; keep the recording or the models"
            )
        if self.gains is None and (self.path_loss is None or self.fading is None):
            raise ValueError("needs path_loss and fading, or gains")
        return self
