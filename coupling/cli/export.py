"""Command ``export``: the adapter and heads of a finished run, for use without airtune."""

from pathlib import Path
from typing import Annotated

import typer

from coupling.cli.sweep import run_summary
from coupling.export.adapter_directory import export_adapter
from coupling.export.hub import push as push_folder
from coupling.export.hub import require_repository_name


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="The directory of a finished run.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new directory for the files.")],
    merge: Annotated[
        bool, typer.Option("--merge", help="Write the merged model to DIR/merged, too.")
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="Upload DIR to the Hugging Face hub."),
    ] = None,
) -> None:
    """Export the adapter and heads of a run in peft's format."""
    if push is not None:
        require_repository_name(push)
    for path in export_adapter(run, folder, summarise=run_summary, merge=merge):
        print(path)
    if push is not None:
        print(push_folder(folder, push))
