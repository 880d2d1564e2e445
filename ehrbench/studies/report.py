"""What a study found: a table for each question, in the formats of papers and programs, figures, and the leaderboard."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import EhrbenchError, MissingError
from ehrbench.exports.checked import checked_results
from ehrbench.jsonl import write_atomically
from ehrbench.leaderboard.build import build
from ehrbench.readers.data_dir import is_folder
from ehrbench.results.repeats import Repeats
from ehrbench.results.schema import Result
from ehrbench.results.store import read_result
from ehrbench.runs.folder import RunFolder, open_run
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.repeats import ScoredRun, mean_over_seeds
from ehrbench.studies.figure import Row, dots
from ehrbench.studies.group_tables import Alike, group_table
from ehrbench.studies.numbers import FIELDS, fields_of, marks, number
from ehrbench.studies.pictures import check_pictures, picture_files
from ehrbench.studies.side_tables import comparison_tables, judge_tables
from ehrbench.studies.state import CellState
from ehrbench.studies.study import Cell, QuestionCells, Study, settings_text
from ehrbench.studies.sweep import sweeps_of
from ehrbench.studies.sweep_tables import file_part, sweep_figure, sweep_tables
from ehrbench.studies.tables import WRITERS, Table, file_names, html, page, without_folders

_PUBLIC = 0o644


class Report(NamedTuple):
    """What was written."""

    tables: Sequence[Table]
    files: Sequence[Path]
    said: Sequence[str]
    """What the publish check has to say."""


class _Line(NamedTuple):
    """One row of a question's table with what is known of it: a cell, or cells that repeat each other under several seeds."""

    cell: Cell
    state: CellState
    result: Result | Repeats | None
    runs: Sequence[tuple[RunFolder, Result]] = ()
    """The runs behind the result."""


def write_report(study: Study, out: Path, reviewed_by: str | None = None) -> Report:
    """Write everything into ``out``; every result passes the publish check first.

    Args:
        study: which.
        out: folder; files of an earlier report in it are replaced.
        reviewed_by: who has read every text of credentialed results.

    Raises:
        MissingError: no cell is scored yet, or what draws figures is not installed.
        PolicyError: something that must not be published would be.
    """
    check_pictures(study.spec.report.pictures)
    states = study.status()
    runs = {one.id: one for one in states if not one.judge}
    scored = [folder for one in runs.values() if (folder := _scored(one)) is not None]
    if not scored:
        raise MissingError(f"no cell of {study.path} is scored yet; `ehrbench study run {study.path}` does that")
    _, said = checked_results(scored, _data(study), reviewed_by)
    tables: list[Table] = []
    pictures: dict[str, str] = {}
    means: list[Repeats] = []
    for question in study.questions:
        by_protocol: dict[str, list[_Line]] = {}  # no table mixes the two
        rows: dict[str, list[Cell]] = {}
        for cell in question.cells:
            rows.setdefault(cell.repeat or cell.id, []).append(cell)
        for cells in rows.values():
            by_protocol.setdefault(study.options(cells[0]).protocol, []).append(_line(cells, runs))
        for protocol, own in by_protocol.items():
            tables.append(_table(question, own, protocol, protocol != "clean"))
            means += [line.result for line in own if isinstance(line.result, Repeats)]
            if study.spec.report.pictures:
                pictures |= _figures(tables[-1], question, own)
            tables[-1:] = _with_averages(study, tables[-1], own)
    for question in study.questions:
        swept, figures = _swept(question, runs)
        tables += swept
        pictures |= figures if study.spec.report.pictures else {}
    tables += [*judge_tables(study, states), *comparison_tables(study, runs)]
    tables = [without_folders(table) for table in tables]
    files = _write(study, out, tables, pictures)
    if study.spec.report.leaderboard:
        built = build(
            sorted(set(scored)),
            out / "leaderboard",
            title=study.spec.title or study.spec.study,
            data_dir=_data(study),
            include_paths=study.catalog.folders,
            reviewed_by=reviewed_by,
            repeats=means,
        )
        said = [*said, *built.withheld]
        files.append(out / "leaderboard" / "index.html")
    return Report(tables, files, list(dict.fromkeys(said)))


