"""Results as people use them in Python: a table in a notebook, a frame of numbers, and the private items behind them."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.jsonl import read_rows
from ehrbench.results.schema import MetricResult, Result
from ehrbench.results.store import find_results

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from ehrbench.results.groups import GroupResult
    from ehrbench.results.repeats import Repeats

FRAME_COLUMNS = (
    *("task", "suite", "protocol", "prompt", "track", "model", "backend", "metric", "label", "primary", "value", "low", "high"),
    *("n", "n_items", "strict_value", "baseline", "higher_is_better", "partial", "synthetic", "missing", "signature", "folder"),
)
"""Columns of ``Results.to_frame``, one row per result and metric."""


class Results(Sequence[Result]):
    """The results of an evaluation, or those found below a folder, in order.

    ``results["suite.task"]`` is the result of one task (the only one, or an error names the choices); ``results[0]`` the first.
    """

    def __init__(
        self,
        results: Sequence[Result],
        folders: Sequence[Path | None],
        groups: Sequence[GroupResult] = (),
        notes: Sequence[str] = (),
        repeats: Sequence[Repeats] = (),
    ) -> None:
        """Collect.

        Args:
            results: in the order to show them.
            folders: the run's folder of each; None for a published row.
            groups: averages over tasks.
            notes: what was left out and why, one sentence each.
            repeats: means over seeds.
        """
        self._results = list(results)
        self._folders = list(folders)
        self.groups = list(groups)
        """Averages over tasks, where several of a suite were scored."""
        self.repeats = list(repeats)
        """Means over seeds, where runs were repeated."""
        self.notes = list(notes)
        """What was left out and why."""

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._results)

    def __getitem__(self, key: int | slice | str) -> Any:
        if isinstance(key, slice):
            return Results(self._results[key], self._folders[key], notes=self.notes)
        if isinstance(key, int):
            return self._results[key]
        found = [result for result in self._results if result.task == key]
        if not found:
            raise UsageError(unknown_name("task of these results", key, {result.task for result in self._results}))
        if len(found) > 1:
            raise UsageError(f"{len(found)} results are of task '{key}'; choose by number, or filter to_frame()")
        return found[0]

    def folders(self) -> list[Path]:
        """The folders of the runs, in the order of the results; published rows have none."""
        return [folder for folder in self._folders if folder is not None]

    def to_frame(self) -> pl.DataFrame:
        """A polars frame, one row per result and metric, with ``FRAME_COLUMNS``; numbers only, no text of any item."""
        import polars as pl

        rows = [
            _row(result, metric, folder)
            for result, folder in zip(self._results, self._folders, strict=True)
            for metric in result.metrics
        ]
        return pl.DataFrame(rows, schema=_frame_schema(), orient="row")

    def to_pandas(self) -> pd.DataFrame:
        """The same as a pandas frame.

        Raises:
            MissingError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingError("to_pandas needs pandas: pip install pandas; to_frame gives a polars frame without it") from None
        frame = self.to_frame()
        return pd.DataFrame({name: frame[name].to_list() for name in frame.columns})

    def items(self, task: str | None = None) -> pl.DataFrame:
        """What is behind the numbers, one row per item and run: outcome, answer, share of the record seen, each metric's score.

        Private: answers are as confidential as the data. Columns ``task, model, item, outcome, answer, record_tokens,
        record_tokens_seen``, then one column per metric.

        Args:
            task: of this task only.

        Raises:
            MissingError: a run's private part is not on this machine.
            UsageError: no result is of the task.
        """
        import polars as pl

        wanted = [(r, f) for r, f in zip(self._results, self._folders, strict=True) if task is None or r.task == task]
        if not wanted:
            raise UsageError(unknown_name("task of these results", task or "", {result.task for result in self._results}))
        frames = []
        for result, folder in wanted:
            private = folder / "private" if folder is not None else None
            if private is None or not (private / "predictions.jsonl").is_file():
                raise MissingError(f"the items of {result.task} ({result.model.name}) are not on this machine, only its numbers")
            scores: dict[str, dict[str, float | None]] = {}
            for row in read_rows(private / "scores.jsonl"):
                scores.setdefault(row["item"], {})[row["metric"]] = row["score"]
            rows = [
                {
                    "task": result.task,
                    "model": result.model.name,
                    "item": row["item"],
                    "outcome": row["outcome"],
                    "answer": row["answer"],
                    "record_tokens": row.get("record_tokens"),
                    "record_tokens_seen": row.get("record_tokens_seen"),
                    **scores.get(row["item"], {}),
                }
                for row in read_rows(private / "predictions.jsonl")
            ]
            frames.append(pl.DataFrame(rows, infer_schema_length=None))
        return pl.concat(frames, how="diagonal_relaxed")

    def __repr__(self) -> str:
        return "\n".join([f"Results of {len(self)} runs", *("  " + "  ".join(cells) for cells in self._cells())])

    def _repr_html_(self) -> str:
        """A table for notebooks: one row per result, the primary metric with its interval first."""
        head = "".join(
            f"<th style='text-align:left'>{name}</th>" for name in ("task", "model", "protocol", "metric", "value", "n")
        )
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>" for cells in self._cells())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _cells(self) -> Iterator[tuple[str, ...]]:
        for result in self._results:
            metric = result.metric(result.primary) or result.metrics[0]
            partial = " (partial)" if result.partial else ""
            yield result.task + partial, result.model.name, result.protocol, metric.label, _shown(metric), str(metric.n or "")


