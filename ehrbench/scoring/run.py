"""Score a run's folder: predictions and gold in, ``private/scores.jsonl`` and ``result.json`` out.

Works in any environment: it needs the run's folder and the task's data, not the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.jsonl import read_rows, write_rows
from ehrbench.metrics import METRICS
from ehrbench.results.cautions import answer_cautions
from ehrbench.results.schema import MetricResult, ModelInfo, Result
from ehrbench.results.store import write_result
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import environment
from ehrbench.scoring.baselines import baseline_value, constant_answers
from ehrbench.scoring.loaded import LoadedRun
from ehrbench.scoring.outcome import add_usage, answer_info, context_info, count_outcomes
from ehrbench.scoring.scorables import join
from ehrbench.scoring.score import Scored, check_metrics, of_plugin, resolve, score, score_rows, strata, unscored
from ehrbench.scoring.sources import with_sources

Progress = Callable[[str, int, int], None]
"""Told the metric's name, items done and items in all."""


def score_run(
    run: LoadedRun,
    metrics: Sequence[str] | None = None,
    *,
    arguments: Mapping[str, str] | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    failed: Callable[[str, EhrbenchError], None] | None = None,
    write: bool = True,
    earlier: Collection[str] = (),
) -> Result:
    """Score and write the result.

    Args:
        run: what ``load_run`` read.
        metrics: names to add to what is there; None: the task's own, one that cannot be computed here noted with its reason.
        arguments: of metrics (``{"comet.checkpoint": PATH}``).
        processes: worker processes; None: as the work is worth.
        progress: told how far each metric is.
        failed: told of a metric that failed while the others went on; None: the first such error is raised at the end, when
            everything else is written.
        write: False only computes.
        earlier: metrics whose intervals are to be made as earlier versions made them, to verify those.

    Raises:
        MissingError: a metric that was asked for by name cannot be computed on this machine.
        EhrbenchError: a metric failed.
    """
    results: dict[str, MetricResult] = {}
    failures: list[tuple[str, EhrbenchError]] = []
    asked = {}
    for name in metrics or run.task.metrics:
        try:
            asked[name] = resolve(name, arguments)
        except UsageError as error:
            if metrics or name not in METRICS:
                raise
            failures.append((name, error))
            results[name] = unscored(name, str(error))
    if metrics:
        check_metrics(metrics, arguments)
    scorables, groups = join(run.task, run.items, run.predictions)
    stored = _stored(run.folder, whole=not metrics)
    scored: list[Scored] = []
    for name, metric in asked.items():
        tell = (lambda done, name=name: progress(name, done, len(scorables))) if progress else None
        try:
            if reason := metric.unavailable():
                results[name] = unscored(name, reason)
                continue
            full = with_sources(metric, scorables, run)
            one = score(metric, full, groups, len(run.items), processes=processes, progress=tell, earlier=name in earlier)
        except Exception as error:
            failure = of_plugin(metric, error)
            failures.append((name, failure))
            results[name] = unscored(name, str(failure))
            continue
        scored.append(one)
        results[name] = one.result
    if run.task.majority and (constant := constant_answers(run.task, run.items, scorables)):
        for one in (one for one in scored if one.metric.name in run.task.metrics):
            try:
                results[one.metric.name].baseline = baseline_value(one.metric, constant)
            except Exception as error:
                failures.append((one.metric.name, of_plugin(one.metric, error)))
    # A number that another environment computed from these very answers outlives one that this environment lacks.
    kept = [m for m in stored.metrics if m.name not in results or (results[m.name].value is None and m.value is not None)]
    names = {metric.name for metric in kept}
    made = [metric for metric in results.values() if metric.name not in names]
    if run.task.primary not in (results.keys() | names):  # a result always says what its first number is
        made.append(unscored(run.task.primary, "not asked for"))
    order = {name: i for i, name in enumerate(run.task.metrics)}
    result = build_result(run, sorted([*made, *kept], key=lambda m: (order.get(m.name, len(order)), m.name)))
    subsets = strata(scored, scorables, groups, run.task)
    result.strata = _joined(
        subsets.public,
        {
            stratum: [m for m in found if m.name in names]
            for stratum, found in stored.strata.items()
            if run.task.may_publish(stratum)
        },
    )
    withheld = Counter(name.partition("=")[0] for name in subsets.private if name not in result.strata)
    result.strata_withheld = {spec.by: withheld[spec.by] for spec in run.task.strata if withheld[spec.by]}
    result.n_groups = len({g if g is not None else i for i, g in enumerate(groups)})
    if write:
        rows = [row for row in read_rows(run.folder.scores) if row["metric"] in names]
        write_rows(run.folder.scores, [*rows, *(row for one in scored for row in score_rows(one, scorables))])
        _write_private_strata(run.folder, subsets.private)
        write_result(run.folder.result, result)
    for name, failure in failures:
        if failed is None:
            raise failure
        failed(name, failure)
    return result


