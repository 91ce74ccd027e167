"""Device settings: the ``[devices]`` table."""

from typing import Annotated, Self, final

from pydantic import Field, model_validator

from coupling.scenario.tables.base import ScenarioTable
from netsim.availability import Always, AnyAvailability
from netsim.compute import DeviceCompute
from netsim.energy import Battery, DeviceEnergy
from netsim.link.power_control import PowerControl
from netsim.mobility import AnyMobility, Static
from netsim.parameters import Count, Height, Heights, Positive, source
from netsim.placement import AnyPlacement


@final
class DevicesTable(ScenarioTable):
    """Edge devices: number, power, positions, compute and energy."""

    count: Annotated[Annotated[Count, Field(le=2**40)], source("paper, section V-A")]
    """Number of devices K."""
    tx_power_w: Positive = 1.0
    """Transmit power per device in W; the paper states none, its ``|h|^2`` carries 1 W."""
    power_control: PowerControl | None = None
    """Power control of the uplink; by default devices send at ``tx_power_w``. Needs
    ``cell.resource_block_hz`` and a path-loss model.
    """
    placement: Annotated[AnyPlacement, source("paper, section V-A")]
    """Positions of the devices at time 0."""
    height_m: Height | Heights = 0.0
    """Height of the devices in metres: one for all, or bounds between which each device draws its
    own. With heights, distances from the server are in space.
    """
    mobility: AnyMobility = Static()
    """Movement of the devices."""
    compute: DeviceCompute | None = None
    """Compute speed of the devices; by default their steps take no time."""
    energy: DeviceEnergy = DeviceEnergy()
    """Energy of receiving and computing, in protocols whose devices do so."""
    battery: Battery | None = None
    """Battery of a device; by default its energy is unlimited."""
    availability: AnyAvailability = Always()
    """Availability of the devices; the policy is offered the available ones only."""

    @model_validator(mode="after")
    def _clock_known(self) -> Self:
        if self.energy.kappa and self.compute is None:
            raise ValueError("energy.kappa needs compute, whose speed is the f of kappa f^2")
        return self

    @property
    def max_power_w(self) -> float:
        """Maximum transmit power of a device, in W."""
        control = self.power_control
        if control is None or control.max_dbm is None:
            return self.tx_power_w
        return float(10.0 ** ((control.max_dbm - 30.0) / 10))
