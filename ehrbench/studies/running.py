"""Runs a study: every model is loaded once for all its cells, and a cell that fails or waits leaves the others alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from filelock import FileLock, Timeout

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.evaluation import Finished, answer_and_score, prepare_all
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Model
from ehrbench.readers.data_dir import open_dataset
from ehrbench.runs.dry_run import Estimate, estimate_run
from ehrbench.runs.events import Event, Listener, Note, ignore
from ehrbench.runs.options import RunOptions
from ehrbench.runs.policy import silence_libraries
from ehrbench.runs.prepared import Prepared, prepare
from ehrbench.runs.samples import check_samples
from ehrbench.studies.judging import run_judges
from ehrbench.studies.pace import Stopwatch, note
from ehrbench.studies.state import CellState, cell_digest, cell_state, explained, record, states
from ehrbench.studies.study import Cell, Study

Refused = dict[int | None, EhrbenchError]
"""Windows that a model could not be loaded with, and why."""


def run_study(study: Study, *, on_event: Listener = ignore, recheck: bool = False) -> list[CellState]:
    """Run every cell that is not done, then the judges.

    Args:
        study: which.
        on_event: told what happens.
        recheck: go through done cells too.

    Returns:
        Where each cell is now.

    Raises:
        UsageError: another process runs this study.
    """
    silence_libraries()
    with _locked(study):
        for cells in by_model(study):
            pending = [cell for cell in cells if recheck or cell_state(study, cell).state != "done"]
            _run_model(study, pending, on_event)
        run_judges(study, on_event, recheck)
    return states(study)


def estimate_study(study: Study) -> list[tuple[Cell, Estimate | str]]:
    """What each cell would take, or why that cannot be said; nothing is asked and nothing is written."""
    found: list[tuple[Cell, Estimate | str]] = []
    silence_libraries()
    for cells in by_model(study):
        with opened(study, cells) as (model, refused):
            for cell in cells:
                try:
                    found.append((cell, estimate_run(_prepared(study, cell, model, refused))))
                except EhrbenchError as error:
                    found.append((cell, str(error)))
    return found


def by_model(study: Study) -> list[list[Cell]]:
    """The cells of each model, which is loaded once for all of them, in the order of the study."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in study.cells:
        options = study.options(cell)
        groups.setdefault((options.model, tuple(sorted(options.model_args.items()))), []).append(cell)
    return list(groups.values())


def _run_model(study: Study, cells: Sequence[Cell], on_event: Listener) -> None:
    if not cells:
        return
    with opened(study, cells) as (model, refused):
        for number, cell in enumerate(cells, 1):
            on_event(Note(cell.task, f"{cell.model}{', ' if cell.settings else ''}{cell.said} (cell {number} of {len(cells)})"))
            _run_cell(study, cell, model, refused, on_event)


def _run_cell(
    study: Study, cell: Cell, model: Model | None, refused: dict[int | None, EhrbenchError], on_event: Listener
) -> None:
    digest = cell_digest(study, cell)
    begun = CellState(cell.id, cell.model, cell.task, cell.settings, "", "running", None, "")
    record(study, begun, digest)
    try:
        run = _prepared(study, cell, model, refused)
        begun = begun._replace(n_items=len(run.items))
        record(study, begun._replace(folder=run.folder().path), digest)
        done = _answered(study, cell, run, on_event)
    except Exception as error:
        failure = explained(error)
        on_event(Note(cell.task, f"{cell.model}: {failure.state}: {failure.said}"))
        record(study, begun._replace(state=failure.state, said=failure.said), digest)
        return
    ended = begun._replace(folder=done.folder, state="done")
    if done.failures or done.n_broken or done.n_open or done.result is None:
        parts = [f"{count} items {outcome.replace('_', ' ')}" for outcome, count in done.failures.items()]
        parts += [f"{done.n_broken} metrics failed"] if done.n_broken else []
        parts += [f"{done.n_open} items wait for answers"] if done.n_open else []
        ended = ended._replace(state="incomplete", said=", ".join(parts))
    record(study, ended, digest)


def _answered(study: Study, cell: Cell, run: Prepared, on_event: Listener) -> Finished:
    """Answer and score with the task's own metrics, those that questions name, or both: the scorer adds to what is there."""
    arguments = study.spec.metric_args
    watch = Stopwatch()

    def listen(event: Event) -> None:
        watch(event)
        on_event(event)

    done: Finished | None = None
    n_broken = 0
    for names in [*([None] if cell.own_metrics else []), *([cell.metrics] if cell.metrics else [])]:
        done = answer_and_score(run, names, arguments, on_event=listen)
        n_broken += done.n_broken
    note(study, cell, watch.pace)
    assert done is not None  # a cell has metrics of its own or of a question
    return done._replace(n_broken=n_broken)


def _prepared(study: Study, cell: Cell, model: Model | None, refused: Refused) -> Prepared:
    options = study.options(cell)
    if model is None or options.model_window in refused:
        raise refused[options.model_window]
    _check_window(options, model)
    (task,) = study.catalog.select(cell.task, options.protocol)
    if options.samples is None:
        (run,) = prepare_all([task], model, options)
        return run
    run = prepare(task, model, options)
    if not run.items:
        raise UsageError(
            f"task '{cell.task}' has none of the items of 'samples'; leave it out of the question, or name some of its items"
        )
    _check_samples(study, cell, run)
    return run


def _check_samples(study: Study, cell: Cell, run: Prepared) -> None:
    """Refuse ids that no task has which is run on the same samples; the others are opened only for ids that this one lacks."""
    ids = {cell.task: [item.id for item in run.dataset.items]}
    own = {*ids[cell.task], *(f"{cell.task}/{one}" for one in ids[cell.task])}
    chosen = run.options.samples or ()
    if all(one in own for one in chosen):
        return
    for name in dict.fromkeys(one.task for one in study.cells if one.settings.get("samples") == cell.settings["samples"]):
        if name not in ids:
            (task,) = study.catalog.select(name, run.options.protocol)
            ids[name] = [item.id for item in open_dataset(task, run.options.data_dir).items]
    check_samples(chosen, ids)


def _check_window(options: RunOptions, model: Model) -> None:
    """A window that the model was not loaded with, because another cell asked for the model's own."""
    own, asked = model.context_length, options.model_window
    if not model.is_remote and own is not None and asked is not None and asked > own:
        raise UsageError(
            f"max_model_len {asked} is more than the {own} tokens that '{options.model}' can hold: give at most {own}"
        )


@contextmanager
def opened(study: Study, cells: Sequence[Cell]) -> Iterator[tuple[Model | None, Refused]]:
    """The model of some cells, loaded with the largest of their windows that it takes, and why it takes no larger one."""
    options = [study.options(cell) for cell in cells]
    windows = {one.model_window for one in options}
    refused: Refused = {}
    model: Model | None = None
    for window in sorted(windows, key=lambda w: (w is not None, -(w or 0))):
        try:
            model = load_model(options[0].model, options[0].model_args, window)
            break
        except EhrbenchError as error:
            refused[window] = error
            if not isinstance(error, UsageError):
                refused = dict.fromkeys(windows, error)
                break
    try:
        yield model, refused
    finally:
        if model is not None:
            model.close()


@contextmanager
def _locked(study: Study) -> Iterator[None]:
    study.out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(study.out / "study.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UsageError(f"another process runs the study in {study.out}; let it finish, or stop it and try again") from None
    try:
        yield
    finally:
        lock.release()
