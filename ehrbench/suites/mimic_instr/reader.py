"""MIMIC-Instr: questions about ICU admissions, from the folder that ``ehrbench data prepare mimic_instr`` builds.

The event lists are always the prepared ones, for no release has them. The questions are the prepared ones, or a release's files
(``qa_event.jsonl``, ``qa_note.jsonl``, ``qa_test_subset.csv``) that stand in the folder ``released`` beside them, whose answers
are paraphrased and therefore have no typed gold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_text
from ehrbench.jsonl import parse
from ehrbench.parquet import readable_parquet
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.reader import ReaderOptions, reader
from ehrbench.readers.table import read_table
from ehrbench.records.record import Record
from ehrbench.text_files import is_utf16, not_utf8

Source = Literal["event", "note"]
Split = Literal["test_subset", "test", "val", "train", "all"]

RELEASED = "released"
"""The folder for a release's own question files."""
PREPARE = "build the folder with `ehrbench data prepare mimic_instr --mimic DIR`"
_ALIASES = {
    "hadm_id": ("hadm_id", "hadm"),
    "q": ("q", "question"),
    "a": ("a", "answer"),
    "event_type": ("event_type",),
    "subject_id": ("subject_id",),
    "split": ("split",),
    "source": ("source",),
}


class Options(ReaderOptions):
    """``data.options`` of ``mimic_instr``."""

    source: Source = "event"
    """``event``: schema alignment; ``note``: clinical reasoning."""
    split: Split = "test_subset"
    """``test_subset`` is the paper's: one question on one admission of each of 100 test patients."""
    file: str | None = None
    """The questions' file below the folder, where it is not the usual one."""
    rendering: Literal["raw"] = "raw"


def is_prepared(root: Path) -> bool:
    """Whether a folder is a prepared one."""
    return (root / "records").is_dir() and (root / "cohort.csv").is_file()


def lacks(root: Path, options: Options) -> str | None:
    """Whether there are questions of the task's kind."""
    try:
        path = _questions_file(root, options.source, options.split, options.file)
    except MissingError as missing:
        return str(missing)
    return f"{path} is empty; {PREPARE}" if path.stat().st_size == 0 else None


@reader(
    Options,
    lacks=lacks,
    recognises=lambda root, _: is_prepared(root),
    meta=("source", "event_type", "template", "answer_type", "period", "gold"),
)
def read(root: Path, options: Options) -> Dataset:
    """Open the questions of one kind.

    Raises:
        MissingError: the folder was not prepared, or has no questions of this kind.
        UsageError: a row has no admission, question or answer, or its admission has no event list.
    """
    source, split = options.source, options.split
    if not is_prepared(root):
        raise MissingError(f"{root} has no event lists (records/) and no cohort.csv; {PREPARE}")
    manifest = _manifest(root)
    lists = EventLists(root / "records")
    path = _questions_file(root, source, split, options.file)
    rows = [row for row in _rows(path) if _source_of(row, path) == source]
    subset_file = path.stem == "qa_test_subset"
    chosen, lists_used = (rows, []) if split == "all" or subset_file else _of_split(root, rows, split, source)
    if not chosen:
        raise MissingError(f"{path}: no question of source '{source}' in the split '{split}'; name another split, or {PREPARE}")
    if absent := sorted({row.hadm_id for row in chosen if row.hadm_id not in lists.where}):
        shown = ", ".join(map(str, absent[:5])) + (", …" if len(absent) > 5 else "")
        raise UsageError(
            f"{path}: {len(absent)} admissions ({shown}) have no event list in {root / 'records'}; prepare the lists from the "
            "release of MIMIC-IV that the questions are from, with --max-events large enough"
        )
    items = list(_items(chosen, source, lists.subject))
    ours = all("template" in row.data for row in chosen)
    return Dataset(
        root=root,
        items=items,
        files=[*lists.files, path, *lists_used],
        load_record=lists.load,
        open_data=bool(manifest.get("open_data")) and source == "event" and ours,
        warnings=_warnings(items, ours or source == "note", manifest.get("options") or {}),
    )


@dataclass(frozen=True)
class _Row:
    hadm_id: int
    q: str
    a: str
    data: Mapping[str, Any]


class EventLists:
    """The stored event lists: where each admission's is, read one at a time."""

    def __init__(self, folder: Path) -> None:
        """Index the lists of a folder; none is held."""
        self.files = sorted(folder.glob("*.parquet"))
        self.where: dict[int, tuple[Path, int]] = {}
        self.subject: dict[int, int] = {}
        for path in self.files:
            with readable_parquet(path, f"{PREPARE} again"):
                rows = pl.read_parquet(path, columns=["hadm_id", "subject_id"])
            for place, (hadm, subject) in enumerate(rows.iter_rows()):
                self.where[hadm] = (path, place)
                self.subject[hadm] = subject

    def load(self, record_id: str) -> Record:
        """The record of one admission."""
        from ehrbench.mimic.render import EventList, render

        path, place = self.where[int(record_id)]
        with readable_parquet(path, f"{PREPARE} again"):
            row = pl.scan_parquet(path).slice(place, 1).collect().row(0, named=True)
        return render(EventList(row["hadm_id"], row["admitted"], row["at_us"], row["event_type"], row["text"]))


def _manifest(root: Path) -> Mapping[str, Any]:
    path = root / "manifest.json"
    if not path.is_file():
        raise MissingError(f"{root} has no manifest.json, so its preparation did not finish; {PREPARE} again")
    try:
        manifest = parse(path.read_text(encoding="utf-8"))
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != "ehrbench mimic_instr" or manifest.get("format_version") != 1:
        raise UsageError(f"{path} is not the manifest of a folder that this version prepared; {PREPARE} again")
    return manifest


