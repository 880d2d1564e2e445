"""What a study found: a table for each question, in the formats of papers and programs, figures, and the leaderboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.correlation.compare import compare
from ehrbench.correlation.run_pairs import match_runs
from ehrbench.errors import EhrbenchError, MissingError
from ehrbench.exports.checked import checked_results
from ehrbench.jsonl import write_atomically
from ehrbench.leaderboard.build import build
from ehrbench.results.schema import MetricResult, Result
from ehrbench.results.store import read_result, read_results
from ehrbench.runs.folder import slug
from ehrbench.studies.figure import Row, dots
from ehrbench.studies.state import CellState
from ehrbench.studies.study import Cell, QuestionCells, Study, settings_text
from ehrbench.studies.tables import WRITERS, Table, html, page

_PUBLIC = 0o644
_FIELDS = (
    "metric",
    "label",
    "primary",
    "value",
    "low",
    "high",
    "n",
    "over_all_items",
    "state",
    "signature",
    "caution",
    "missing",
)


class Report(NamedTuple):
    """What was written."""

    tables: Sequence[Table]
    files: Sequence[Path]
    said: Sequence[str]
    """What the publish check has to say."""


class _Line(NamedTuple):
    """One cell of a question with what is known of it."""

    cell: Cell
    state: CellState
    result: Result | None


def write_report(study: Study, out: Path, reviewed_by: str | None = None) -> Report:
    """Write everything into ``out``; every result passes the publish check first.

    Args:
        study: which.
        out: folder; files of an earlier report in it are replaced.
        reviewed_by: who has read every text of credentialed results.

    Raises:
        MissingError: no cell is scored yet.
        PolicyError: something that must not be published would be.
    """
    states = study.status()
    runs = {one.id: one for one in states if not one.judge}
    scored = [one.folder for one in runs.values() if one.folder is not None and (one.folder / "result.json").is_file()]
    if not scored:
        raise MissingError(f"no cell of {study.path} is scored yet; `ehrbench study run {study.path}` does that")
    _, said = checked_results(scored, _data(study), reviewed_by)
    tables: list[Table] = []
    pictures: dict[str, str] = {}
    for question in study.questions:
        lines = [_line(cell, runs[cell.id]) for cell in question.cells]
        for protocol in dict.fromkeys(study.options(line.cell).protocol for line in lines):  # no table mixes the two
            own = [line for line in lines if study.options(line.cell).protocol == protocol]
            tables.append(_table(question, own, protocol, protocol != "clean"))
            if study.spec.report.figures:
                pictures |= _figures(tables[-1], question, own)
    tables += [*_judge_tables(study, states), *_comparison_tables(study, runs)]
    files = _write(study, out, tables, pictures)
    if study.spec.report.leaderboard:
        built = build(
            sorted(set(scored)),
            out / "leaderboard",
            title=study.spec.title or study.spec.study,
            data_dir=_data(study),
            include_paths=study.catalog.folders,
            reviewed_by=reviewed_by,
        )
        said = [*said, *built.withheld]
        files.append(out / "leaderboard" / "index.html")
    return Report(tables, files, list(dict.fromkeys(said)))


def _data(study: Study) -> Path | None:
    return None if study.data_dir in (None, "sample") else Path(str(study.data_dir))


def _line(cell: Cell, state: CellState) -> _Line:
    path = state.folder / "result.json" if state.folder is not None else None
    return _Line(cell, state, read_result(path) if path is not None and path.is_file() else None)


def _varying(cells: Sequence[Cell]) -> list[str]:
    """Settings in which cells differ: the others are said once."""
    names = dict.fromkeys(name for cell in cells for name in cell.settings)
    return [name for name in names if len({str(cell.settings.get(name)) for cell in cells}) > 1]


def _setting(cell: Cell, name: str) -> str:
    value = cell.settings.get(name)
    return "default" if value is None else str(value)


def _shown(question: QuestionCells, results: Sequence[Result]) -> dict[str, str]:
    """Names and labels of a table's metrics: those that the question names, else each task's with a value, its primary first."""
    labels = {metric.name: metric.label for result in results for metric in result.metrics}
    names = question.metrics
    if not names:
        valued = dict.fromkeys(metric.name for result in results for metric in result.metrics if metric.value is not None)
        primary = dict.fromkeys(result.primary for result in results if result.primary in valued)
        names = tuple({**primary, **valued})
    said = Counter(labels.get(name, name) for name in names)
    titles = {name: labels.get(name, name) for name in names}
    return {name: f"{title} ({name})" if said[title] > 1 and title != name else title for name, title in titles.items()}


def _table(question: QuestionCells, lines: Sequence[_Line], protocol: str, named: bool) -> Table:
    cells = [line.cell for line in lines]
    results = [line.result for line in lines if line.result is not None]
    varying = [name for name in _varying(cells) if name != "protocol"]
    metrics = _shown(question, results)
    several = len({cell.task for cell in cells}) > 1
    first = [*(["task"] if several else []), "model", *(name.replace("_", " ") for name in varying)]
    rows, records = [], []
    for cell, state, result in lines:
        about = [*([cell.task] if several else []), cell.model, *(_setting(cell, name) for name in varying)]
        found = [result.metric(name) if result is not None else None for name in metrics]
        rows.append([*about, *map(_number, found), str(result.n_items) if result is not None else f"({state.state})"])
        place = [question.name, cell.task, cell.model, protocol, *(_setting(cell, name) for name in varying)]
        records += [[*place, *_fields(one, result, state)] for one in found if one is not None and result is not None]
    notes = list(_notes(lines, varying, protocol, metrics))
    header = [*first, *metrics.values(), "items"]
    numbers = frozenset(range(len(first), len(header)))
    name = f"{question.name}-{protocol}" if named else question.name
    fields = ["question", "task", "model", "protocol", *varying, *_FIELDS]
    return Table(name, question.title, header, rows, numbers, notes, (fields, records))


def _number(metric: MetricResult | None) -> str:
    """A value with its interval; a mark where a caution belongs to it."""
    if metric is None or metric.value is None:
        return ""
    if metric.low is None or metric.high is None:
        return f"{metric.value:.4f}"
    return f"{metric.value:.4f} [{metric.low:.4f}, {metric.high:.4f}]{'!' if metric.caution else ''}"


def _fields(metric: MetricResult, result: Result, state: CellState) -> list[object]:
    numbers = (metric.value, metric.low, metric.high, metric.n, metric.strict_value)
    said = (state.state, metric.signature, metric.caution, metric.missing)
    return [metric.name, metric.label, metric.name == result.primary, *numbers, *said]


def _notes(lines: Sequence[_Line], varying: Sequence[str], protocol: str, metrics: Mapping[str, str]) -> Iterator[str]:
    """What a reader has to know: what is the same everywhere, what is missing, what is only approximate."""
    first = lines[0].cell
    same = {name: value for name, value in first.settings.items() if name not in varying and name != "protocol"}
    tasks = {line.cell.task for line in lines}
    parts = [*([f"task {first.task}"] if len(tasks) == 1 else []), f"{protocol} protocol", settings_text(same)]
    yield f"{', '.join(filter(None, parts))}; in brackets: 95 % intervals"
    results = [line.result for line in lines if line.result is not None]
    if any(result.synthetic for result in results):
        yield "on the synthetic sample: invented records, of which no number says anything about a model"
    if any(result.partial for result in results):
        yield "partial: fewer items were run than there are"
    shown = [metric for result in results for name in metrics if (metric := result.metric(name)) is not None]
    yield from dict.fromkeys(f"! {metric.caution}" for metric in shown if metric.caution)
    for cell, state, _ in lines:
        if state.state != "done":
            where = ", ".join(filter(None, (cell.task, cell.model, cell.said)))
            yield f"{where}: {state.state}{': ' if state.said else ''}{state.said}"


def _figures(table: Table, question: QuestionCells, lines: Sequence[_Line]) -> dict[str, str]:
    """A figure for each task: its primary metric, or the first that the question names."""
    found = {}
    tasks = dict.fromkeys(line.cell.task for line in lines)
    varying = [name for name in _varying([line.cell for line in lines]) if name != "protocol"]
    for task in tasks:
        own = [(line.cell, line.result) for line in lines if line.cell.task == task and line.result is not None]
        names = [
            *question.metrics,
            *(result.primary for _, result in own),
            *(m.name for _, result in own for m in result.metrics),
        ]
        for name in names:
            pairs = [(cell, metric) for cell, result in own if (metric := result.metric(name)) and metric.value is not None]
            if pairs:
                rows = [Row(_named(cell, varying), m.value or 0.0, m.low, m.high) for cell, m in pairs]
                suffix = f"-{task}" if len(tasks) > 1 else ""
                found[f"{table.name}{suffix}.svg"] = dots(f"{pairs[0][1].label} on {task}, with 95 % intervals", rows)
                break
    return found


def _named(cell: Cell, varying: Sequence[str]) -> str:
    return ", ".join([cell.model, *(f"{name.replace('_', ' ')} {_setting(cell, name)}" for name in varying)])


def _judge_tables(study: Study, states: Sequence[CellState]) -> Iterator[Table]:
    """What each judge said: its relative scores, one row per run."""
    for name, entry in study.spec.judges.items():
        judged = [one for one in states if one.judge == name]
        header = ["task", "model", "settings", "relative score", "items"]
        fields = ["judge", "reference", "task", "model", "settings", *_FIELDS]
        rows, records, notes = [], [], [f"answers beside those of {entry.reference}, {entry.protocol} protocol"]
        for one in judged:
            result = _verdict(one, entry.model) if one.state in ("done", "incomplete") else None
            metric = result.metric(result.primary) if result is not None else None
            items = str(result.n_items) if result is not None else f"({one.state})"
            rows.append([one.task, one.model, settings_text(one.settings), _number(metric), items])
            if result is not None:
                notes += result.caveats
                place = [name, entry.reference, one.task, one.model, settings_text(one.settings)]
                records += [[*place, *_fields(found, result, one)] for found in result.metrics]
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


def _comparison_tables(study: Study, runs: Mapping[str, CellState]) -> Iterator[Table]:
    """Paired tests of two models under the same settings, adjusted over the rows of a table."""
    header = ["task", "settings", "metric", "A", "B", "A − B", "95 % interval", "n", "p", "Holm"]
    fields = [
        "a",
        "b",
        "task",
        "settings",
        "metric",
        "value_a",
        "value_b",
        "difference",
        "low",
        "high",
        "n",
        "p",
        "p_holm",
        "test",
        "caution",
    ]
    for entry in study.spec.comparisons:
        pairs, said, notes = (
            [],
            [],
            [f"A: {entry.a}, B: {entry.b}; p: sign-flip test by patient, two-sided; Holm: over this table"],
        )
        for a, b in _matched(study, entry.a, entry.b, entry.questions):
            folders = runs[a.id].folder, runs[b.id].folder
            if folders[0] is None or folders[1] is None:
                notes.append(f"{a.task}, {a.said or 'default settings'}: not both are there")
                continue
            try:
                pairs += match_runs(folders[0], folders[1])
                said.append(a.said)
            except EhrbenchError as error:
                notes.append(str(error))
        if not pairs:
            yield Table(f"{entry.a}-vs-{entry.b}", f"{entry.a} and {entry.b}", header, [], frozenset(), notes, (fields, []))
            continue
        try:
            report = compare(pairs, entry.metrics or None)
        except EhrbenchError as error:
            yield Table(
                f"{entry.a}-vs-{entry.b}", f"{entry.a} and {entry.b}", header, [], frozenset(), [*notes, str(error)], (fields, [])
            )
            continue
        rows: list[list[str]] = []
        records: list[list[object]] = []
        for index, one in enumerate(report.rows):
            settings = said[index // max(1, len(entry.metrics))]
            ends = "" if one.low is None or one.high is None else f"{one.low:+.4f} to {one.high:+.4f}{'!' if one.caution else ''}"
            numbers = [*map(_four, (one.value_a, one.value_b)), "" if one.difference is None else f"{one.difference:+.4f}", ends]
            rows.append([one.task, settings, one.label, *numbers, str(one.n), *map(_p, (one.p, one.p_holm))])
            values: list[Any] = [one.value_a, one.value_b, one.difference, one.low, one.high, one.n, one.p, one.p_holm]
            records.append([entry.a, entry.b, one.task, settings, one.metric, *values, one.test, one.caution])
        notes += [*report.warnings, *(f"! {one.caution}" for one in report.rows if one.caution)]
        title = f"{entry.a} and {entry.b} on the items that both answered"
        yield Table(
            *(f"{entry.a}-vs-{entry.b}", title, header, rows, frozenset(range(3, 10))),
            list(dict.fromkeys(notes)),
            (fields, records),
        )


def _matched(study: Study, a: str, b: str, questions: Sequence[str]) -> Iterator[tuple[Cell, Cell]]:
    """Cells of two models that differ in nothing else."""
    chosen = [cell for one in study.questions if not questions or one.name in questions for cell in one.cells]
    other = {(cell.task, cell.said): cell for cell in chosen if cell.model == b}
    for cell in {cell.id: cell for cell in chosen if cell.model == a}.values():
        if (cell.task, cell.said) in other:
            yield cell, other[cell.task, cell.said]


def _four(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _p(value: float | None) -> str:
    return "" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _write(study: Study, out: Path, tables: Sequence[Table], pictures: Mapping[str, str]) -> list[Path]:
    texts: dict[str, str] = {}
    for wanted in study.spec.report.formats:
        if wanted in WRITERS:
            suffix, write = WRITERS[wanted]
            texts |= {f"{table.name}{suffix}": write(table) for table in tables}
    if "html" in study.spec.report.formats:
        texts["index.html"] = page(study.spec.title or study.spec.study, [*map(html, tables), *_inlined(pictures)])
    texts |= pictures
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_atomically(out / name, text.encode(), mode=_PUBLIC)
    return [out / name for name in texts]


def _inlined(pictures: Mapping[str, str]) -> list[str]:
    return [f"<figure>{text}</figure>" for text in pictures.values()]
