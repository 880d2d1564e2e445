"""Evaluate models on tasks: prepare, generate, score. Nothing here prints; what happens is told in events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import EhrbenchError, MissingDataError, worst_exit_code
from ehrbench.models.loading import load_model
from ehrbench.models.own import adapt, require_place
from ehrbench.models.protocol import Model
from ehrbench.results.collection import Results
from ehrbench.results.groups import GroupResult
from ehrbench.results.repeats import Repeats
from ehrbench.results.schema import SCORED_OUTCOMES, Outcome, Result
from ehrbench.runs.events import (
    Listener,
    LoggingFailed,
    MetricFailed,
    MetricProgress,
    Note,
    TaskFinished,
    TaskLeftOut,
    ignore,
)
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions, read_options
from ehrbench.runs.policy import silence_libraries
from ehrbench.runs.prediction import Prediction
from ehrbench.runs.prepared import Prepared, prepare
from ehrbench.runs.samples import check_samples
from ehrbench.runs.seeds import with_seeds
from ehrbench.scoring.loaded import LoadedRun, as_loaded
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import Catalog, load_catalog
from ehrbench.tasks.schema import TaskSpec


class Finished(NamedTuple):
    """A task that was run."""

    folder: Path
    failures: Mapping[Outcome, int]
    """Items without an answer, by outcome."""
    run: LoadedRun | None = None
    result: Result | None = None
    n_broken: int = 0
    """Metrics that failed."""
    n_open: int = 0
    """Items whose calls wait for answers elsewhere; such a run is not scored yet."""


class SomeModelsFailed(EhrbenchError):
    """Some of several models could not be loaded or broke off; the others have been run."""

    def __init__(self, results: Results, failed: Mapping[str, Exception]) -> None:
        """Say which.

        Args:
            results: of everything that was scored, also of a failed model's tasks before it broke off.
            failed: the error of each, by the model's name.
        """
        self.results = results
        self.failed = dict(failed)
        said = [f"{name}: {e if isinstance(e, EhrbenchError) else type(e).__name__}" for name, e in failed.items()]
        super().__init__(f"{'; '.join(said)}; the results of the other models are in this error's 'results'")
        self.exit_code = worst_exit_code(e.exit_code if isinstance(e, EhrbenchError) else 1 for e in failed.values())


def evaluate(
    model: Any,
    tasks: str | Sequence[str],
    *,
    data_dir: Path | str | None = None,
    protocol: str = "clean",
    metrics: Sequence[str] | None = None,
    metric_args: Mapping[str, str] | None = None,
    limit: int | None = None,
    out: Path | str = "results",
    on_event: Listener = ignore,
    model_args: Mapping[str, Any] | None = None,
    max_model_len: int | None = None,
    allow_partial: bool = False,
    include_paths: Sequence[Path | str] = (),
    seeds: Sequence[int] = (),
    log_to: str | Sequence[str] = (),
    **settings: Any,
) -> Results:
    """Run a model, or several, on tasks and score the answers. The same call again continues what was interrupted.

    One of several models that fails leaves the others alone: they are run, and the error at the end holds their results.

    Args:
        model: what ``--model`` takes (a checkpoint's path, ``baseline:bm25``, ``openai:NAME`` …); an object of your own with a
            method ``generate``; a function from prompt to answer; or a list of these.
        tasks: names, groups or globs, as a list or one text with commas.
        data_dir: folder that holds the releases, or ``"sample"``; None: ``$EHRBENCH_DATA``, else ``data``.
        protocol: ``clean`` or ``paper``.
        metrics: instead of the tasks' own.
        metric_args: ``{"comet.checkpoint": PATH}``.
        limit: first items only; the results are marked partial.
        out: folder of the runs.
        on_event: told what happens (``ehrbench.runs.events``); called from several threads, one at a time per run.
        model_args: the backend's arguments, as ``--model-arg`` takes them.
        max_model_len: window in tokens, prompt and answer together.
        allow_partial: leave out tasks whose data are missing, instead of raising.
        include_paths: folders with further task files.
        seeds: repeat each run under each of these, and take the means (``Results.repeats``); greedy tasks are run once.
        log_to: who is told numbers while the runs go on, as ``--log-to`` takes it: ``mlflow``, ``wandb``, ``trackio``, each
            perhaps with ``:PLACE``.
        settings: any other option of ``ehrbench run`` by its name: ``prompt``, ``context``, ``keep``, ``budget_tokenizer``,
            ``chunk_tokens``, ``max_tokens``, ``max_reasoning_tokens``, ``temperature``, ``top_p``, ``num_fewshot``, ``seed``,
            ``samples``, ``shard``, ``model_profile``.

    Returns:
        The results, in the order models × tasks; ``Results.items()`` leads to what is behind them.

    Raises:
        UsageError: an unknown task, metric, option or value; a model object without what it needs.
        MissingError: data, weights or a package that are not on this machine.
        PolicyError: credentialed text would leave this machine without an approval.
        SomeModelsFailed: some of several models failed; ``results`` are those of the others.
        EhrbenchError: a metric failed; everything else is written.
    """
    catalog = load_catalog([Path(path) for path in include_paths])
    silence_libraries()
    finished: list[Finished] = []
    groups: list[GroupResult] = []
    repeats: list[Repeats] = []
    failures: list[EhrbenchError] = []
    failed: dict[str, Exception] = {}
    notes: list[str] = []

    def listen(event: Any) -> None:
        if isinstance(event, MetricFailed):
            failures.append(event.error)
        elif isinstance(event, LoggingFailed):
            notes.append(f"{event.task}: not all of it was logged to {event.logger}: {event.reason}")
        on_event(event)

    shared = read_options(
        {
            **settings,
            "data_dir": None if data_dir is None else str(data_dir),
            "protocol": protocol,
            "limit": limit,
            "out": Path(out),
            "max_model_len": max_model_len,
            "include_paths": tuple(Path(path) for path in include_paths),
            "log_to": log_to,
        },
        {key: str(value) for key, value in (model_args or {}).items()},
    )
    chosen = catalog.select(tasks if isinstance(tasks, str) else ",".join(tasks), shared.protocol)
    models = list(model) if isinstance(model, (list, tuple)) else [model]
    for place, one in enumerate(models, 1):
        done: list[Finished] = []
        name = one if isinstance(one, str) else f"model {place}"
        try:
            options = replace(shared, model=name)
            answering = load(options) if isinstance(one, str) else adapt(one)
            if not isinstance(one, str):
                name = answering.identity.name
                options = replace(shared, model=name)
            try:
                ready = prepare_all(chosen, answering, options, allow_partial=allow_partial, on_event=on_event)
                for run in (run for one_task in ready for run in with_seeds(one_task, seeds, on_event)):
                    done.append(answer_and_score(run, metrics, metric_args or {}, on_event=listen, command="ehrbench.evaluate"))
            finally:
                answering.close()
            repeats += score_repeats(done)
            groups += score_groups(done, catalog, options, allow_partial=allow_partial)
        except MissingDataError:  # the other models would miss them too
            raise
        except Exception as error:
            if len(models) == 1:
                raise
            failed[name] = error
        finished += done
    scored = [one for one in finished if one.result is not None]
    results = Results([one.result for one in scored if one.result], [one.folder for one in scored], groups, notes, repeats)
    if failed:
        raise SomeModelsFailed(results, failed) from next(iter(failed.values()))
    if failures:
        raise failures[0]
    return results


def load(options: RunOptions) -> Model:
    """The model that the options name.

    Raises:
        UsageError: an unknown backend or argument.
        MissingError: weights, a file or a package that is not here.
    """
    return load_model(options.model, options.model_args, options.model_window)


def prepare_all(
    tasks: Sequence[TaskSpec], model: Model, options: RunOptions, *, allow_partial: bool = False, on_event: Listener = ignore
) -> list[Prepared]:
    """Open every task's data; all that are missing are named at once, and left out where that is allowed.

    Raises:
        MissingError: data are missing.
        PolicyError: the model may not see them.
    """
    ready: list[Prepared] = []
    missing: list[tuple[str, MissingDataError]] = []
    for task in tasks:
        if task.data.policy == "credentialed" and options.data_dir != "sample":
            require_place(model, task.task)
        try:
            ready.append(prepare(task, model, options))
        except MissingDataError as error:
            if len(tasks) == 1:
                raise
            missing.append((task.task, error))
    if missing and (not ready or not allow_partial):
        names = ", ".join(name for name, _ in missing[:5]) + (", …" if len(missing) > 5 else "")
        further = "--allow-partial runs the others; " if ready else ""
        raise MissingDataError(
            f"{len(missing)} of {len(tasks)} tasks have no data ({names}); {further}`ehrbench data status` says where to get "
            f"them. The first: {missing[0][1]}"
        )
    for name, reason in missing:
        on_event(TaskLeftOut(name, str(reason)))
    if options.samples is not None:
        check_samples(options.samples, {run.task.task: [item.id for item in run.dataset.items] for run in ready})
        for run in ready:
            if not run.items:
                on_event(TaskLeftOut(run.task.task, "it has none of the items of --samples"))
    return [run for run in ready if run.items or options.samples is None]


def answer_and_score(
    run: Prepared,
    metrics: Sequence[str] | None = None,
    arguments: Mapping[str, str] | None = None,
    *,
    score: bool = True,
    on_event: Listener = ignore,
    command: str | None = None,
) -> Finished:
    """Answer what has no answer yet and score the whole; the dataset that is open is used for both.

    Args:
        run: what ``prepare`` made ready.
        metrics: instead of the task's own.
        arguments: of metrics.
        score: False stops after the answers.
        on_event: told what happens.
        command: to record; None: this process's command line.
    """
    if not run.options.log_to:
        return _answer_and_score(run, metrics, arguments, score, on_event, command)
    from ehrbench.runs.loggers.live import logged  # brings the publish check, and so Polars

    with logged(run, on_event) as listen:
        return _answer_and_score(run, metrics, arguments, score, listen, command)


def _answer_and_score(
    run: Prepared,
    metrics: Sequence[str] | None,
    arguments: Mapping[str, str] | None,
    score: bool,
    on_event: Listener,
    command: str | None,
) -> Finished:
    task = run.task.task
    folder, predictions = generate(run, command=command, on_event=on_event)
    failures = Counter(p.outcome for p in predictions if p.outcome not in SCORED_OUTCOMES)
    for line in _failures(predictions):
        on_event(Note(task, line))
    n_open = len(run.items) - len(predictions) if run.options.shard is None else 0
    done = Finished(folder.path, failures, n_open=n_open)
    if run.options.shard is not None:
        on_event(Note(task, f"{len(predictions)} of {len(run.items)} items are this shard's; `ehrbench merge` scores"))
    elif score and not n_open:
        broken: list[str] = []

        def tell(name: str, error: EhrbenchError) -> None:
            broken.append(name)
            on_event(MetricFailed(task, name, error))

        loaded = as_loaded(run, folder, predictions)
        result = score_run(
            loaded,
            metrics,
            arguments=arguments,
            progress=lambda name, count, total: on_event(MetricProgress(task, name, count, total)),
            failed=tell,
        )
        done = done._replace(run=loaded, result=result, n_broken=len(broken))
    on_event(TaskFinished(task, folder.path, failures.total(), n_open, done.result))
    return done


def _failures(predictions: Sequence[Prediction]) -> list[str]:
    """The most common reasons why items have no answer, one sentence each, with an example by id."""
    of = {f"{p.outcome}: {p.error}": p.item for p in reversed(predictions) if p.outcome not in SCORED_OUTCOMES}
    counts = Counter(f"{p.outcome}: {p.error}" for p in predictions if p.outcome not in SCORED_OUTCOMES)
    return [f"{count} items (first: {of[reason]}): {reason}" for reason, count in counts.most_common(5)]


def score_repeats(finished: Sequence[Finished]) -> list[Repeats]:
    """The means over seeds of runs that differ in nothing else, written beside them."""
    from ehrbench.scoring.repeats import ScoredRun, write_means

    return write_means([ScoredRun(one.run, one.result) for one in finished if one.run is not None and one.result is not None])


def score_groups(
    finished: Sequence[Finished], catalog: Catalog, options: RunOptions, *, allow_partial: bool = False
) -> list[GroupResult]:
    """The groups of suites of which several tasks were scored, written beside the runs."""
    runs = [(one.run, one.result) for one in finished if one.run is not None and one.result is not None]
    if len({result.task for _, result in runs}) < 2:
        return []
    from ehrbench.scoring.groups import Scored, group_results, write_groups

    scored = [Scored(run, result) for run, result in runs]
    groups = group_results(scored, catalog, allow_partial=allow_partial, folders=options.include_paths)
    write_groups(options.out, groups)
    return groups
