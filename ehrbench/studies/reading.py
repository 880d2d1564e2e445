"""A study file, read and checked as a whole before anything is written: every fault is named with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from ehrbench.errors import UsageError, unknown_name
from ehrbench.hashing import hash_data
from ehrbench.models.arguments import refuse_secrets
from ehrbench.models.loading import split_spec
from ehrbench.readers.data_dir import is_folder
from ehrbench.runs.loggers.places import split
from ehrbench.runs.options import apply_options
from ehrbench.runs.samples import FILES, parse_samples
from ehrbench.runs.seeds import why_the_same
from ehrbench.scoring.score import resolve
from ehrbench.studies.schema import JudgeEntry, Question, Settings, StudySpec
from ehrbench.studies.study import Cell, QuestionCells, Study, options_of
from ehrbench.tasks.catalog import Catalog, load_catalog
from ehrbench.tasks.problems import schema_problems
from ehrbench.tasks.yaml_file import KeyPath, TaskFileError, YamlFile, read_yaml

MAX_CELLS = 10_000
"""A larger grid is a slip of the keyboard."""


def load_study(path: Path, data_dir: Path | str | None, out: Path | str | None) -> Study:
    """Read and check a study file (``Study.load``)."""
    file = read_yaml(path)
    if not isinstance(file.value, dict):
        raise TaskFileError([f"{file.position()}: expected a study: keys study, models and questions"])
    try:
        spec = StudySpec.model_validate(file.value)
    except ValidationError as error:
        raise TaskFileError(schema_problems(error.errors(include_url=False), StudySpec, file.position)) from None
    base = path.resolve().parent
    folder = Path(out) if out is not None else base / (spec.out or spec.study)
    data = str(data_dir) if data_dir is not None else _from(base, spec.data_dir)
    catalog = load_catalog([base / one for one in spec.include_paths])
    samples, problems = _samples(spec, file, base)
    problems += [*_name_problems(spec, file), *_grid_problems(spec, file)]
    if problems:
        raise TaskFileError(dict.fromkeys(problems))
    ids = {one.label: one.ids for one in samples.values() if one.label is not None}
    cells, problems = _cells(spec, file, catalog, folder / "runs", samples, ids)
    if problems:
        raise TaskFileError(dict.fromkeys(problems))
    return Study(path, spec, folder, data, cells, catalog, ids)


class _Samples(NamedTuple):
    """A set of chosen items."""

    label: str | None
    """What is said of it wherever a setting is shown: no id. None: all items."""
    ids: tuple[str, ...]


Samples = Mapping[tuple[str | int | None, ...], _Samples]
"""By what the file says."""


def _samples(spec: StudySpec, file: YamlFile, base: Path) -> tuple[Samples, list[str]]:
    """Every set of items that the file chooses, read from the files that it names, and what is wrong with them."""
    places: list[tuple[KeyPath, Settings]] = [(("settings",), spec.settings)]
    places += [(("models", name, "settings"), entry.settings) for name, entry in spec.models.items()]
    for name, question in spec.questions.items():
        places.append((("questions", name, "settings"), question.settings))
        places += [(("questions", name, "grid", index), block) for index, block in enumerate(question.grid)]
    found: dict[tuple[str | int | None, ...], _Samples] = {}
    problems: list[str] = []
    for place, settings in places:
        given = settings.samples
        if not given or given in found:
            continue
        if given == (None,):
            found[given] = _Samples(None, ())
            continue
        try:
            ids = _ids(given, base)
        except (UsageError, OSError) as error:
            said = str(error) if isinstance(error, UsageError) else f"{error.filename}: {error.strerror}"
            problems.append(f"{file.position((*place, 'samples'))}: {said}")
            continue
        label = f"{len(ids)} item{'s' if len(ids) > 1 else ''} ({hash_data(sorted(ids))[:8]})"
        found[given] = _Samples(label, ids)
    return found, problems


def _ids(given: tuple[str | int | None, ...], base: Path) -> tuple[str, ...]:
    if len(given) > 1:
        return parse_samples(",".join(map(str, given)))
    text = str(given[0])
    path = base / Path(text).expanduser()
    if path.suffix.lower() in FILES and not path.is_file():
        raise UsageError(f"samples: there is no file {path}; expected ids, or a file of ids from the study file's folder")
    return parse_samples(str(path) if "," not in text and path.is_file() else text)


def _from(base: Path, data_dir: str | None) -> str | None:
    return data_dir if data_dir is None or not is_folder(data_dir) else str(base / Path(data_dir).expanduser())


def _name_problems(spec: StudySpec, file: YamlFile) -> Iterator[str]:
    """Names that stand for nothing, models that cannot be, a judge that judges itself."""
    specs: dict[str, str] = {}
    for name, entry in spec.models.items():
        yield from _model_problems(entry.model, entry.args, ("models", name, "model"), file)
        same = hash_data([entry.model, sorted((k, str(v)) for k, v in entry.args.items()), entry.settings.model_dump()])
        if (first := specs.setdefault(same, name)) != name:
            yield f"{file.position(('models', name))}: '{name}' is the model '{first}' again; remove one, or give it other args"
    if clash := next(_same_folded(spec.models), None):
        yield f"{file.position(('models', clash[1]))}: models '{clash[0]}' and '{clash[1]}' differ in case only; rename one"
    for key, question in spec.questions.items():
        yield from _unknown("model", question.models, spec.models, ("questions", key, "models"), file)
        yield from _metric_problems(question.metrics, spec.metric_args, ("questions", key, "metrics"), file)
    for name, judge in spec.judges.items():
        place: KeyPath = ("judges", name)
        yield from _model_problems(judge.model, judge.args, (*place, "model"), file)
        yield from _unknown("model", (judge.reference,), spec.models, (*place, "reference"), file)
        yield from _unknown("question", judge.questions, spec.questions, (*place, "questions"), file)
        if judge.reference in spec.models and not judged(spec, judge):
            yield f"{file.position(place)}: judge '{name}' has no model to judge beside its reference '{judge.reference}'"
        own = [short for short in judged(spec, judge) if spec.models[short].model == judge.model]
        if own:
            yield (
                f"{file.position((*place, 'model'))}: judge '{name}' is also a candidate ('{own[0]}') and would judge itself; "
                "take another judge, or limit 'questions' to those without it"
            )
    for index, logger in enumerate(spec.log_to):
        try:
            split(logger)
        except UsageError as error:
            yield f"{file.position(('log_to', index))}: {error}"
    for index, one in enumerate(spec.comparisons):
        place = ("comparisons", index)
        for side in ("a", "b"):
            yield from _unknown("model", (getattr(one, side),), spec.models, (*place, side), file)
        if one.a == one.b:
            yield f"{file.position(place)}: '{one.a}' is compared with itself; name two models"
        yield from _unknown("question", one.questions, spec.questions, (*place, "questions"), file)
        yield from _metric_problems(one.metrics, spec.metric_args, (*place, "metrics"), file)


def judged(spec: StudySpec, judge: JudgeEntry) -> list[str]:
    """Short names of the models whose answers a judge is shown as a candidate's."""
    questions = [spec.questions[name] for name in judge.questions or spec.questions if name in spec.questions]
    names = dict.fromkeys(name for question in questions for name in models_of(spec, question))
    return [name for name in names if name != judge.reference and name in spec.models]


