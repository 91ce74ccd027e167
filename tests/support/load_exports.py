"""Script that loads exports without airtune: ``load_exports.py JOBS OUT``.

JOBS is a JSON file with one entry per export: the folder, the samples and the device count. The
logits of every device are written to OUT. The script refuses to import a package of airtune.
"""

import io
import json
import runpy
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

FOREIGN = ("airtune", "netsim", "learner", "coupling", "analysis")


class Refusal(MetaPathFinder):
    """Finder that refuses the packages of airtune."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        assert name.partition(".")[0] not in FOREIGN, f"{name} is imported"


def main() -> None:
    sys.meta_path.insert(0, Refusal())
    jobs = json.loads(Path(sys.argv[1]).read_text())
    results = {name: logits(**job) for name, job in jobs.items()}

    from safetensors.torch import save_file

    save_file(results, sys.argv[2])


def logits(folder: str, texts: list[str], pictures: list[str], devices: int) -> object:
    import torch
    from PIL import Image

    load = runpy.run_path(str(Path(folder) / "load.py"))["load"]
    images = [Image.open(io.BytesIO(bytes.fromhex(picture))) for picture in pictures]
    return torch.stack([load(device)(texts or images) for device in range(devices)])


if __name__ == "__main__":
    main()
