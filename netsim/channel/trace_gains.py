"""Trace-driven gains: measured or exported gains instead of models."""

from typing import Annotated, Final, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.channel.gains import Gains
from netsim.channel.pathloss import Devices
from netsim.errors import NetworkInputError
from netsim.input_columns import (
    Coverage,
    as_device_ids,
    block_numbers,
    read_columns,
    require_devices,
)
from netsim.parameters import CONFIG, Name

_KEY: Final = "channel.gains.path"
_SMALLEST: Final = 1e-100
_LARGEST: Final = 1e100
"""Gain of 1,000 dB: beyond, values are unphysical and soon exceed a float."""
_REPEATED: Final = "its blocks are repeated"


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class GainTrace:
    """Gain trace: gains from a file, path loss and fading together.

    The file covers a range of blocks without a gap, each with every device. It is repeated before
    and after: block b has the gains of the file's block that is a multiple of the number of blocks
    away.
    """

    path: Name
    """Path of a ``.parquet`` or ``.csv`` file with the columns ``block``, ``device`` and ``gain``
    (linear, no unit).
    """
    offset_blocks: Annotated[int, Field(ge=-(2**53), le=2**53, strict=True)] = 0
    """Number that is added to the block numbers of the file."""

    def gains(self, count: int) -> "TraceGains":
        """Return the gains of devices 0 to ``count - 1``; others in the file are ignored.

        Raises:
            NetworkInputError: the file, a column, a device or a block is missing or occurs twice,
                or a gain is missing, negative or unphysical.
        """
        columns = read_columns(self.path, ("block", "device", "gain"), _KEY)
        device = as_device_ids(columns["device"], self.path, _KEY)
        require_devices(device, count, self.path, key=_KEY)
        kept = device < count
        device = device[kept]
        block = block_numbers(columns["block"], self.path, _KEY)[kept] + self.offset_blocks
        first = int(block.min())
        blocks = int(block.max()) - first + 1
        self._require_once(block, device, count)
        table = np.empty((count, blocks))
        row = np.flatnonzero(kept)
        table[device, block - first] = self._allowed(columns["gain"][kept], block, device, row=row)
        gains = TraceGains(first, table)
        gains.coverage = Coverage(
            _KEY,
            self.path,
            first,
            first + blocks - 1,
            before=_REPEATED,
            after=_REPEATED,
            blocks=True,
            offset=self.offset_blocks,
        )
        return gains

    def _require_once(
        self, block: Int[ndarray, " rows"], device: Int[ndarray, " rows"], count: int
    ) -> None:
        order = np.lexsort((device, block))
        block, device = block[order], device[order]
        twice = np.flatnonzero((np.diff(block) == 0) & (np.diff(device) == 0))
        if twice.size:
            row = twice[0]
            raise NetworkInputError(
                _KEY, f"{self.path} has block {block[row]}, device {device[row]} twice"
            )
        expected_block, expected_device = np.divmod(np.arange(len(block)), count)
        wrong = np.flatnonzero((expected_block + block[0] != block) | (expected_device != device))
        if wrong.size or len(block) % count:
            missing_block, missing_device = divmod(
                int(wrong[0]) if wrong.size else len(block), count
            )
            raise NetworkInputError(
                _KEY,
                f"{self.path} has no row of block {block[0] + missing_block}, "
                f"device {missing_device}",
            )

    def _allowed(
        self,
        gain: Float[ndarray, " rows"],
        block: Int[ndarray, " rows"],
        device: Int[ndarray, " rows"],
        *,
        row: Int[ndarray, " rows"],
    ) -> Float[ndarray, " rows"]:
        """Return the gains; 0 is allowed, and what is within the range of all ratios in dB."""
        bad = np.flatnonzero((gain != 0) & ~((gain >= _SMALLEST) & (gain <= _LARGEST)))
        if bad.size:
            first = bad[0]
            raise NetworkInputError(
                _KEY,
                f"{self.path}: row {row[first] + 1} has gain {gain[first]:g} in block "
                f"{block[first]}, device {device[first]}; allowed are 0, and {_SMALLEST:g} to "
                f"{_LARGEST:g}",
            )
        return gain


@final
class TraceGains(Gains):
    """Gains of a table of blocks that is repeated without end."""

    def __init__(self, first_block: int, table: Float[ndarray, "K blocks"]) -> None:
        self._first_block = first_block
        self._table = table

    @override
    def at(
        self,
        device: Devices,
        position_m: Float[ndarray, "n T 2"],
        block: Int[ndarray, " T"],
        time_s: Float[ndarray, " T"],
    ) -> Float[ndarray, "n T"]:
        return self._table[device][:, (block - self._first_block) % self._table.shape[1]]