def _with_averages(study: Study, table: Table, lines: Sequence[_Line]) -> list[Table]:
    """A table and, where it has all tasks of a group, a table of its averages; of runs under several seeds, over all of them."""
    # A greedy task is run under one seed only and goes together with those that were run under all.
    varying = [name for name in _varying([line.cell for line in lines]) if name not in ("protocol", "seeds")]
    alike: dict[tuple[str, ...], list[tuple[RunFolder, Result]]] = {}
    for line in lines:
        about = (line.cell.model, *(_setting(line.cell, name) for name in varying))
        alike.setdefault(about, []).extend(line.runs)
    header = ["model", *(name.replace("_", " ") for name in varying)]
    try:
        averages = group_table(table.name, table.title, header, [Alike(*one) for one in alike.items()], study.catalog)
    except EhrbenchError as error:  # the numbers are there and the data are not
        return [table._replace(notes=[*table.notes, f"averages over tasks are not made: {error}"])]
    return [table] if averages is None else [table, averages]


_SWEPT = ("context", "keep", "max_model_len", "chunk_tokens", "budget_tokenizer")
"""Settings that a sweep is about; of what else differs, each combination has a sweep of its own."""


def _swept(question: QuestionCells, runs: Mapping[str, CellState]) -> tuple[list[Table], dict[str, str]]:
    """Of a question with several windows or policies: differences between them, what refinement changed, and a figure.

    Of repeats under several seeds the first is shown.
    """
    first = {cell.repeat: cell.settings["seed"] for cell in reversed(question.cells) if cell.repeat}
    sets: dict[str, list[Cell]] = {}
    for cell in question.cells:
        if not cell.repeat or cell.settings["seed"] == first[cell.repeat]:
            sets.setdefault(settings_text({k: v for k, v in cell.settings.items() if k not in _SWEPT}), []).append(cell)
    names = dict.fromkeys(name for cell in question.cells for name in cell.settings if name not in _SWEPT)
    varying = [name for name in names if len({str(cells[0].settings.get(name)) for cells in sets.values()}) > 1]
    tables, pictures = [], {}
    for cells in sets.values():
        settings = [{str(cell.settings.get(name)) for cell in cells} for name in ("context", "max_model_len")]
        folders = [folder for cell in cells if (folder := _scored(runs[cell.id])) is not None]
        if not folders or all(len(values) < 2 for values in settings):
            continue
        said = [*varying, *(["seed"] if cells[0].repeat and "seed" not in varying else [])]
        where = settings_text({name: cells[0].settings.get(name) for name in said})
        suffix = re.sub(r"[^A-Za-z0-9.]+", "-", f"-{where}") if where else ""
        for sweep in sweeps_of(folders, question.metrics[0] if question.metrics else None):
            own = [table for table in sweep_tables(sweep) if not table.name.endswith("-points")]  # the question's own has them
            tables += [
                table._replace(
                    name=f"{question.name}-{table.name}{suffix}", title=f"{table.title}{f' ({where})' if where else ''}"
                )
                for table in own
            ]
            if (figure := sweep_figure(sweep)) is not None:
                pictures[f"{question.name}-{file_part(sweep)}-windows{suffix}"] = figure
    return tables, pictures


def _scored(state: CellState) -> Path | None:
    """The folder of a cell that has a result."""
    return state.folder if state.folder is not None and (state.folder / "result.json").is_file() else None


def _data(study: Study) -> Path | None:
    return Path(study.data_dir) if study.data_dir is not None and is_folder(study.data_dir) else None


def _line(cells: Sequence[Cell], runs: Mapping[str, CellState]) -> _Line:
    """The row of a cell, or of all repeats of one."""
    states = [runs[cell.id] for cell in cells]
    found = [_result(state) for state in states]
    cell = cells[0]
    if cell.repeat:
        settings = {name: value for name, value in cell.settings.items() if name != "seed"}
        cell = cell._replace(settings={**settings, "seeds": ", ".join(str(one.settings["seed"]) for one in cells)})
    runs_of = [
        (open_run(one.folder), result)
        for one, result in zip(states, found, strict=True)
        if one.folder is not None and result is not None
    ]
    if len(cells) == 1:
        return _Line(cell, states[0], found[0], runs_of)
    state = next((one for one in states if one.state != "done"), states[0])
    if any(result is None for result in found):
        return _Line(cell, state._replace(state="open" if state.state == "done" else state.state), None)
    return _Line(cell, state, mean_over_seeds([ScoredRun(load_run(folder), result) for folder, result in runs_of]), runs_of)


