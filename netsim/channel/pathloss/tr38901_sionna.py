"""Large-scale parameters of TR 38.901, computed by sionna.

No other module of netsim loads sionna, and PyTorch with it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

ScenarioName = Literal["uma", "umi", "rma", "inh"]
Office = Literal["mixed", "open"]

_AXES: Final = 3
_SHADOW: Final = 3
"""Index of the shadow fading among sionna's large-scale parameters."""

_NEAREST_M: Final = 1.0
_FARTHEST_M: Final = 1e6
_NODES: Final = 7_000
"""Nodes of the table of distances, 0.2 % apart."""


@final
@dataclass(frozen=True)
class CellSite:
    """Site of a cell: the common properties of its links; heights in metres."""

    scenario: ScenarioName
    carrier_hz: float
    server_height_m: float
    device_height_m: float
    office: Office


@final
@dataclass(frozen=True)
class LargeScaleParameters:
    """Large-scale parameters (LSP) of links, all with or all without line of sight."""

    loss_db: Float[ndarray, " n"]
    """Basic path loss, without shadow: table 7.4.1-1."""
    sigma_db: Float[ndarray, " n"]
    """Standard deviation of the shadow: table 7.4.1-1."""
    correlation_m: float
    """Correlation distance of the shadow: table 7.5-6, row SF."""
    los_probability: Float[ndarray, " n"]
    """Probability of the line of sight, the same for links with and without it: table 7.4.2-1."""


def large_scale_parameters(
    site: CellSite, distance_m: Float[ndarray, " n"], *, is_los: bool
) -> LargeScaleParameters:
    """Return the parameters of links over horizontal distances, all with or all without LOS.

    An element depends on its own distance alone. The library computes in float64 on the CPU. Each
    link is a topology of one device, because the library makes a matrix of all pairs of devices in
    a topology.
    """
    model = _model(site)
    count = len(distance_m)
    none = np.zeros((count, 1, _AXES))
    device = none.copy()
    server = none.copy()
    device[:, 0, 0] = distance_m
    device[:, 0, 2] = site.device_height_m
    server[:, 0, 2] = site.server_height_m
    model.reset_topology()
    model.set_topology(
        ut_loc=device,
        bs_loc=server,
        ut_orientations=none,
        bs_orientations=none,
        ut_velocities=none,
        in_state=np.full((count, 1), site.scenario == "inh"),
        los=is_los,
    )
    return LargeScaleParameters(
        loss_db=_array(model.basic_pathloss),
        sigma_db=10 * _array(model.lsp_log_std[..., _SHADOW]),
        correlation_m=float(_array(model.get_param("corrDistSF"))[0]) if count else 1.0,
        los_probability=_array(model.los_probability),
    )


def interpolated_parameters(
    site: CellSite, distance_m: Float[ndarray, " n"], *, is_los: bool
) -> LargeScaleParameters:
    """Return ``large_scale_parameters`` interpolated over the logarithm of the distance.

    The nodes are 0.2 % apart. In the smooth parts of the standard's equations the error is below
    0.0001 dB, within the interval of a breakpoint below 0.01 dB; where a deviation jumps at its
    breakpoint, it is anything between the two values within that interval. Distances outside 1 m
    to 1,000 km get those of the library.
    """
    if distance_m.size and not _NEAREST_M <= distance_m.min() <= distance_m.max() <= _FARTHEST_M:
        return large_scale_parameters(site, distance_m, is_los=is_los)
    logarithm, table = _table(site, is_los)
    at = np.log(distance_m)
    return LargeScaleParameters(
        loss_db=np.interp(at, logarithm, table.loss_db),
        sigma_db=np.interp(at, logarithm, table.sigma_db),
        correlation_m=table.correlation_m,
        los_probability=np.interp(at, logarithm, table.los_probability),
    )


@lru_cache(maxsize=16)
def _table(site: CellSite, is_los: bool) -> tuple[Float[ndarray, " nodes"], LargeScaleParameters]:
    """Return the logarithms of distances and the parameters there."""
    logarithm = np.linspace(np.log(_NEAREST_M), np.log(_FARTHEST_M), _NODES)
    return logarithm, large_scale_parameters(site, np.exp(logarithm), is_los=is_los)


def _array(tensor: Any) -> Float[ndarray, " n"]:
    values: Float[ndarray, " n"] = tensor.numpy().reshape(-1).copy()
    return values


@lru_cache(maxsize=8)
def _model(site: CellSite) -> Any:
    """Return the scenario object of sionna for a site."""
    from sionna.phy.channel import tr38901

    arithmetic = {"precision": "double", "device": "cpu"}
    # A single isotropic antenna at each end; the path loss does not depend on it.
    antenna = tr38901.PanelArray(
        num_rows_per_panel=1,
        num_cols_per_panel=1,
        polarization="single",
        polarization_type="V",
        antenna_pattern="omni",
        carrier_frequency=site.carrier_hz,
        **arithmetic,
    )
    shared = {
        "carrier_frequency": site.carrier_hz,
        "ut_array": antenna,
        "bs_array": antenna,
        "direction": "uplink",
        **arithmetic,
    }
    match site.scenario:
        case "uma":
            return tr38901.UMaScenario(o2i_model="low", **shared)
        case "umi":
            return tr38901.UMiScenario(o2i_model="low", **shared)
        case "rma":
            return tr38901.RMaScenario(**shared)
        case "inh":
            return tr38901.InHScenario(indoor_scenario=site.office, **shared)
