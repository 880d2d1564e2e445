"""The tables beside the questions': what judges said, and whether one of two models is better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ehrbench.correlation.compare import Comparison, compare
from ehrbench.correlation.run_pairs import match_runs
from ehrbench.errors import EhrbenchError
from ehrbench.results.schema import Result
from ehrbench.results.store import read_results
from ehrbench.runs.folder import slug
from ehrbench.studies.numbers import FIELDS, fields_of, number
from ehrbench.studies.schema import ComparisonEntry
from ehrbench.studies.state import CellState
from ehrbench.studies.study import Cell, Study, settings_text
from ehrbench.studies.tables import Table
from ehrbench.terminal.numbers import decimal, p_value


def judge_tables(study: Study, states: Sequence[CellState]) -> Iterator[Table]:
    """What each judge said: its relative scores, one row per run."""
    for name, entry in study.spec.judges.items():
        judged = [one for one in states if one.judge == name]
        header = ["task", "model", "settings", "relative score", "items"]
        fields = ["judge", "reference", "task", "model", "settings", *FIELDS]
        rows, records, notes = [], [], [f"answers beside those of {entry.reference}, {entry.protocol} protocol"]
        for one in judged:
            result = _verdict(one, entry.model) if one.state in ("done", "incomplete") else None
            metric = result.metric(result.primary) if result is not None else None
            items = str(result.n_items) if result is not None else f"({one.state})"
            rows.append([one.task, one.model, settings_text(one.settings), number(metric), items])
            if result is not None:
                notes += result.caveats
                place = [name, entry.reference, one.task, one.model, settings_text(one.settings)]
                records += [[*place, *fields_of(found, result, one)] for found in result.metrics]
            if one.said:
                notes.append(f"{one.task}, {one.model}: {one.state}: {one.said}")
        if rows:
            title = f"Judged by {name}"
            yield Table(f"judge-{name}", title, header, rows, frozenset({3, 4}), list(dict.fromkeys(notes)), (fields, records))


def _verdict(one: CellState, spec: str) -> Result | None:
    """The judge's result beside the run that it judged, the newest where it has judged several times."""
    if one.folder is None:
        return None
    own = slug(spec.partition(":")[2] or spec)
    found = sorted(one.folder.glob(f"judge-{own}-*.results.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return read_results(found[-1])[0] if found else None


def comparison_tables(study: Study, runs: Mapping[str, CellState]) -> Iterator[Table]:
    """Paired tests of two models under the same settings, adjusted over the rows of a table."""
    header = ["task", "settings", "metric", "A", "B", "A − B", "95 % interval", "n", "p", "Holm"]
    fields = [
        *("a", "b", "task", "settings", "metric", "value_a", "value_b", "difference", "low", "high", "n", "p", "p_holm"),
        *("test", "caution"),
    ]
    for entry in study.spec.comparisons:
        notes = [f"A: {entry.a}, B: {entry.b}; p: sign-flip test by patient, two-sided; Holm: over this table"]
        pairs, said = [], []
        for a, b, wanted in _matched(study, entry):
            folders = runs[a.id].folder, runs[b.id].folder
            if folders[0] is None or folders[1] is None:
                notes.append(f"{a.task}, {a.said or 'default settings'}: not both are there")
                continue
            try:
                (pair,) = match_runs(folders[0], folders[1])
            except EhrbenchError as error:
                notes.append(str(error))
                continue
            names = tuple(dict.fromkeys(name or pair.a.result.primary for name in wanted))
            if not entry.metrics:  # what a question shows may be no score of an item
                lacking = [name for name in names if name not in pair.a.statistics or name not in pair.b.statistics]
                notes += [f"{a.task}: '{name}' is not compared, for not both have item scores of it" for name in lacking]
                names = tuple(name for name in names if name not in lacking)
            if names:
                pairs.append(pair._replace(metrics=names))
                said += [a.said] * len(names)
        rows: list[list[str]] = []
        records: list[list[object]] = []
        title = f"{entry.a} and {entry.b}"
        try:
            report = compare(pairs) if pairs else None
        except EhrbenchError as error:
            report = None
            notes.append(str(error))
        if report is not None:
            title += " on the items that both answered"
            for one, settings in zip(report.rows, said, strict=True):
                rows.append(_compared(one, settings))
                values = [one.value_a, one.value_b, one.difference, one.low, one.high, one.n, one.p, one.p_holm]
                records.append([entry.a, entry.b, one.task, settings, one.metric, *values, one.test, one.caution])
            notes += [*report.warnings, *(f"! {one.caution}" for one in report.rows if one.caution)]
        numbers = frozenset(range(3, len(header))) if rows else frozenset()
        notes = list(dict.fromkeys(notes))
        yield Table(f"{entry.a}-vs-{entry.b}", title, header, rows, numbers, notes, (fields, records))


def _compared(one: Comparison, settings: str) -> list[str]:
    ends = "" if one.low is None or one.high is None else f"{one.low:+.4f} to {one.high:+.4f}{'!' if one.caution else ''}"
    difference = "" if one.difference is None else f"{one.difference:+.4f}"
    about = [one.task, settings, one.label, decimal(one.value_a, 4), decimal(one.value_b, 4)]
    return [*about, difference, ends, str(one.n), p_value(one.p), p_value(one.p_holm)]


def _matched(study: Study, entry: ComparisonEntry) -> Iterator[tuple[Cell, Cell, list[str | None]]]:
    """Cells of two models that differ in nothing else, with the metrics to compare; None is the task's primary one.

    These are the comparison's own, else those of the questions that have the cell.
    """
    wanted: dict[str, dict[str | None, None]] = {}
    cells: dict[str, Cell] = {}
    for question in study.questions:
        if not entry.questions or question.name in entry.questions:
            for cell in question.cells:
                cells[cell.id] = cell
                wanted.setdefault(cell.id, {}).update(dict.fromkeys(entry.metrics or question.metrics or (None,)))
    other = {(cell.task, cell.said): cell for cell in cells.values() if cell.model == entry.b}
    for cell in cells.values():
        if cell.model == entry.a and (cell.task, cell.said) in other:
            yield cell, other[cell.task, cell.said], list(wanted[cell.id])
