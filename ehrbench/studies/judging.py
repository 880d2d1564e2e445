"""The judges of a study: each is loaded once for all the runs that it judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ehrbench.errors import EhrbenchError
from ehrbench.hashing import hash_data
from ehrbench.judge.judging import judge_run, with_structured_output
from ehrbench.judge.report import JudgedRun, write_judgement
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Model
from ehrbench.runs.events import Listener, Note
from ehrbench.runs.folder import open_run
from ehrbench.scoring.loaded import load_run
from ehrbench.studies.schema import JudgeEntry
from ehrbench.studies.state import CellState, cell_state, explained, record, stored_state
from ehrbench.studies.study import Cell, Study, text_arguments


class _Judging(NamedTuple):
    """One cell under one judge."""

    name: str
    entry: JudgeEntry
    start: CellState
    candidate: Cell
    reference: Cell | None


def judgement_states(study: Study, cells: Mapping[str, CellState]) -> list[CellState]:
    """Where each judgement is.

    Args:
        study: which.
        cells: where each cell is, by its id.
    """
    return [stored_state(study, one.start, _digest(one, cells)) for one in _judgings(study)]


def run_judges(study: Study, on_event: Listener, recheck: bool) -> None:
    """Have every judge judge what it has not judged yet."""
    if not study.spec.judges:
        return
    cells = {cell.id: cell_state(study, cell) for cell in study.cells}
    judgings = list(_judgings(study))
    for name, entry in study.spec.judges.items():
        pending = [
            one
            for one in judgings
            if one.name == name and (recheck or stored_state(study, one.start, _digest(one, cells)).state != "done")
        ]
        if not pending:
            continue
        model, failed = _judge(entry)
        try:
            for one in pending:
                _judge_one(study, one, model, failed, cells, on_event)
        finally:
            if model is not None:
                model.close()


def _judgings(study: Study) -> Iterator[_Judging]:
    by_place = {(cell.model, cell.task, cell.said): cell for cell in study.cells}
    for name, entry in study.spec.judges.items():
        seen: set[str] = set()
        for question in study.questions:
            if entry.questions and question.name not in entry.questions:
                continue
            for cell in question.cells:
                if cell.model == entry.reference or cell.id in seen:
                    continue
                seen.add(cell.id)
                start = CellState(hash_data([name, cell.id])[:16], cell.model, cell.task, cell.settings, name, "open", None, "")
                yield _Judging(name, entry, start, cell, by_place.get((entry.reference, cell.task, cell.said)))


def _digest(one: _Judging, cells: Mapping[str, CellState]) -> str:
    """Of the judge and of the runs that it is shown."""
    shown = [cells[cell.id] for cell in (one.candidate, one.reference) if cell is not None]
    entry = one.entry.model_dump(mode="json", exclude={"questions"})
    return hash_data([entry, [(cell.state, cell.folder.name if cell.folder is not None else None) for cell in shown]])


def _judge(entry: JudgeEntry) -> tuple[Model | None, EhrbenchError | None]:
    arguments = text_arguments(entry.args)
    try:
        given = with_structured_output(entry.model, arguments) if entry.structured else arguments
        return load_model(entry.model, given, None), None
    except EhrbenchError as error:
        return None, error


def _judge_one(
    study: Study,
    one: _Judging,
    judge: Model | None,
    failed: EhrbenchError | None,
    cells: Mapping[str, CellState],
    on_event: Listener,
) -> None:
    candidate, digest = cells[one.candidate.id], _digest(one, cells)
    reference = cells[one.reference.id] if one.reference is not None else None
    if candidate.folder is None:
        record(study, one.start._replace(state="waiting", said="the run to be judged is not there yet"), digest)
        return
    if reference is None or reference.folder is None:
        there = "has no run of this task under the same settings" if reference is None else "has not been run here yet"
        said = f"the reference '{one.entry.reference}' {there}"
        record(study, one.start._replace(state="waiting", said=said), digest)
        return
    begun = one.start._replace(state="running", folder=candidate.folder)
    record(study, begun, digest)
    on_event(Note(one.candidate.task, f"{one.name} judges {one.candidate.model}"))
    try:
        if judge is None:
            assert failed is not None  # one of the two is there
            raise failed
        mine, theirs = (load_run(open_run(folder)) for folder in (candidate.folder, reference.folder))
        protocol, synthetic = one.entry.protocol, bool(mine.manifest.get("synthetic"))
        verdicts = judge_run(mine, theirs, judge, protocol, study.out / "runs", synthetic=synthetic, on_event=on_event)
        write_judgement(JudgedRun(mine, theirs, judge.identity, verdicts), protocol)
    except Exception as error:
        failure = explained(error)
        on_event(Note(one.candidate.task, f"{one.name}: {failure.state}: {failure.said}"))
        record(study, begun._replace(state=failure.state, said=failure.said), digest)
        return
    if verdicts.failed_calls:
        record(study, begun._replace(state="incomplete", said=f"{verdicts.failed_calls} verdicts never came"), digest)
    else:
        record(study, begun._replace(state="done"), digest)