def _write_private_strata(folder: RunFolder, found: Mapping[str, Sequence[MetricResult]]) -> None:
    """Keep on this machine what a publication only counts."""
    if not found:
        folder.strata.unlink(missing_ok=True)
        return
    keys = {"name", "value", "low", "high", "n"}
    rows = [{"stratum": name, "metrics": [metric.model_dump(include=keys) for metric in found[name]]} for name in found]
    write_rows(folder.strata, rows)


class _Stored(NamedTuple):
    metrics: Sequence[MetricResult] = ()
    strata: Mapping[str, Sequence[MetricResult]] = {}


def _stored(folder: RunFolder, whole: bool) -> _Stored:
    """What was scored before; nothing where ``whole`` is scored anew and answers were added in the meantime."""
    if not folder.result.exists():
        return _Stored()
    if whole and folder.result.stat().st_mtime_ns < folder.predictions.stat().st_mtime_ns:
        return _Stored()
    from ehrbench.results.store import read_result

    result = read_result(folder.result)
    return _Stored(result.metrics, result.strata)


def _joined(new: Mapping[str, list[MetricResult]], old: Mapping[str, Sequence[MetricResult]]) -> dict[str, list[MetricResult]]:
    found = {name: [*new.get(name, ()), *old.get(name, ())] for name in [*new, *(name for name in old if name not in new)]}
    return {name: metrics for name, metrics in found.items() if metrics}


def build_result(run: LoadedRun, metrics: list[MetricResult]) -> Result:
    """The public part of a run: numbers and provenance."""
    manifest, config, task = run.manifest, run.manifest["config"], run.task
    predictions = [run.predictions[item.id] for item in run.items]
    context = context_info(config, predictions)
    answers = answer_info(predictions)
    hard = any(p.hard for p in predictions)
    return Result(
        task=task.task,
        task_version=task.version,
        suite=task.task.partition(".")[0],
        protocol=config["protocol"],
        track=", ".join(filter(None, [manifest.get("track"), task.prompt.track, "hard labels" if hard else ""])),
        prompt=config["prompt"],
        model=ModelInfo(**config["model"]),
        config_hash=manifest["config_hash"],
        signature=signature(run, context.n_records_cut if context else 0),
        data_policy="open" if manifest.get("open_data") else task.data.policy,
        synthetic=bool(manifest.get("synthetic")),
        n_items=len(run.items),
        n_expected=None if manifest.get("synthetic") else task.expected_items,
        n_available=run.n_available,
        outcomes=count_outcomes(predictions),
        metrics=metrics,
        primary=task.primary,
        context=context,
        answers=answers,
        usage=add_usage(predictions),
        date=str(manifest.get("created", ""))[:10],
        environment={**manifest["environment"], "scored_with": environment()["packages"]},
        approval=manifest.get("approval"),
        caveats=[*task.caveats, *answer_cautions(answers, len(run.items))],
        command=manifest.get("command", ""),
    )


def signature(run: LoadedRun, n_cut: int) -> str:
    """The one line that says how a number was made, as sacrebleu's does."""
    manifest, config, task = run.manifest, run.manifest["config"], run.task
    answered = sum(p.outcome == "answered" for p in run.predictions.values())
    context = config.get("context") or {}
    parts = [
        manifest["config_hash"][:16],
        f"task:{task.task}@{task.version}",
        f"protocol:{config['protocol']}",
        f"data:{config['data_hash'][:8]}",
        f"prompt:{config['prompt']}-{config['prompt_hash'][:8]}",
        f"model:{config['model']['backend']}:{config['model']['name']}",
    ]
    if context:
        parts += [
            f"ctx:{context['context']}",
            f"window:{context['window'] or 'none'}",
            f"tok:{context['tokenizer'] or 'none'}",
            f"cut:{n_cut}/{len(run.items)}",
        ]
    parts += [f"n:{answered}/{len(run.items)}", f"seed:{config['seed']}", f"v:{manifest['environment']['ehrbench']}"]
    return "|".join(parts)
