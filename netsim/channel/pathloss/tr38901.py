"""TR 38.901 path loss of 3GPP, with line of sight and shadowing."""

from dataclasses import dataclass as plain
from importlib.util import find_spec
from typing import Annotated, Final, Literal, Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.channel.pathloss.base import PathLoss, distance
from netsim.channel.pathloss.gaussian_field import gaussian_random_field
from netsim.channel.pathloss.tr38901_sionna import (
    CellSite,
    LargeScaleParameters,
    Office,
    ScenarioName,
    interpolated_parameters,
    large_scale_parameters,
)
from netsim.parameters import CONFIG, Place, Positive, Step, Switch, source
from netsim.streams import Streams


@runtime_checkable
class _Parameters(Protocol):
    """Large-scale parameters as ``large_scale_parameters`` returns them."""

    def __call__(
        self, site: CellSite, distance_m: Float[ndarray, " n"], *, is_los: bool
    ) -> LargeScaleParameters: ...


@final
@plain(frozen=True)
class _StandardRange:
    """Range of the standard's equations of a scenario, and its defaults.

    Source: tables 7.2-1 to 7.2-3 and 7.4.1-1.
    """

    server_height_m: float
    device_height_m: float
    device_heights_m: tuple[float, float]
    server_heights_m: tuple[float, float]
    carriers_hz: tuple[float, float]
    nearest_m: float
    los_correlation_m: float
    """Correlation distance of the line of sight, table 7.6.3.1-2."""


