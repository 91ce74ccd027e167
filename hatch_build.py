"""Build hook: scenarios and pages of the documentation as package data of the wheel."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackageData(BuildHookInterface):
    """Hook that puts ``scenarios/`` and ``docs/*.md`` beside the modules that read them.

    An editable installation reads them in the source tree.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to a wheel that is not editable."""
        if version == "editable":
            return
        root = Path(self.root)
        included = build_data["force_include"]
        included[str(root / "scenarios")] = "coupling/scenario/bundled_scenarios"
        for page in sorted((root / "docs").glob("*.md")):
            included[str(page)] = f"coupling/cli/pages/{page.name}"
