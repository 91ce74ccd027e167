"""CSV tracker: one row per round in ``RUN/scalars.csv``, for a spreadsheet or ``tail -f``."""

import csv
from collections.abc import Mapping
from typing import Final, final

from typing_extensions import override

from coupling.files import atomic
from coupling.run_directory.layout import SCALARS
from coupling.trackers.base import Tracker

_COLUMNS: Final = (
    "round",
    "devices_scheduled",
    "devices_arrived",
    "simulated_s",
    "delay_s",
    "virtual_queue_s",
    "energy_j",
    "train_loss",
    "test_loss",
    "accuracy",
)


@final
class CsvTracker(Tracker):
    """CSV file of the scalars of each round; an empty field where the round has none."""

    @override
    def open(self, first_round: int) -> None:
        """Write the header; of a run that is resumed, keep the rows of the earlier rounds."""
        path = self.folder / SCALARS
        header = ",".join(_COLUMNS)
        rows = path.read_text(encoding="utf-8").splitlines()[1:] if path.is_file() else []
        kept = [row for row in rows if row.partition(",")[0] in _numbers_below(first_round)]
        atomic.write(path, "".join(f"{line}\n" for line in [header, *kept]))
        self._file = path.open("a", encoding="utf-8", newline="")
        self._rows = csv.DictWriter(self._file, _COLUMNS, lineterminator="\n")

    @override
    def write(self, round_number: int, values: Mapping[str, float]) -> None:
        texts = {name: f"{value:.17g}" for name, value in values.items()}
        self._rows.writerow({"round": round_number, **texts})
        self._file.flush()

    @override
    def close(self, *, failed: bool) -> None:
        self._file.close()


def _numbers_below(first_round: int) -> frozenset[str]:
    return frozenset(map(str, range(1, first_round)))
