"""What the commands that score tasks share: the metrics they are asked for, and the report at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import typer

from ehrbench.cli.endings import ending_of
from ehrbench.terminal.numbers import duration

if TYPE_CHECKING:
    from ehrbench.evaluation import Finished
    from ehrbench.results.groups import GroupResult
    from ehrbench.results.repeats import Repeats
    from ehrbench.results.schema import Outcome, Usage
    from ehrbench.runs.loggers.logger import Logger


def metric_names(given: str | None, arguments: Mapping[str, str]) -> list[str] | None:
    """The metrics of ``--metrics``, checked before a model is asked anything; None where the task's own are meant."""
    from ehrbench.errors import UsageError
    from ehrbench.scoring.score import check_metrics

    if given is None:
        return None
    names = list(dict.fromkeys(filter(None, (name.strip() for name in given.split(",")))))
    if not names:
        raise UsageError("--metrics names no metric; `ehrbench metrics list` shows them")
    check_metrics(names, arguments)
    return names


def print_loggers(loggers: Sequence[Logger]) -> None:
    """Say where numbers would be logged, and whether that is on this machine."""
    for one in loggers:
        where = "on this machine" if one.endpoint is None else f"{one.endpoint}, which is not this machine"
        typer.echo(f"logged to {one}: {where}")


_NEXT_STEPS = {
    "api_error": "fix what is named above, then run the same command, which tries them again",
    "overflow": "the same command would end so again: give the model's window as --max-model-len, so that records are fitted "
    "into it, or choose --context refine",
    "refused": "a content filter took them, and the same command would end so again",
}


class Failed(NamedTuple):
    """A model that could not go on, where others could."""

    model: str
    said: str
    exit_code: int

    @classmethod
    def of(cls, model: str, error: Exception) -> Failed:
        """Explain an error in one sentence."""
        return cls(model, *ending_of(error))


def report(
    finished: Sequence[Finished],
    groups: Sequence[GroupResult],
    *,
    as_json: bool,
    repeats: Sequence[Repeats] = (),
    failed: Sequence[Failed] = (),
    seconds: float | None = None,
) -> None:
    """Print what was run, and leave with the exit code that says whether all of it has answers.

    Args:
        finished: the runs.
        groups: of tasks.
        as_json: print JSON.
        repeats: means over seeds.
        failed: models that could not go on.
        seconds: that the command took; None: not to be said.
    """
    from ehrbench.cli.groups import print_groups
    from ehrbench.errors import INCOMPLETE_EXIT_CODE, worst_exit_code
    from ehrbench.terminal.output import print_json, print_result

    if as_json:
        results = [{"folder": str(one.folder), **(one.result.model_dump(mode="json") if one.result else {})} for one in finished]
        stopped = [{"failed": one.model, "error": one.said, "exit_code": one.exit_code} for one in failed]
        print_json([*results, *(one.model_dump(mode="json") for one in (*groups, *repeats)), *stopped])
    else:
        for one in finished:
            if one.result is not None:
                print_result(one.result)
            typer.echo(f"\n{one.folder}")
        print_groups(groups)
        if len(finished) + len(failed) > 1:
            _print_summary(finished, failed)
        if repeats:
            print_repeats(repeats)
        if seconds is not None:
            _print_usage([one.result.usage for one in finished if one.result is not None], seconds)
    failures: Counter[Outcome] = sum((Counter(one.failures) for one in finished), Counter())
    for outcome, n in failures.items():
        typer.echo(f"ehrbench: {n} items ended without an answer: {outcome}; {_NEXT_STEPS[outcome]}", err=True)
    incomplete = failures or any(one.n_broken or one.n_open for one in finished)
    code = worst_exit_code([*(one.exit_code for one in failed), INCOMPLETE_EXIT_CODE if incomplete else 0])
    if code:
        raise typer.Exit(code)


def _print_summary(finished: Sequence[Finished], failed: Sequence[Failed]) -> None:
    """All models and tasks in one table, each with its primary metric; the first that has a value where that has none."""
    from ehrbench.results.schema import SCORED_OUTCOMES
    from ehrbench.terminal.output import interval_cell, print_table

    rows: list[tuple[object, ...]] = []
    for one in finished:
        result = one.result
        if result is None:
            continue
        valued = [metric for metric in result.metrics if metric.value is not None]
        metric = next((one for one in valued if one.name == result.primary), valued[0] if valued else None)
        value = None if metric is None or metric.value is None else f"{metric.value:.4f}"
        interval = None if metric is None else interval_cell(metric)
        n = f"{sum(count for name, count in result.outcomes.items() if name in SCORED_OUTCOMES)}/{result.n_items}"
        seed = one.run.manifest["config"]["seed"] if one.run is not None else None
        rows.append((result.model.name, result.task, seed, metric.label if metric else "", value, interval, n))
    rows += [(one.model, "", None, "failed", None, None, None) for one in failed]
    if not rows:
        return
    typer.echo("")
    header = ("model", "task", "seed", "metric", "value", "95 % interval", "answered")
    if len({row[2] for row in rows} - {None}) > 1:
        print_table(header, rows, numbers=(2, 4, 5, 6))
    else:
        print_table(header[:2] + header[3:], [row[:2] + row[3:] for row in rows], numbers=(3, 4, 5))


def print_repeats(repeats: Sequence[Repeats]) -> None:
    """Means over seeds, with what the seeds alone gave."""
    from ehrbench.terminal.output import interval_cell, print_cautions, print_table

    rows = [
        (one.model.name, one.task, metric.label, f"{metric.value:.4f}", interval_cell(metric), metric.n)
        + (" ".join("" if value is None else f"{value:.4f}" for value in one.by_seed[metric.name]),)
        for one in repeats
        for metric in one.metrics
        if metric.value is not None
    ]
    typer.echo("\nmeans over seeds; intervals over items and seeds")
    header = ("model", "task", "metric", "mean", "95 % interval", "n", f"under seeds {', '.join(map(str, repeats[0].seeds))}")
    print_table(header, rows, numbers=(3, 4, 5))
    print_cautions((f"{one.task}, {metric.label}", metric.caution) for one in repeats for metric in one.metrics)


def _print_usage(usages: Sequence[Usage], seconds: float) -> None:
    """What the runs took in all, whenever they ran, and how long this command did."""
    costs = [one.cost for one in usages if one.cost is not None]
    calls, prompt, answers = (sum(getattr(one, key) for one in usages) for key in ("calls", "prompt_tokens", "answer_tokens"))
    thought = sum(one.reasoning_tokens for one in usages)
    parts = [f"{calls:,} calls"] if calls else []
    parts += [f"{prompt:,} prompt tokens"] if prompt else []
    parts += [f"{answers:,} answer tokens"] if answers else []
    parts += [f"{thought:,} of thinking"] if thought else []
    parts += [f"${sum(costs):.2f}"] if costs else []
    parts += [f"this command took {duration(seconds)}"]
    typer.echo(f"\n{', '.join(parts)}")
