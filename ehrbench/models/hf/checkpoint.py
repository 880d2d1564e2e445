"""Finding a checkpoint on this machine and hashing its weights: a folder, or a hub id that the local hub cache holds.

Nothing is ever downloaded here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_data, hash_file, hash_text
from ehrbench.home import home_dir
from ehrbench.jsonl import parse
from ehrbench.models.hf.weight_files import is_git_lfs_pointer, require_whole

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
_NOT_WEIGHTS = {"training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth"}
_SHA256 = re.compile("[0-9a-f]{64}")
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
        content = path.read_bytes()
        data = parse(content)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        if isinstance(error, ValueError) and is_git_lfs_pointer(content):
            raise MissingError(
                f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` in the repository it came from"
            ) from None
        raise UsageError(f"cannot read {path}: {type(error).__name__}; expected a JSON object, so copy the file again") from None
    if not isinstance(data, dict):
        raise UsageError(f"cannot read {path}: found a JSON {type(data).__name__}, expected an object; copy the file again")
    return data


def require_weights(folder: Path) -> list[Path]:
    """A checkpoint's weight files, in order of their names.

    Raises:
        MissingError: the folder is not a checkpoint that can be run: a file is missing, was cut short or is a Git LFS pointer.
    """
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise MissingError(
                f"{folder} holds an adapter without its base model: merge the two (peft: merge_and_unload, save_pretrained) and "
                "give the merged folder"
            )
        raise MissingError(f"{folder} is not a checkpoint: it has no config.json; give the folder that save_pretrained wrote")
    for pattern in _WEIGHTS:
        if files := sorted(file for file in folder.glob(pattern) if file.name not in _NOT_WEIGHTS):
            index = read_json(folder / f"{files[0].name.partition('-')[0]}{files[0].suffix}.index.json")
            missing = sorted(set(index.get("weight_map", {}).values()) - {file.name for file in files})
            if missing:
                raise MissingError(f"{folder} lacks {len(missing)} of its weight files, the first is {missing[0]}: copy it again")
            for file in files:
                require_whole(file)
            return files
    raise MissingError(f"{folder} has a config.json but no weights (*.safetensors or *.bin): the copy is not complete")


def weights_hash(folder: Path) -> str:
    """SHA-256 over a checkpoint's weight files and its ``config.json``.

    A file is read once: its hash is kept in the user's home folder under its path, size and time of change. A file of the hub
    cache that the hub stores under its own SHA-256 is not read at all.

    Raises:
        MissingError: the folder is not a checkpoint.
    """
    return hash_files_once([folder / "config.json", *require_weights(folder)])


def hash_files_once(files: Sequence[Path]) -> str:
    """SHA-256 over files and their names, each file read only once in its life (see ``weights_hash``)."""
    # Hashing releases the interpreter's lock, and a large checkpoint has dozens of files.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        hashes = list(pool.map(_hash_once, files))
    return hash_data([[file.name, digest] for file, digest in zip(files, hashes, strict=True)])


def _hash_once(path: Path) -> str:
    real = path.resolve()
    if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):
        return real.name
    stat = real.stat()
    folder = home_dir() / "hashes"
    folder.mkdir(exist_ok=True)
    kept = folder / hash_text(f"{real}|{stat.st_size}|{stat.st_mtime_ns}")
    try:
        digest = kept.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        digest = ""
    if _SHA256.fullmatch(digest):
        return digest
    digest = hash_file(real)
    unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
    unfinished.write_text(digest, "ascii")
    unfinished.replace(kept)
    return digest


def _hub_cache() -> Path:
    # The order in which huggingface_hub itself looks.
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(variable):
            return Path(value).expanduser()
    if value := os.environ.get("HF_HOME"):
        return Path(value).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache).expanduser() if cache else Path.home() / ".cache") / "huggingface" / "hub"
