"""A run's folder: where its files are, who may read them, and who is writing them now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.jsonl import write_private_folder

_NOTICE = """\
This folder holds text of health records: prompts' outcomes, answers and per-item scores. It may be under a data use
agreement. Keep it on this machine, do not commit it, do not publish it. Delete it with the run's folder when done.
"""


@dataclass(frozen=True)
class RunFolder:
    """``OUT/<model>/<task>/<config hash>/``."""

    path: Path

    @property
    def manifest(self) -> Path:
        """What decides the numbers, and where they were made."""
        return self.path / "manifest.json"

    @property
    def result(self) -> Path:
        """The numbers."""
        return self.path / "result.json"

    @property
    def private(self) -> Path:
        """Everything that quotes or describes an item."""
        return self.path / "private"

    @property
    def predictions(self) -> Path:
        """One finished item per line."""
        return self.private / "predictions.jsonl"

    @property
    def calls(self) -> Path:
        """Finished steps of unfinished refinement chains."""
        return self.private / "calls.jsonl"

    @property
    def scores(self) -> Path:
        """One item and metric a line."""
        return self.private / "scores.jsonl"

    @property
    def strata(self) -> Path:
        """Scores of subsets that may not be published."""
        return self.private / "strata.jsonl"

    @property
    def origin(self) -> Path:
        """Where the data were on this machine: lets ``score`` and ``verify`` find the gold answers again."""
        return self.private / "origin.json"

    @property
    def logged(self) -> Path:
        """As which runs of other services it is logged."""
        return self.private / "logged.json"

    def make(self) -> None:
        """Create the folder and its private part: owner only, ignored by git, with a notice."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as error:
            raise UsageError(
                f"the run's folder {self.path} cannot be made ({error.strerror}); name another place with --out"
            ) from None
        write_private_folder(self.private, _NOTICE)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; raises as ``locked``."""
        with locked(self.private, self.path):
            yield


@contextmanager
def locked(folder: Path, shown: Path | None = None) -> Iterator[None]:
    """Hold a folder for this process.

    Args:
        folder: where the lock is.
        shown: what is called locked; None: the folder.

    Raises:
        UsageError: another process is working on it.
        EhrbenchError: the disk cannot lock files.
    """
    shown = shown or folder
    lock, holder = FileLock(folder / "lock"), folder / "lock.holder"
    try:
        lock.acquire(blocking=False)
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.is_file() else "pid unknown"
        raise UsageError(
            f"another process ({who}) is working on {shown}; let it finish, or stop it and run this command again"
        ) from None
    except OSError as error:
        raise EhrbenchError(
            f"cannot lock {shown} ({error.strerror}), which keeps two processes from writing to one run; "
            "where the disk is a network disk that does not lock files, give --out a folder on a local one"
        ) from None
    try:
        holder.write_text(f"pid {os.getpid()}", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def folder_for(out: Path, model_name: str, task: str, config_hash: str) -> RunFolder:
    """The folder of one configuration."""
    return RunFolder(out / slug(model_name) / task / config_hash[:16])


def slug(name: str) -> str:
    """A file name from any model name: letters, digits, ``.``, ``-`` and ``_`` only, at most 80 long, never hidden."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:80]
    return cleaned or "model"


def open_run(path: Path) -> RunFolder:
    """A run folder given by a user: the folder itself or a file in it.

    Raises:
        UsageError: it is not a run folder.
    """
    for candidate in (path, path.parent, path.parent.parent):
        if (candidate / "manifest.json").is_file():
            return RunFolder(candidate)
    raise UsageError(f"{path} is not a run folder: it has no manifest.json (expected OUT/<model>/<task>/<hash>)")