_RANGES: Final[dict[ScenarioName, _StandardRange]] = {
    "uma": _StandardRange(
        server_height_m=25.0,
        device_height_m=1.5,
        device_heights_m=(1.5, 13.0),
        server_heights_m=(13.5, 100.0),
        carriers_hz=(0.5e9, 100e9),
        nearest_m=10.0,
        los_correlation_m=50.0,
    ),
    "umi": _StandardRange(
        server_height_m=10.0,
        device_height_m=1.5,
        device_heights_m=(1.5, 22.5),
        server_heights_m=(3.0, 50.0),
        carriers_hz=(0.5e9, 100e9),
        nearest_m=10.0,
        los_correlation_m=50.0,
    ),
    "rma": _StandardRange(
        server_height_m=35.0,
        device_height_m=1.5,
        device_heights_m=(1.0, 10.0),
        server_heights_m=(10.0, 150.0),
        carriers_hz=(0.5e9, 30e9),
        nearest_m=10.0,
        los_correlation_m=60.0,
    ),
    "inh": _StandardRange(
        server_height_m=3.0,
        device_height_m=1.0,
        device_heights_m=(0.5, 3.0),
        server_heights_m=(2.0, 10.0),
        carriers_hz=(0.5e9, 100e9),
        nearest_m=1.0,
        los_correlation_m=10.0,
    ),
}


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Tr38901(PathLoss):
    """3GPP TR 38.901 path loss (table 7.4.1-1), line of sight (7.4.2-1) and shadow, by sionna.

    Urban macro, urban micro (street canyon), rural macro (street width 20 m, building height 5 m)
    or indoor office. The package sionna gives the loss with and without a line of sight (LOS), the
    LOS probability P, and the deviation and correlation distance of the shadow. LOS and shadow are
    functions of position. A position has LOS if ``Phi(G) < P``, G a standard normal field with the
    correlation distance of table 7.6.3.1-2; each of the two states has its own shadow field. So
    devices at one position have the same loss, and a moving device meets lines of sight and shadows
    with their correlation; its gain jumps at the edge of a LOS region. A moving
    device has the loss, LOS and shadow of the nearest point of a square lattice (``lattice_m``), so
    its gain is constant for about a metre; there the equations are interpolated over the distance.
    Closer than 10 m (indoors 1
    m) on the ground the loss is that at this distance. Beyond the standard's 5 km (rural 10 km,
    indoors 150 m) its equations are continued. Left out: walls (devices are outdoors except for
    ``inh``) and car bodies, antenna patterns, and urban macro devices above 13 m, for which the
    standard draws the height of the environment. The package loads PyTorch, which no other module
    of netsim does.
    """

    kind: Annotated[Literal["tr38901"], source("cited, 3GPP TR 38.901")] = "tr38901"
    scenario: ScenarioName
    """Urban macro, urban micro, rural macro, or indoor office."""
    carrier_hz: Positive
    """Carrier frequency in hertz: 0.5 to 100 GHz, rural macro to 30 GHz."""
    server_height_m: Positive | None = None
    """Height of the server's antenna in metres; by default the standard's: 25, 10, 35 or 3."""
    device_height_m: Positive | None = None
    """Height of the devices' antennas in metres; by default 1.5, indoors 1."""
    line_of_sight: Annotated[Literal["random", "always", "never"], source("airtune")] = "random"
    """Line of sight: drawn with the standard's probability, or the same at every position."""
    shadowing: Annotated[Switch, source("airtune")] = True
    """Whether positions have shadows."""
    office: Office | None = None
    """Kind of indoor office, ``mixed`` by default; with ``scenario = "inh"`` only."""
    lattice_m: Annotated[Step, source("airtune")] = 1.0
    """Step in metres of the lattice at whose nearest point a moving device has its loss, line of
    sight and shadow; 0 computes them at its position in every channel block.
    """

    @model_validator(mode="after")
    def _within_the_standard(self) -> "Tr38901":
        limits = _RANGES[self.scenario]
        site = self._site()
        if self.office is not None and self.scenario != "inh":
            raise ValueError(f"office is of scenario = 'inh', not of {self.scenario!r}")
        for key, value, (low, high) in (
            ("carrier_hz", site.carrier_hz, limits.carriers_hz),
            ("server_height_m", site.server_height_m, limits.server_heights_m),
            ("device_height_m", site.device_height_m, limits.device_heights_m),
        ):
            if not low <= value <= high:
                raise ValueError(
                    f"{key} = {value:g} is not within {low:g} to {high:g}, the range of "
                    f"scenario = {self.scenario!r}"
                )
        if site.device_height_m >= site.server_height_m:
            raise ValueError(
                f"device_height_m = {site.device_height_m:g} is not below server_height_m = "
                f"{site.server_height_m:g}"
            )
        if find_spec("sionna") is None:
            raise ValueError(
                "kind = 'tr38901' needs sionna, not installed; pip install 'airtune[sionna]'"
            )
        return self

    @override
    def gain(
        self, position_m: Float[ndarray, "*n axes"], server_m: Place, streams: Streams
    ) -> Float[ndarray, "*n"]:
        gain = self._gain(
            position_m.reshape(-1, 2), server_m, streams, parameters=large_scale_parameters
        )
        return gain.reshape(position_m.shape[:-1])

    @override
    def lattice_gain(
        self, position_m: Float[ndarray, "n 2"], server_m: Place, streams: Streams
    ) -> Float[ndarray, " n"]:
        return self._gain(position_m, server_m, streams, parameters=interpolated_parameters)

    def is_los(
        self,
        position_m: Float[ndarray, "n 2"],
        server_m: Place,
        streams: Streams,
        *,
        parameters: _Parameters = large_scale_parameters,
    ) -> Bool[ndarray, " n"]:
        """Return whether each position has a line of sight, if it is drawn."""
        limits = _RANGES[self.scenario]
        distance_m = np.maximum(distance(position_m, server_m), limits.nearest_m)
        link = parameters(self._site(), distance_m, is_los=True)
        field = gaussian_random_field(
            position_m, limits.los_correlation_m, streams, name="line of sight"
        )
        # Imported at first use: it doubles the start-up of a run.
        from scipy.special import ndtr

        return ndtr(field) < link.los_probability

    def _gain(
        self,
        position_m: Float[ndarray, "n 2"],
        server_m: Place,
        streams: Streams,
        *,
        parameters: _Parameters,
    ) -> Float[ndarray, " n"]:
        distance_m = np.maximum(distance(position_m, server_m), _RANGES[self.scenario].nearest_m)
        if self.line_of_sight == "random":
            is_los = self.is_los(position_m, server_m, streams, parameters=parameters)
        else:
            is_los = np.full(len(position_m), self.line_of_sight == "always")
        gain_db = np.empty(len(position_m))
        for state in (False, True):
            rows = np.flatnonzero(is_los == state)
            link = parameters(self._site(), distance_m[rows], is_los=state)
            gain_db[rows] = -link.loss_db
            if self.shadowing:
                name = "shadow in sight" if state else "shadow out of sight"
                gain_db[rows] += link.sigma_db * gaussian_random_field(
                    position_m[rows], link.correlation_m, streams, name=name
                )
        return 10.0 ** (gain_db / 10)

    def _site(self) -> CellSite:
        limits = _RANGES[self.scenario]
        return CellSite(
            scenario=self.scenario,
            carrier_hz=self.carrier_hz,
            server_height_m=self.server_height_m or limits.server_height_m,
            device_height_m=self.device_height_m or limits.device_height_m,
            office=self.office or "mixed",
        )
