"""Printing, shared by the commands: JSON for programs, plain tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from ehrbench.results.schema import MetricResult, Result


def print_json(data: Any) -> None:
    """Print plain data as indented JSON on standard output."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def key_values(pairs: Sequence[str] | None, option: str) -> dict[str, str]:
    """Options of the form ``key=value`` as a mapping.

    Raises:
        UsageError: one is not of that form.
    """
    from ehrbench.errors import UsageError

    arguments: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{option} '{pair}' is not key=value")
        arguments[key] = value
    return arguments


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Sequence[int] = ()) -> None:
    """Print a table with aligned columns; on a terminal, one that fits its width.

    Args:
        header: one name a column.
        rows: cells; None prints as an empty cell.
        numbers: indices of the columns that are aligned to the right.
    """
    from ehrbench.terminal.tables import table_lines, terminal_width

    for line in table_lines(header, rows, numbers, terminal_width()):
        typer.echo(line)


def print_result(result: Result) -> None:
    """Print one result: what was run, the metrics with their intervals, and what did not end in an answer."""
    shown = f"{result.task} · {result.model.name} · {result.protocol} protocol"
    typer.echo(f"\n{shown}{' · synthetic sample' if result.synthetic else ''}{' · partial' if result.partial else ''}")
    outcomes = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in result.outcomes.items())
    typer.echo(f"{result.n_items} items: {outcomes}")
    for line in _about_answers(result):
        typer.echo(line)
    if result.context and result.context.n_records_cut:
        seen = result.context.share_seen_median
        typer.echo(f"{result.context.n_records_cut} of {result.n_items} records cut; median share seen {seen:.0%}")
    rows = [
        (
            metric.label,
            None if metric.value is None else f"{metric.value:.4f}",
            interval_cell(metric),
            metric.n,
            None if metric.strict_value is None else f"{metric.strict_value:.4f}",
            None if metric.baseline is None else f"{metric.baseline:.4f}",
        )
        for metric in result.metrics
        if metric.value is not None
    ]
    header = ("metric", "value", "95 % interval", "n", "over all items", "majority")
    if all(metric.baseline is None for metric in result.metrics):  # only classifications have a most common answer
        print_table(header[:5], [row[:5] for row in rows], numbers=(1, 2, 3, 4))
    else:
        print_table(header, rows, numbers=(1, 2, 3, 4, 5))
    for metric in result.metrics:
        if metric.missing:
            typer.echo(f"{metric.label} has no value: {metric.missing}")
        elif metric.low is None and metric.interval:
            typer.echo(f"{metric.label} has no interval: {metric.interval.removeprefix('none: ')}")
    print_cautions((metric.label, metric.caution) for metric in result.metrics)


def interval_cell(metric: MetricResult) -> str | None:
    """The interval of a number, marked where a caution belongs to it; None without one."""
    if metric.low is None or metric.high is None:
        return None
    return f"{metric.low:.4f} to {metric.high:.4f}{' !' if metric.caution else '  '}"


def print_cautions(cautions: Iterable[tuple[str, str]]) -> None:
    """Say once each what the marked intervals of a table may not hold, and of which numbers.

    Args:
        cautions: label and caution of every number; empty cautions are passed over.
    """
    of: dict[str, list[str]] = {}
    for label, caution in cautions:
        if caution:
            of.setdefault(caution, []).append(label)
    for caution, labels in of.items():
        typer.echo(f"! {', '.join(dict.fromkeys(labels)) if len(of) > 1 else 'caution'}: {caution}")


def _about_answers(result: Result) -> Iterator[str]:
    """What the run took, and what is odd about its answers."""
    from ehrbench.results.cautions import answer_cautions

    usage, answers = result.usage, result.answers
    n = usage.prompt_tokens
    if n or usage.answer_tokens or usage.cost is not None:
        cached = f" ({usage.cached_tokens / n:.0%} cached)" if n and usage.cached_tokens else ""
        parts = [f"{usage.calls:,} calls", f"{n:,} prompt tokens{cached}", f"{usage.answer_tokens:,} answer tokens"]
        parts += [f"{usage.reasoning_tokens:,} of thinking"] if usage.reasoning_tokens else []
        parts += [f"${usage.cost:.2f}"] if usage.cost is not None else []
        parts += [f"{answers.empty} empty answers"] if answers and answers.empty else []
        parts += [f"{answers.at_limit} answers at the token limit"] if answers and answers.at_limit else []
        yield ", ".join(parts)
    elif answers and answers.empty:
        yield f"{answers.empty} empty answers"
    if answers and answers.choice_mass_median is not None:
        yield f"the choices held a median of {answers.choice_mass_median:.0%} of the probability"
    if answers and result.n_items:
        yield from (f"caution: {line}" for line in answer_cautions(answers, result.n_items))
