"""Finding a metric's weights on this machine, and naming them in its signature without saying where they lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import MissingError
from ehrbench.home import home_dir
from ehrbench.models.hf.checkpoint import hash_files_once, resolve


class Weights(NamedTuple):
    """A checkpoint's folder."""

    folder: Path
    name: str
    """The hub id, or the folder's own name; never a path."""


def find_weights(metric: str, given: str | None, default: str) -> Weights:
    """Find the checkpoint of a metric.

    A folder or hub id that the user names is taken; else ``default`` is looked for in ``$EHRBENCH_MODELS``, in
    ``$EHRBENCH_HOME/metrics`` and in the local hub cache, in this order.

    Args:
        metric: for messages (``COMET``).
        given: what the user named, or None.
        default: hub id of the paper's checkpoint.

    Raises:
        MissingError: it is not on this machine; the message says what to fetch and where to put it.
    """
    name = given or default
    if given and (folder := Path(given).expanduser()).is_dir():
        return Weights(folder, folder.resolve().name)
    if (kept := _kept(name)) is not None:
        return Weights(kept, name)
    try:
        folder = resolve(name)
    except MissingError:
        raise MissingError(_missing(metric, name, default)) from None
    return Weights(folder, name if folder.parent.name == "snapshots" else folder.resolve().name)


def _kept(name: str) -> Path | None:
    """The folder under the places where people put models."""
    if name.startswith((".", "/", "~")):
        return None
    places = [home_dir() / "metrics"]
    if value := os.environ.get("EHRBENCH_MODELS"):
        places.insert(0, Path(value).expanduser())
    for place in places:
        for folder in (place / name, place / name.rsplit("/", 1)[-1]):
            if folder.is_dir():
                return folder
    return None


def _missing(metric: str, name: str, default: str) -> str:
    if name != default and not _is_hub_id(name):
        return f"{metric}: '{name}' is not a folder on this machine: check the path of the checkpoint"
    return (
        f"{metric} needs the weights of {name}: on a machine with a network, run `hf download {name} --local-dir FOLDER`, then "
        f"put the folder at {home_dir() / 'metrics' / name.rsplit('/', 1)[-1]}"
    )


def _is_hub_id(name: str) -> bool:
    return not name.startswith((".", "/", "~")) and name.count("/") <= 1


def label(weights: Weights, files: list[Path]) -> str:
    """Name and version for the signature: ``name@`` and the hub's commit, or the hash of the given files."""
    if weights.folder.parent.name == "snapshots":
        return f"{weights.name}@{weights.folder.name[:12]}"
    return f"{weights.name}@sha256-{hash_files_once(files)[:12]}"
