"""Geometry: regions of the plane in which devices stand and move."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from typing_extensions import override

Xy = tuple[Float[ndarray, "*n"], Float[ndarray, "*n"]]
"""x and y in metres in two arrays: arithmetic on pairs is several times slower."""


class Region(ABC):
    """Region: a bounded part of the plane."""

    @abstractmethod
    def points(self, u: Float[ndarray, "*n"], v: Float[ndarray, "*n"]) -> Xy:
        """Return points that are uniform in the region if ``u`` and ``v`` are uniform in (0, 1)."""

    @abstractmethod
    def box(self) -> "Rectangle":
        """Return the smallest rectangle along the axes around the region."""


class Convex(Region):
    """Convex region: it contains the straight line between any two of its points."""

    @abstractmethod
    def diameter_m(self) -> float:
        """Return the maximum distance of two points in metres."""

    @abstractmethod
    def mean_distance_m(self) -> float:
        """Return the mean distance of two independent uniform points in metres."""


@final
@dataclass(frozen=True)
class Circle(Convex):
    """Circle with its interior (a disc)."""

    x_m: float
    y_m: float
    radius_m: float

    @override
    def points(self, u: Float[ndarray, "*n"], v: Float[ndarray, "*n"]) -> Xy:
        return self._ring().points(u, v)

    @override
    def box(self) -> "Rectangle":
        return self._ring().box()

    @override
    def diameter_m(self) -> float:
        return 2 * self.radius_m

    @override
    def mean_distance_m(self) -> float:
        """Return ``128 R / (45 pi)``, Crofton 1885."""
        return 128 * self.radius_m / (45 * np.pi)

    def _ring(self) -> "Ring":
        return Ring(self.x_m, self.y_m, inner_m=0.0, outer_m=self.radius_m)


@final
@dataclass(frozen=True)
class Ring(Region):
    """Ring between two concentric circles; not convex."""

    x_m: float
    y_m: float
    inner_m: float
    outer_m: float

    @override
    def points(self, u: Float[ndarray, "*n"], v: Float[ndarray, "*n"]) -> Xy:
        # The squared radius of a point uniform in area is itself uniform.
        if self.inner_m:
            radius_m = np.sqrt(self.inner_m**2 + (self.outer_m**2 - self.inner_m**2) * u)
        else:
            radius_m = self.outer_m * np.sqrt(u)
        angle = 2 * np.pi * v
        return self.x_m + radius_m * np.cos(angle), self.y_m + radius_m * np.sin(angle)

    @override
    def box(self) -> "Rectangle":
        return Rectangle(
            self.x_m - self.outer_m,
            self.y_m - self.outer_m,
            width_m=2 * self.outer_m,
            height_m=2 * self.outer_m,
        )


@final
@dataclass(frozen=True)
class Rectangle(Convex):
    """Rectangle along the axes, from its lower left corner; a side may be 0."""

    x_m: float
    y_m: float
    width_m: float
    height_m: float

    @override
    def points(self, u: Float[ndarray, "*n"], v: Float[ndarray, "*n"]) -> Xy:
        return self.x_m + self.width_m * u, self.y_m + self.height_m * v

    @override
    def box(self) -> "Rectangle":
        return self

    @override
    def diameter_m(self) -> float:
        return float(np.hypot(self.width_m, self.height_m))

    @override
    def mean_distance_m(self) -> float:
        """Return the closed form of Ghosh, "Random distances within a rectangle", 1951."""
        short, long = sorted((self.width_m, self.height_m))
        if short <= 1e-4 * long:  # the closed form cancels here; 1/3 has an error of 3e-8
            return long / 3
        s, d = short / long, float(np.hypot(short / long, 1.0))
        logs = s**2 * np.log((1 + d) / s) + np.log(s + d) / s
        return long * float(s**3 + 1 / s**2 + d * (3 - s**2 - 1 / s**2) + 2.5 * logs) / 15


@final
@dataclass(frozen=True)
class Segment(Convex):
    """Segment: a straight line between two points."""

    x_m: float
    y_m: float
    dx_m: float
    """x of the end minus x of the start."""
    dy_m: float

    @override
    def points(self, u: Float[ndarray, "*n"], v: Float[ndarray, "*n"]) -> Xy:
        return self.x_m + self.dx_m * u, self.y_m + self.dy_m * u

    @override
    def box(self) -> "Rectangle":
        return Rectangle(
            min(self.x_m, self.x_m + self.dx_m),
            min(self.y_m, self.y_m + self.dy_m),
            width_m=abs(self.dx_m),
            height_m=abs(self.dy_m),
        )

    @override
    def diameter_m(self) -> float:
        return float(np.hypot(self.dx_m, self.dy_m))

    @override
    def mean_distance_m(self) -> float:
        return self.diameter_m() / 3
