"""Upload of a folder to the Hugging Face hub."""

import re
from pathlib import Path
from typing import Final

from coupling.scenario.errors import RunError, ScenarioError, first_line

_REPOSITORY: Final = re.compile(r"[\w.\-]{1,96}/[\w.\-]{1,96}")


def require_repository_name(name: str) -> None:
    """Make sure that a name is ``OWNER/NAME``.

    Raises:
        ScenarioError: it is not.
    """
    if not _REPOSITORY.fullmatch(name):
        raise ScenarioError(f"--push {name}: is not OWNER/NAME, such as alice/film-reviews")


def push(folder: Path, repository: str) -> str:
    """Upload a folder to a model repository, which is created if it is missing; return its URL.

    Raises:
        RunError: there is no token, no network, or the hub refuses.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        url = api.create_repo(repository, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder)
    # The hub, its cache and the network each have exceptions of their own.
    except Exception as error:
        raise RunError(
            f"--push {repository}: {first_line(error)}; {folder} is complete, and "
            "'hf auth login' stores a token"
        ) from error
    return str(url)