def load_results(*paths: Path | str) -> Results:
    """Read every result at or below some folders; what cannot be read is named in ``Results.notes``.

    Args:
        paths: folders of runs, or single files; none: ``results``.

    Raises:
        MissingError: a path is not there.
    """
    places = [Path(path) for path in paths] or [Path("results")]
    for place in places:
        if not place.exists():
            raise MissingError(f"{place} is not there; name a folder that holds results")
    found, problems = find_results([place if place.is_dir() else place.parent for place in places])
    files = {place.resolve() for place in places if place.is_file()}
    kept = [one for one in found if not files or one.path.resolve() in files or not _beside(one.path, places)]
    folders = [one.path.parent if one.path.name == "result.json" else None for one in kept]
    return Results([one.result for one in kept], folders, notes=[problem.message for problem in problems])


def _beside(path: Path, places: Sequence[Path]) -> bool:
    """Whether a file was found only because another one of its folder was named."""
    return not any(place.is_dir() and path.resolve().is_relative_to(place.resolve()) for place in places)


def _shown(metric: MetricResult) -> str:
    if metric.value is None:
        return f"none: {metric.missing}"
    ends = f" [{metric.low:.3f}, {metric.high:.3f}]" if metric.low is not None and metric.high is not None else ""
    return f"{metric.value:.3f}{ends}"


def _row(result: Result, metric: MetricResult, folder: Path | None) -> tuple[Any, ...]:
    return (
        *(result.task, result.suite, result.protocol, result.prompt, result.track, result.model.name, result.model.backend),
        *(metric.name, metric.label, metric.name == result.primary, metric.value, metric.low, metric.high, metric.n),
        *(result.n_items, metric.strict_value, metric.baseline, metric.higher_is_better, result.partial, result.synthetic),
        *(metric.missing, metric.signature, None if folder is None else str(folder)),
    )


def _frame_schema() -> dict[str, Any]:
    import polars as pl

    numbers = {"value", "low", "high", "strict_value", "baseline"}
    flags = {"primary", "higher_is_better", "partial", "synthetic"}
    return {
        name: pl.Float64
        if name in numbers
        else pl.Boolean
        if name in flags
        else pl.Int64
        if name in ("n", "n_items")
        else pl.String
        for name in FRAME_COLUMNS
    }