def _result(state: CellState) -> Result | None:
    folder = _scored(state)
    return None if folder is None else read_result(folder / "result.json")


def _varying(cells: Sequence[Cell]) -> list[str]:
    """Settings in which cells differ: the others are said once."""
    names = dict.fromkeys(name for cell in cells for name in cell.settings)
    return [name for name in names if len({str(cell.settings.get(name)) for cell in cells}) > 1]


def _setting(cell: Cell, name: str) -> str:
    value = cell.settings.get(name)
    return "default" if value is None else str(value)


def _shown(question: QuestionCells, results: Sequence[Result | Repeats]) -> dict[str, str]:
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
    for cell, state, result, _ in lines:
        about = [*([cell.task] if several else []), cell.model, *(_setting(cell, name) for name in varying)]
        found = [result.metric(name) if result is not None else None for name in metrics]
        rows.append([*about, *map(number, found), str(result.n_items) if result is not None else f"({state.state})"])
        place = [question.name, cell.task, cell.model, protocol, *(_setting(cell, name) for name in varying)]
        records += [[*place, *fields_of(one, result, state)] for one in found if one is not None and result is not None]
    notes = list(_notes(lines, varying, protocol, metrics))
    header = [*first, *metrics.values(), "items"]
    numbers = frozenset(range(len(first), len(header)))
    name = f"{question.name}-{protocol}" if named else question.name
    fields = ["question", "task", "model", "protocol", *varying, *FIELDS]
    return Table(name, question.title, header, rows, numbers, notes, (fields, records))


def _notes(lines: Sequence[_Line], varying: Sequence[str], protocol: str, metrics: Mapping[str, str]) -> Iterator[str]:
    """What a reader has to know: what is the same everywhere, what is missing, what is only approximate."""
    first = lines[0].cell
    same = {name: value for name, value in first.settings.items() if name not in varying and name != "protocol"}
    tasks = {line.cell.task for line in lines}
    parts = [*([f"task {first.task}"] if len(tasks) == 1 else []), f"{protocol} protocol", settings_text(same)]
    yield f"{', '.join(filter(None, parts))}; in brackets: 95 % intervals"
    results = [line.result for line in lines if line.result is not None]
    yield from marks(any(result.synthetic for result in results), any(result.partial for result in results))
    shown = [metric for result in results for name in metrics if (metric := result.metric(name)) is not None]
    yield from dict.fromkeys(f"! {metric.caution}" for metric in shown if metric.caution)
    repeated = [line.result for line in lines if isinstance(line.result, Repeats)]
    if repeated:
        yield "rows of several seeds: means over the seeds, with intervals over items and seeds"
    yield from dict.fromkeys(
        f"{line.cell.task}: {line.cell.alone}, so repeats give the same answers: only seed {line.cell.settings['seeds']} is run"
        for line in lines
        if line.cell.alone
    )
    for cell, state, *_ in lines:
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
                rows = [Row(file_names(_named(cell, varying)), m.value or 0.0, m.low, m.high) for cell, m in pairs]
                suffix = f"-{task}" if len(tasks) > 1 else ""
                found[f"{table.name}{suffix}"] = dots(f"{pairs[0][1].label} on {task}, with 95 % intervals", rows)
                break
    return found


def _named(cell: Cell, varying: Sequence[str]) -> str:
    return ", ".join([cell.model, *(f"{name.replace('_', ' ')} {_setting(cell, name)}" for name in varying)])


def _write(study: Study, out: Path, tables: Sequence[Table], pictures: Mapping[str, str]) -> list[Path]:
    texts: dict[str, str] = {}
    for wanted in study.spec.report.formats:
        if wanted in WRITERS:
            suffix, write = WRITERS[wanted]
            texts |= {f"{table.name}{suffix}": write(table) for table in tables}
    if "html" in study.spec.report.formats:
        texts["index.html"] = page(study.spec.title or study.spec.study, [*map(html, tables), *_inlined(pictures)])
    files = {name: text.encode() for name, text in texts.items()} | picture_files(pictures, study.spec.report.pictures)
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomically(out / name, content, mode=_PUBLIC)
    return [out / name for name in files]


def _inlined(pictures: Mapping[str, str]) -> list[str]:
    return [f"<figure>{text}</figure>" for text in pictures.values()]
