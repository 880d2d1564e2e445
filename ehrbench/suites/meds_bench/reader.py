"""MedS-Bench: one JSON object per file, with a definition and its instances (Wu et al., arXiv 2408.12547; release of 2024-09).

A gold answer is kept as the release has it (``The right answer is B: …``): what in it is the answer is a metric's question.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data, hash_files
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.hf.rows import plain_rows
from ehrbench.readers.hf.tables import is_table, open_table, rows_digest, stem_of, table_files, without_nulls
from ehrbench.readers.item import Item
from ehrbench.readers.reader import reader
from ehrbench.records.safe_xml import read_text
from ehrbench.suites.meds_bench.labels import labels_of
from ehrbench.suites.meds_bench.layout import EXAMPLES, find_file, require_file
from ehrbench.suites.meds_bench.options import gold_label, gold_letters, option_texts, parts_as_written
from ehrbench.suites.meds_bench.reader_options import Choices, Options

_WRITTEN = ("stem_end", "options_as_written")
"""Slots of tasks whose choices are letters, for a prompt that lays the options out anew."""
_ID = re.compile(r"[!-~]{1,128}\Z")
RESAMPLED = "resampled"
"""The track of a run on items that were drawn here, because the paper's own draw is not in the file."""


@reader(
    Options,
    recognises=lambda root, options: find_file(root, options.folder, options.file) is not None,
    slots=("definition", "options", *_WRITTEN),
)
def read(root: Path, options: Options) -> Dataset:
    """Open one file of the release: in its folder, or in one that holds MedS-Bench, MedS-Bench-SPLIT or prepared files.

    A table in the place of a file is what ``datasets`` makes of it: one row, with the columns ``Definition`` and ``Instances``.

    Raises:
        MissingError: the file is not there.
        UsageError: it is malformed; the message names file and instance and quotes neither.
    """
    path = require_file(root, options.folder, options.file)
    definition, instances = read_release_file(path)
    eligible, files = list(range(len(instances))), [path]
    if options.label is not None:
        eligible, files = _labelled(root, path, instances, options, options.label)
    chosen = eligible
    if options.cap is not None and len(eligible) > options.cap:
        chosen = sorted(random.Random(f"{options.sample_seed}\0{stem_of(path)}").sample(eligible, options.cap))
    items = _items(path, definition, instances, chosen, options.choices)
    examples: list[Item] = []
    if (training := find_file(root / EXAMPLES, options.folder, options.file)) is not None:
        files = [*files, training]
        rows = read_release_file(training)[1]
        examples = [replace(one, id=f"examples/{one.id}") for one in _items(training, definition, rows, range(len(rows)), ())]
    return Dataset(
        root=root,
        items=tuple(items),
        examples=tuple(examples) or None,
        files=[part for one in files for part in (table_files(one) if is_table(one) else [one])],
        derived_from=_digest(root, files) if any(map(is_table, files)) else None,
        warnings=_warnings(path, items, len(eligible), options.choices in ("options", "letters")),
        track=RESAMPLED if len(chosen) < len(eligible) else "",
    )


def _digest(root: Path, files: Sequence[Path]) -> str:
    """Over the content of a task's files where one of them is a table, whose bytes differ with its form."""
    tables = [rows_digest([_table_content(path)]) for path in files if is_table(path)]
    return hash_data([tables, hash_files(root, [path for path in files if not is_table(path)])])


def _labelled(
    root: Path, path: Path, instances: Sequence[Mapping[str, Any]], options: Options, label: str
) -> tuple[list[int], list[Path]]:
    """The instances of the label that the task asks for, by index, and the files that decide them."""
    files = [path]
    other, other_name = None, options.labels_from
    if other_name and not any("label" in instance for instance in instances):
        source = find_file(root, options.folder, other_name)
        if source:
            files.append(source)
            other = read_release_file(source)[1]
    wanted = label.casefold()
    labels = labels_of(path, instances, other, other_name)
    if wanted not in labels:
        raise UsageError(f"{path}: no instance has the label '{label}' that the task asks for")
    return [index for index, label in enumerate(labels) if label == wanted], files


