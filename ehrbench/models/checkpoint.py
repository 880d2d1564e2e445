"""Finding a checkpoint on this machine: a folder, or a hub id that the local hub cache holds. Nothing is ever downloaded here."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def resolve(path_or_id: str, revision: str | None = None) -> Path:
    """The folder of a checkpoint.

    Args:
        path_or_id: a folder, or a hub id (``org/name``) that was downloaded before.
        revision: branch, tag or commit of a hub id; the cache's ``main`` by default. A folder has no revision.

    Raises:
        MissingError: neither a folder nor in the local hub cache; the message says where both were looked for.
        UsageError: a revision was given for a folder.
    """
    folder = Path(path_or_id).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise UsageError(
                f"revision '{revision}' was given, but '{path_or_id}' is a folder, which has none: leave the revision out"
            )
        return folder
    if folder.exists():
        raise MissingError(f"'{path_or_id}' is a file, not a checkpoint folder: name the folder that holds config.json")
    if not _HUB_ID.fullmatch(path_or_id):
        raise MissingError(f"no checkpoint folder '{path_or_id}' on this machine: check the path")
    cache = _hub_cache()
    repository = cache / f"models--{path_or_id.replace('/', '--')}"
    commit = revision or "main"
    reference = repository / "refs" / commit
    if reference.is_file():
        commit = reference.read_text("utf-8").strip()
    snapshot = repository / "snapshots" / commit
    if snapshot.is_dir():
        return snapshot
    at = f" at revision '{revision}'" if revision else ""
    raise MissingError(
        f"'{path_or_id}'{at} is neither a folder nor in the local hub cache {cache}: fetch it on a machine with a network, with "
        f"`hf download {path_or_id}{f' --revision {revision}' if revision else ''}`, and give the folder"
    )


def read_json(path: Path) -> dict[str, Any]:
    """The object in one of a checkpoint's JSON files; empty where the file is not there.

    Raises:
        UsageError: the file is not a JSON object.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise UsageError(f"cannot read {path}: {type(error).__name__}; expected a JSON object, so copy the file again") from None
    if not isinstance(data, dict):
        raise UsageError(f"cannot read {path}: found a JSON {type(data).__name__}, expected an object; copy the file again")
    return data


def _hub_cache() -> Path:
    # The order in which huggingface_hub itself looks.
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(variable):
            return Path(value).expanduser()
    if value := os.environ.get("HF_HOME"):
        return Path(value).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache).expanduser() if cache else Path.home() / ".cache") / "huggingface" / "hub"
