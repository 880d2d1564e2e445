"""Where each cell of a study is: one small file per cell, written whole or not at all, and nothing that quotes an item."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ehrbench import __version__
from ehrbench.errors import EhrbenchError, MissingError, PolicyError
from ehrbench.hashing import hash_data
from ehrbench.jsonl import lives, write_atomically
from ehrbench.runs.folder import RunFolder
from ehrbench.studies.study import Cell, Study, text_arguments

State = Literal["open", "running", "interrupted", "done", "incomplete", "waiting", "failed"]
"""``incomplete``: some items have no answer or a metric failed; ``waiting``: data, a package or an approval is missing."""


class CellState(NamedTuple):
    """One cell, or one judgement of a cell."""

    id: str
    model: str
    task: str
    settings: Mapping[str, Any]
    judge: str
    """Short name of the judge; empty for the run itself."""
    state: State
    folder: Path | None
    """Of the run; None before it has begun."""
    said: str
    """Why it is not done."""
    n_items: int | None = None
    """Of the run; None before it has begun."""

    @property
    def n_finished(self) -> int | None:
        """Items that have their outcome, of a cell that is being answered."""
        if self.folder is None or self.n_items is None or self.state not in ("running", "interrupted"):
            return None
        try:
            with RunFolder(self.folder).predictions.open("rb") as file:
                return min(self.n_items, sum(1 for _ in file))
        except OSError:
            return 0

    def plain(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**self._asdict(), "folder": None if self.folder is None else str(self.folder)}


class Failure(NamedTuple):
    """How a cell ended that is not done."""

    state: State
    said: str


def record(study: Study, one: CellState, digest: str) -> None:
    """Write down where a cell is."""
    folder = None if one.folder is None else os.path.relpath(one.folder, study.out)
    row = {**one.plain(), "folder": folder, "digest": digest, "process": os.getpid()}
    path = _path(study, one.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(row, indent=2, ensure_ascii=False) + "\n").encode())


def cell_digest(study: Study, cell: Cell) -> str:
    """Of everything that the study and its task files say of a cell: a done cell of the same digest is not run again."""
    entry = study.spec.models[cell.model]
    task = study.catalog.select(cell.task, study.options(cell).protocol)[0]
    facts = [entry.model, sorted(text_arguments(entry.args).items()), task.digest(), dict(cell.settings), cell.metrics]
    return hash_data([*facts, cell.own_metrics, sorted(study.spec.metric_args.items()), study.data_dir, __version__])


def cell_state(study: Study, cell: Cell) -> CellState:
    """Where a cell is now."""
    start = CellState(cell.id, cell.model, cell.task, cell.settings, "", "open", None, "")
    return stored_state(study, start, cell_digest(study, cell))


def stored_state(study: Study, start: CellState, digest: str) -> CellState:
    """What was written down of a cell, unless the study now says something else of it.

    Args:
        study: whose cell it is.
        start: the cell as it is before it has begun.
        digest: of what the study says of it now.
    """
    try:
        row = json.loads(_path(study, start.id).read_text(encoding="utf-8"))
        folder = None if row["folder"] is None else study.out / row["folder"]
        state, said, process = row["state"], str(row["said"]), int(row["process"])
        same = row["digest"] == digest
        n_items = row.get("n_items")
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or one that a full disk left behind
        return start
    if not same or (state == "done" and (folder is None or not (folder / "result.json").is_file())):
        return start
    if state == "running" and not (process != os.getpid() and lives(process)):
        state = "interrupted"
    return start._replace(state=state, folder=folder, said=said, n_items=n_items)


def states(study: Study) -> list[CellState]:
    """Every cell of a study, then the judgements."""
    from ehrbench.studies.judging import judgement_states

    found = [cell_state(study, cell) for cell in study.cells]
    return [*found, *judgement_states(study, {one.id: one for one in found})]


def explained(error: Exception) -> Failure:
    """The state that an error leaves a cell in; of a bug only the place, for its text may quote a record."""
    if isinstance(error, (MissingError, PolicyError)):
        return Failure("waiting", str(error))
    if isinstance(error, EhrbenchError):
        return Failure("failed", str(error))
    if isinstance(error, OSError) or os.environ.get("EHRBENCH_DEBUG"):  # a full disk is no matter of one cell
        raise error
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return Failure("failed", f"a bug: {type(error).__name__} at {place}; EHRBENCH_DEBUG=1 shows it, and may quote a record")


def _path(study: Study, name: str) -> Path:
    return study.out / "cells" / f"{name}.json"