def read_release_file(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """The definition and the instances of one file, unchecked beyond their kinds.

    Raises:
        UsageError: not one JSON object with ``Instances``.
    """
    data = _table_content(path) if is_table(path) else _parse(path)
    if "Instances" not in data:
        raise UsageError(f"{path}: no key 'Instances'; expected one JSON object with 'Definition' and 'Instances'")
    instances = data["Instances"]
    if not isinstance(instances, list) or not instances:
        raise UsageError(f"{path}: 'Instances' must be a list with at least one instance")
    for index, instance in enumerate(instances):
        if not isinstance(instance, dict):
            raise UsageError(f"{path}: instance {index} is not an object with 'input' and 'output'")
    return _definition(data.get("Definition"), path), instances


def _table_content(path: Path) -> dict[str, Any]:
    """The one row of a table, as the file has it."""
    rows = list(islice(plain_rows(open_table(path)), 2))
    if len(rows) != 1:
        raise UsageError(
            f"{path}: {'no row' if not rows else 'several rows'}; expected what datasets makes of a file of the release: one row "
            "with 'Definition' and 'Instances'"
        )
    content: dict[str, Any] = without_nulls(rows[0])
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _parse(path: Path) -> dict[str, Any]:
    text = read_text(path, "the task file")
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        if _is_jsonl(text):
            raise UsageError(
                f"{path}: JSON Lines, one object per line; a file of the release is one JSON object, also one named .jsonl"
            ) from None
        raise UsageError(f"{path}:{error.lineno}: not JSON at column {error.colno} ({error.msg})") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path}: not JSON (NaN, Infinity or nested too deeply)") from None
    if isinstance(data, list):
        raise UsageError(f"{path}: a list; expected one JSON object with 'Definition' and 'Instances'")
    if not isinstance(data, dict):
        raise UsageError(f"{path}: expected one JSON object with 'Definition' and 'Instances'")
    return data


def _is_jsonl(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        return len(lines) > 1 and all(isinstance(json.loads(line), dict) for line in lines[:2])
    except (ValueError, RecursionError):
        return False


def _definition(value: object, path: Path) -> str:
    """The instruction: the first of a list, or the whole of a plain string (whose first character the reference would take)."""
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{path}: 'Definition' is neither a text nor a list of texts; expected the instruction of the task")
    return value


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (bool, int, float)) else None


def _gold(instance: Mapping[str, Any], place: str) -> tuple[str, ...]:
    """Every gold answer, verbatim: ``None``, ``NA`` and ``nan`` are words like others."""
    value = instance.get("output")
    texts = [_text(one) for one in _as_list(value)]
    if not texts or any(text is None for text in texts):
        raise UsageError(f"{place}: 'output' is absent, empty or no text; expected a gold answer or a list of them")
    return tuple(dict.fromkeys(text for text in texts if text is not None))


def _items(
    path: Path, definition: str, instances: Sequence[Mapping[str, Any]], chosen: Sequence[int], choices: Choices
) -> list[Item]:
    labels = _labels(choices, instances)
    repeated = Counter(instance.get("input") for instance in instances if isinstance(instance.get("input"), str))
    names: dict[str, int] = {}
    asked: dict[str, int] = {}
    items: list[Item] = []
    for index in chosen:
        instance, place = instances[index], f"{path}: instance {index}"
        question = instance.get("input")
        if not isinstance(question, str) or not question.strip():
            raise UsageError(f"{place}: 'input' is absent or empty; expected the text that is asked about")
        name = _name(instance.get("id"), stem_of(path), index)
        if name in names:
            raise UsageError(f"{place}: the id {name} is there already, in instance {names[name]}; ids must differ")
        names[name] = index
        group = _text(instance.get("group"))
        if group is None and repeated[question] > 1:  # items on one text belong together, and none may be another's example
            group = f"input {asked.setdefault(question, len(asked))}"
        references = _gold(instance, place)
        texts = option_texts(question) if choices in ("options", "letters") else ()
        written = dict(zip(_WRITTEN, parts_as_written(question), strict=True)) if choices == "letters" else {}
        items.append(
            Item(
                id=name,
                question=question,
                references=references,
                labels=gold_letters(references[0]) if choices in ("options", "letters") else (),
                choices=tuple("ABCDEFGHIJ"[: len(texts)]) if choices == "letters" else texts or labels,
                group=group,
                slots={"definition": definition, "options": list(texts), **written},
            )
        )
    return items


def _labels(choices: Choices, instances: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    if choices in ("options", "letters"):
        return ()
    if choices == "golds":
        golds = [one for instance in instances for one in _as_list(instance.get("output")) if isinstance(one, str)]
        return tuple(sorted({label for gold in golds if (label := gold_label(gold))}))
    assert isinstance(choices, tuple)
    return choices


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _name(value: object, stem: str, index: int) -> str:
    text = _text(value)
    return text if text is not None and _ID.match(text) else f"{stem}:{index}"


def _warnings(path: Path, items: Sequence[Item], n_all: int, listed: bool) -> tuple[str, ...]:
    lines = []
    if len(items) < n_all:
        lines.append(
            f"{path.name}: {len(items)} of {n_all} instances are drawn (seed 0 unless the task says otherwise); the paper's own "
            "sample is the SPLIT release, so the run is marked 'resampled'"
        )
    if n_blank := sum(not item.references[0].strip() for item in items):
        lines.append(f"{path.name}: {n_blank} instances have a blank gold answer; they are scored against it")
    if listed and (n_without := sum(not item.choices for item in items)):
        lines.append(f"{path.name}: {n_without} questions list no options that could be read")
    return tuple(lines)