def models_of(spec: StudySpec, question: Question) -> Sequence[str]:
    """Short names of a question's models."""
    return question.models or tuple(spec.models)


def _same_folded(names: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for name in names:
        if (first := seen.setdefault(name.casefold(), name)) != name:
            yield first, name


def _unknown(kind: str, names: Sequence[str], known: Mapping[str, object], place: KeyPath, file: YamlFile) -> Iterator[str]:
    for index, name in enumerate(names):
        if name not in known:
            yield f"{file.position((*place, index))}: {unknown_name(f'{kind} of this study', name, known)}"


def _model_problems(spec: str, args: Mapping[str, Any], place: KeyPath, file: YamlFile) -> Iterator[str]:
    try:
        split_spec(spec)
        refuse_secrets({**{key: str(value) for key, value in args.items()}, "--model": spec})
    except UsageError as error:
        yield f"{file.position(place)}: {error}"


def _metric_problems(names: Sequence[str], arguments: Mapping[str, str], place: KeyPath, file: YamlFile) -> Iterator[str]:
    for index, name in enumerate(names):
        try:
            resolve(name, arguments)
        except UsageError as error:
            yield f"{file.position((*place, index))}: {error}"


def _grid_problems(spec: StudySpec, file: YamlFile) -> Iterator[str]:
    """A grid that is too large is refused before it is unrolled."""
    total = 0
    for name, question in spec.questions.items():
        for block in question.grid or (Settings(),):
            for model in models_of(spec, question):
                if model in spec.models:
                    total += prod(len(values) for values in _merged(spec, model, question, block).values()) * len(question.tasks)
        if total > MAX_CELLS:
            yield (
                f"{file.position(('questions', name))}: the study has {total:,} cells and more; the most is {MAX_CELLS:,}: "
                "shorten the lists of its grid, or make several studies"
            )
            return


def _merged(spec: StudySpec, model: str, question: Question, block: Settings) -> dict[str, tuple[Any, ...]]:
    """The settings that hold for a cell: those nearest to it win, and of seed and seeds the nearer."""
    merged: dict[str, tuple[Any, ...]] = {}
    for layer in (spec.settings, spec.models[model].settings, question.settings, block):
        given = layer.given()
        for name, other in (("seed", "seeds"), ("seeds", "seed")):
            if name in given:
                merged.pop(other, None)
        merged |= given
    return merged


def _cells(
    spec: StudySpec, file: YamlFile, catalog: Catalog, out: Path, samples: Samples, ids: Mapping[str, Sequence[str]]
) -> tuple[list[QuestionCells], list[str]]:
    """The cells of every question, each held to what its task takes."""
    problems: list[str] = []
    wanted: dict[str, dict[str | None, None]] = {}
    found: list[tuple[str, list[Cell]]] = []
    for name, question in spec.questions.items():
        cells: list[Cell] = []
        for index, block in enumerate(question.grid or (Settings(),)):
            for model in models_of(spec, question):
                merged = _merged(spec, model, question, block)
                seeds = merged.pop("seeds", ())
                merged |= {"seed": seeds} if seeds else {}
                if "samples" in merged:
                    merged["samples"] = tuple(samples[given].label for given in merged["samples"])
                for values in product(*merged.values()):
                    settings = dict(zip(merged, values, strict=True))
                    place: KeyPath = ("questions", name, "grid", index) if question.grid else ("questions", name)
                    try:
                        cells += _cells_of(spec, question, model, settings, catalog, out, seeds, ids)
                    except TaskFileError as error:
                        problems += error.problems
                    except UsageError as error:
                        problems.append(f"{file.position(place)}: {error}")
            if sum(len(one) for _, one in found) + len(cells) > MAX_CELLS:
                return [], [
                    f"{file.position(('questions', name))}: the study has more than {MAX_CELLS:,} cells; shorten its grid"
                ]
        for cell in cells:
            wanted.setdefault(cell.id, {}).update(dict.fromkeys(question.metrics or (None,)))
        found.append((name, list({cell.id: cell for cell in cells}.values())))
    done = []
    for name, cells in found:
        ready = [_with_metrics(cell, wanted[cell.id]) for cell in cells]
        question = spec.questions[name]
        done.append(QuestionCells(name, question.title or name, ready, question.metrics))
    return done, problems


def _cells_of(
    spec: StudySpec,
    question: Question,
    model: str,
    settings: Mapping[str, Any],
    catalog: Catalog,
    out: Path,
    seeds: Sequence[int],
    samples: Mapping[str, Sequence[str]],
) -> Iterator[Cell]:
    """The cells of one model under one set of settings, which may be one of several repeats."""
    options = options_of(spec, model, settings, None, out, catalog.folders, samples)
    for task in catalog.select(",".join(question.tasks), options.protocol):
        chosen = apply_options(task, options)
        cell = Cell(hash_data([model, task.task, dict(settings)])[:16], model, task.task, settings)
        if len(seeds) > 1:
            reason = why_the_same(chosen) or ""
            if reason and settings["seed"] != seeds[0]:
                continue
            cell = cell._replace(repeat=hash_data([model, task.task, {**settings, "seed": seeds}])[:16], alone=reason)
        yield cell


def _with_metrics(cell: Cell, wanted: Mapping[str | None, None]) -> Cell:
    """A cell with the metrics of every question that has it."""
    return cell._replace(metrics=tuple(name for name in wanted if name is not None), own_metrics=None in wanted)
