"""The ``[devices]`` table."""

from typing import Annotated, Self, final

from pydantic import Field, model_validator

from coupling.scenario.tables.base import ScenarioTable
from netsim.availability import Always, AnyAvailability
from netsim.compute import DeviceCompute
from netsim.energy import Battery, DeviceEnergy
from netsim.mobility import AnyMobility, Static
from netsim.parameters import Count, Positive
from netsim.placement import AnyPlacement


@final
class DevicesTable(ScenarioTable):
    """The edge devices."""

    count: Annotated[Count, Field(le=2**40)]
    """Number of devices K."""
    tx_power_w: Positive = 1.0
    """Transmit power of a device in W; the paper has none, its ``|h|^2`` carries 1 W."""
    placement: AnyPlacement
    """Where the devices stand at time 0."""
    mobility: AnyMobility = Static()
    """How they move."""
    compute: DeviceCompute | None = None
    """How fast a device computes; by default its steps take no time."""
    energy: DeviceEnergy = DeviceEnergy()
    """What a device spends on receiving and computing, where the protocol has it do so."""
    battery: Battery | None = None
    """What a device has to spend; by default as much as it likes."""
    availability: AnyAvailability = Always()
    """When a device can be reached; others are not offered to the policy."""

    @model_validator(mode="after")
    def _clock_known(self) -> Self:
        if self.energy.kappa and self.compute is None:
            raise ValueError("energy.kappa needs compute, whose speed is the f of kappa f^2")
        return self
