"""Where a file of MedS-Bench lies: the hub's folders, the capped SPLIT variant, and what ``ehrbench data prepare`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError

PREPARED = "prepared"
"""The folder of files built here from other releases."""
PLACES = ("", PREPARED, "MedS-Bench-SPLIT", "MedS-Bench")
"""Below the data folder, in the order in which they are looked at: SPLIT is the sample that the paper scored."""
EXAMPLES = "examples"
"""The folder of training files, laid out as the release is; worked examples are drawn from there where a task's file is in it."""
HELP = (
    "`ehrbench data fetch meds_bench` places the open files, `ehrbench data prepare meds_bench` builds those that are not public"
)


def task_id(file: str) -> str:
    """The release's name of a task: the file's name up to the first underscore (``task125``)."""
    return file.partition("_")[0]


def named_file(options: Mapping[str, Any]) -> tuple[str, str]:
    """The category's folder and the file that a task names, checked to be plain names.

    Raises:
        UsageError: one is absent or leads elsewhere.
    """
    names = []
    for key in ("folder", "file"):
        name = str(options.get(key, ""))
        if not name or name in (".", "..") or any(sign in name for sign in "/\\\0"):
            raise UsageError(f"data.options.{key} must be a plain name of the release (folder: NER, file: task125_….json)")
        names.append(name)
    return names[0], names[1]


def find_file(root: Path, options: Mapping[str, Any]) -> Path | None:
    """The file of a task, or None where it is not there.

    The release renames files now and then, so a single other file that begins with the same task id is taken, too.

    Raises:
        UsageError: two other files of one folder have the task's id.
    """
    folder, file = named_file(options)
    for place in PLACES:
        for parent in (root / place / folder, root / place):
            if (parent / file).is_file():
                return parent / file
            if parent.name != folder or not parent.is_dir():
                continue
            alike = sorted(path for path in parent.glob(f"{task_id(file)}_*.json*") if path.suffix in (".json", ".jsonl"))
            if len(alike) > 1:
                raise UsageError(f"{parent} has {len(alike)} files of {task_id(file)}: keep the one named {file}")
            if alike:
                return alike[0]
    return None


def require_file(root: Path, options: Mapping[str, Any]) -> Path:
    """The file of a task.

    Raises:
        MissingError: it is not there; the message says how to get it.
    """
    path = find_file(root, options)
    if path is None:
        folder, file = named_file(options)
        raise MissingError(f"{file} of MedS-Bench is not in {root / folder}; {HELP}")
    return path


def recognises(root: Path, options: Mapping[str, Any]) -> bool:
    """Whether the file that ``options`` name is in ``root`` or in one of the places below it."""
    return find_file(root, options) is not None
