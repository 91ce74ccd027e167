"""Map of the cell as an image: the server and the devices, coloured by their part in the round."""

from typing import Final

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image, ImageDraw

from coupling.gym.episodes import Episode

SIZE: Final = 400
"""Width and height in pixels."""
_MARGIN: Final = 24
_RADIUS: Final = 5
_BACKGROUND: Final = (255, 255, 255)
_SERVER: Final = (20, 20, 20)
_ABSENT: Final = (215, 215, 215)
_IDLE: Final = (120, 150, 190)
_ARRIVED: Final = (30, 140, 70)
_LOST: Final = (200, 60, 50)


def draw_map(episode: Episode) -> UInt8[ndarray, "height width 3"]:
    """Return the map at the start of the next round, with the devices of the last one.

    Black square: server. Green: the update arrived. Red: it was lost. Blue: offered and not
    scheduled. Grey: not offered. Devices without a position stand in a circle.
    """
    snapshot = episode.simulation.world.at(
        episode.simulation.state.time_s, episode.simulation.state.round + 1
    )
    server_m = np.asarray(episode.scenario.cell.position_m, float)
    place_px, server_px = _pixels(_known(snapshot.position_m), server_m)
    image = Image.new("RGB", (SIZE, SIZE), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    offered = set(episode.state.device.tolist())
    colours = [_IDLE if device in offered else _ABSENT for device in range(len(place_px))]
    if episode.record is not None:
        outcome = zip(
            episode.record.scheduled.tolist(), episode.record.arrived.tolist(), strict=True
        )
        for device, arrived in outcome:
            colours[device] = _ARRIVED if arrived else _LOST
    for (x, y), colour in zip(place_px.tolist(), colours, strict=True):
        draw.ellipse((x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS), fill=colour)
    x, y = server_px.tolist()
    draw.rectangle((x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS), fill=_SERVER)
    return np.asarray(image, np.uint8)


def _known(position_m: Float[ndarray, "K 2"]) -> Float[ndarray, "K 2"]:
    """Return the positions; a circle where the channel has no geometry."""
    angle = 2 * np.pi * np.arange(len(position_m)) / len(position_m)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return np.where(np.isnan(position_m), circle, position_m)


def _pixels(
    position_m: Float[ndarray, "K 2"], server_m: Float[ndarray, " axes"]
) -> tuple[Float[ndarray, "K 2"], Float[ndarray, "2"]]:
    """Return the pixels of the devices and the server; y points upwards."""
    places = np.vstack([position_m, server_m[:2]])
    low, high = places.min(axis=0), places.max(axis=0)
    extent = max(float((high - low).max()), 1e-9)
    scaled = (places - (low + high) / 2) / extent
    pixels = SIZE / 2 + scaled * np.array([1.0, -1.0]) * (SIZE - 2 * _MARGIN)
    return pixels[:-1], pixels[-1]
