"""The ``[devices]`` table."""

from typing import final

from coupling.settings.table import Table
from netsim.compute import DeviceCompute
from netsim.mobility import AnyMobility, Static
from netsim.parameters import Count, Positive
from netsim.placement import AnyPlacement


@final
class Devices(Table):
    """The edge devices."""

    count: Count
    """Number of devices K."""
    tx_power_w: Positive = 1.0
    """Transmit power of a device in W; the paper has none, its ``|h|^2`` carries 1 W."""
    placement: AnyPlacement
    """Where the devices stand at time 0."""
    mobility: AnyMobility = Static()
    """How they move."""
    compute: DeviceCompute | None = None
    """How fast a device computes; by default its steps take no time."""