def _questions_file(root: Path, source: str, split: str, named: str | None) -> Path:
    if named is not None:
        path = root / named
        if not path.resolve().is_relative_to(root.resolve()):
            raise UsageError(f"data.options.file is '{named}', which leads out of the data folder")
        if not path.is_file():
            raise MissingError(f"{path} is not there; it is named by data.options.file")
        return path
    names = [f"qa_{source}.jsonl", f"qa_{source}.csv"]
    if split == "test_subset":
        names = [*(["qa_test_subset.csv", "qa_test_subset.jsonl"]), *names]
    for folder in (root / RELEASED, root):
        for name in names:
            path = folder / name
            # Our own test subset has no notes; a released one has both kinds.
            if path.is_file() and not (source == "note" and folder == root and name.startswith("qa_test_subset")):
                return path
    wanted = "questions from notes (qa_note.jsonl): they are a language model's and come with the credentialed release"
    wanted = wanted if source == "note" else f"questions ({names[-2]})"
    raise MissingError(f"{root} has no {wanted}; put a release's files into {root / RELEASED}, or {PREPARE}")


def _rows(path: Path) -> Iterator[_Row]:
    for place, data in _csv_rows(path) if path.suffix == ".csv" else jsonl_rows(path):
        named = {name: next((data[alias] for alias in aliases if alias in data), None) for name, aliases in _ALIASES.items()}
        hadm = str(named["hadm_id"] if named["hadm_id"] is not None else "").strip().removesuffix(".0")
        if not hadm.isdigit():
            raise UsageError(f"{place}: 'hadm_id' is not a whole number")
        for name in ("q", "a"):
            if not isinstance(named[name], str) or not str(named[name]).strip():
                raise UsageError(f"{place}: no text under {' or '.join(map(repr, _ALIASES[name]))}")
        yield _Row(int(hadm), str(named["q"]), str(named["a"]), {**data, **named})


def jsonl_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, each with its place for messages."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            if number == 1 and is_utf16(line):
                raise UsageError(f"{path} {not_utf8(line)}")
            try:
                data = parse(line.decode("utf-8-sig"))
            except ValueError:
                data = None
            if not isinstance(data, dict):
                raise UsageError(f"{path}:{number}: the line is not a JSON object; copy the file again")
            yield f"{path}:{number}", data


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    table = read_table(path, "the table")
    for row in table.rows:
        yield table.place(row), {name: value or None for name, value in zip(table.columns, row.values, strict=True)}


def _source_of(row: _Row, path: Path) -> str:
    """A row says its source, or its file does; in a mixed file, questions from notes have no event type."""
    said = row.data.get("source")
    if said in ("event", "note"):
        return str(said)
    if path.stem == "qa_note":
        return "note"
    if path.stem == "qa_event":
        return "event"
    return "event" if row.data.get("event_type") or row.data.get("template") else "note"


def _of_split(root: Path, rows: Sequence[_Row], split: str, source: str) -> tuple[list[_Row], list[Path]]:
    """The rows of a split: as the rows say, else as the cohort's lists say."""
    if split != "test_subset" and all(row.data.get("split") for row in rows):
        return [row for row in rows if row.data["split"] == split], []
    path = root / f"cohort_{split}.csv"
    if not path.is_file():
        raise MissingError(f"{path} is not there, and the questions do not say their split; {PREPARE} again")
    admissions = {int(data["hadm_id"]) for _, data in _csv_rows(path)}
    inside = [row for row in rows if row.hadm_id in admissions]
    if split != "test_subset" or source == "note":
        return inside, [path]
    drawn: dict[int, _Row] = {}
    for row in sorted(inside, key=lambda r: hash_text(f"{r.hadm_id} {r.q}")):
        drawn.setdefault(row.hadm_id, row)
    return sorted(drawn.values(), key=lambda r: r.hadm_id), [path]


def _items(rows: Sequence[_Row], source: str, subjects: Mapping[int, int]) -> Iterator[Item]:
    seen: Counter[int] = Counter()
    for row in rows:
        seen[row.hadm_id] += 1
        data = row.data
        meta: dict[str, Any] = {"source": source, "event_type": data.get("event_type") or source}
        if data.get("template"):
            meta |= {"template": data["template"], "answer_type": data["answer_type"], "period": data.get("period")}
            # One level down, because it may hold a patient's text and must never name a stratum.
            meta["gold"] = {"type": data["answer_type"]} | {key: data.get(key) for key in ("value", "unit")}
            meta["gold"]["tolerance"] = data.get("tolerance") or 0.0
        yield Item(
            id=str(data.get("id") or f"{source}-{row.hadm_id}-{seen[row.hadm_id]}"),
            question=row.q,
            record_id=str(row.hadm_id),
            references=(row.a, *(data.get("alternatives") or ())),
            group=str(data.get("subject_id") or subjects[row.hadm_id]),
            meta=meta,
        )


def _warnings(items: Sequence[Item], ours: bool, options: Mapping[str, Any]) -> list[str]:
    masked = sum("___" in item.question + item.references[0] for item in items)
    warnings = [f"{masked} questions or answers have a mask (___) in them, as released"] if masked else []
    if not ours:
        warnings.append("the answers are paraphrased, so they have no typed gold and typed_match is undefined for them")
    hidden = sum(item.meta["event_type"] == "diagnoses_icd" for item in items) if options.get("profile") == "released" else 0
    if hidden:
        warnings.append(f"{hidden} questions are about diagnoses, which the lists of the profile 'released' do not show")
    return warnings
