"""Where a file of MedS-Bench lies: the hub's folders, the capped SPLIT variant, and what ``ehrbench data prepare`` writes."""

from __future__ import annotations

from pathlib import Path

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.hf.tables import find_table

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


def find_file(root: Path, folder: str, file: str) -> Path | None:
    """The file of a task, or the table in its place, or None where neither is there.

    The release renames files now and then, so a single other file that begins with the same task id is taken, too.

    Raises:
        UsageError: two other files of one folder have the task's id.
    """
    for place in PLACES:
        for parent in (root / place / folder, root / place):
            if (parent / file).is_file():
                return parent / file
            if (table := find_table(parent, Path(file).stem)) is not None:
                return table
            if parent.name != folder or not parent.is_dir():
                continue
            alike = sorted(path for path in parent.glob(f"{task_id(file)}_*.json*") if path.suffix in (".json", ".jsonl"))
            if len(alike) > 1:
                raise UsageError(f"{parent} has {len(alike)} files of {task_id(file)}: keep the one named {file}")
            if alike:
                return alike[0]
    return None


def require_file(root: Path, folder: str, file: str) -> Path:
    """The file of a task.

    Raises:
        MissingError: it is not there; the message says how to get it.
    """
    path = find_file(root, folder, file)
    if path is None:
        raise MissingError(f"{file} of MedS-Bench is not in {root / folder}; {HELP}")
    return path
