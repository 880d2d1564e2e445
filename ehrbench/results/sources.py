"""What a publication is compared with: the private parts of runs, and the data that they were made on."""

from __future__ import annotations

import csv
import gzip
import io
import re
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ehrbench import zips
from ehrbench.errors import UsageError
from ehrbench.jsonl import parse
from ehrbench.parquet import UNREADABLE
from ehrbench.results.leaks import Finding, Search
from ehrbench.results.words import is_layout_name

if TYPE_CHECKING:
    from ehrbench.readers.dataset import Dataset

_KINDS = (
    "subject|person|patient|participant|member|hadm|admission|stay|icustay|instruction|note|visit|encounter|item|mrn|order|poe|"
    "provider|caregiver|clinician|physician|author|rater|pharmacy|emar|specimen|micro_?specimen|accession|sample|study|series|"
    "transfer|group|cluster|record|document|doc|case|row|event|claim|account"
)
_ID_NAME = re.compile(
    rf"^(?:id|uid|uuid|guid|ssn|mrn|csn|.*_ids?|.*[a-z]Ids?|(?:.*_)?(?:{_KINDS})s?_?(?:id|no|nr|num|number|key|seq|code|file)?"
    r"|(?:.*_)?(?:first|last|given|family|full|patient|sur)_?name)$",
    re.IGNORECASE,
)
_NO_IDS = frozenset({"itemid", "item_code", "event_code", "row_no", "row_number", "row_key", "events"})
"""Columns of that form that name a kind of measurement, or count."""
_ID_PAIR = re.compile(rf"\b(?:\w+_id|id|(?:{_KINDS})_?id)[\"']?\s*[=:]\s*[\"']?([A-Za-z0-9._-]{{5,}})", re.IGNORECASE)
_TEXT_ENDINGS = (".xml", ".tsv", ".csv", ".json", ".jsonl", ".ndjson", ".txt", ".md", ".html", ".yaml", ".yml")
_UNREAD_ENDINGS = (
    ".pkl",
    ".pickle",
    ".duckdb",
    ".arrow",
    ".feather",
    ".xlsx",
    ".7z",
    ".tar",
    ".tgz",
)
_SQLITE_ENDINGS = (".sqlite", ".sqlite3", ".db")
_ROWS = 50_000
_LONGEST_LINE = 16 << 20
csv.field_size_limit(1 << 30)


def private_files(folders: Iterable[Path]) -> list[Path]:
    """The private parts of the runs, ratings and studies below the folders."""
    found = (path for folder in folders for part in folder.rglob("private") if part.is_dir() for path in part.rglob("*"))
    searched = (*_TEXT_ENDINGS, *_SQLITE_ENDINGS)
    return sorted({path.resolve() for path in found if path.is_file() and path.name.lower().endswith(searched)})


def search_private(search: Search, paths: Iterable[Path]) -> None:
    """Compare the private parts of runs, ratings and studies.

    Raises:
        UsageError: a database among them is damaged: nobody can say whether it is quoted.
    """
    for path in paths:
        place = path.parts.index("private", max(0, len(path.parts) - 4))
        where = "/".join(path.parts[place - 1 :])
        if path.name.lower().endswith(_SQLITE_ENDINGS):
            try:
                _search_sqlite(search, path, where)
            except sqlite3.Error as error:
                raise UsageError(f"{where} cannot be searched for leaks ({type(error).__name__}): repair or remove it") from None
            continue
        if path.suffix != ".jsonl":
            if path.name not in ("logged.json", "origin.json", "NOTICE.txt"):
                _search_text(search, path.open("rb"), where, path.name.lower())
            continue
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = parse(line)
                except ValueError:
                    continue
                if isinstance(row, dict) and isinstance(row.get("item"), str):
                    search.identifier(row["item"], where, number, "holds the id of the item in")
                _search_value(search, row, where, number)


def search_items(search: Search, dataset: Dataset, name: str) -> None:
    """Compare what a reader makes of the data: questions, golds, groups, slots and what else an item carries."""
    for number, item in enumerate(dataset.items, 1):
        where = f"the items of {name}"
        for identifier in (item.id, item.group, item.record_id):
            if identifier is not None:
                search.identifier(identifier, where, number)
        for text in (item.question, *item.references, *item.labels):
            search.begin()
            search.text(text, where, number)
        for value in (dict(item.slots), dict(item.meta)):
            _search_value(search, value, where, number, ids=True)
    search.begin()


def search_data(search: Search, folder: Path) -> Iterator[Finding]:
    """Compare every file of a data folder, and the files' names.

    Yields:
        Files that cannot be read as text or tables: nobody can say whether they are quoted.
    """
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.name.startswith(".") or path.name == "manifest.json":
            continue
        parts = dict.fromkeys([path.name.partition(".")[0], *path.relative_to(folder).parent.parts])
        for part in (part for part in parts if not is_layout_name(part)):
            search.identifier(part, "", 0, "holds an identifier that is also a file name in the data")
        try:
            yield from _search_file(search, path)
        except (*zips.UNREADABLE, *UNREADABLE, sqlite3.Error) as error:
            yield Finding(path.name, f"cannot be searched for leaks ({type(error).__name__}): repair or remove the file")


def _search_file(search: Search, path: Path) -> Iterator[Finding]:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        _search_parquet(search, path)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.lower().endswith(_TEXT_ENDINGS):
                    _search_text(search, archive.open(member), f"{path.name}/{member}", member.lower())
    elif name.endswith(_TEXT_ENDINGS):
        _search_text(search, _open(path), path.name, name)
    elif path.name.lower().endswith(_SQLITE_ENDINGS):
        _search_sqlite(search, path, path.name)
    elif name.endswith(_UNREAD_ENDINGS):
        yield Finding(path.name, "cannot be searched for leaks: give a folder with text files or Parquet instead")


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _search_text(search: Search, raw: IO[bytes], where: str, name: str) -> None:
    with raw, io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="") as file:
        if name.endswith((".csv", ".tsv")):
            _search_table(search, file, where, "\t" if name.endswith(".tsv") else ",")
        elif name.endswith((".jsonl", ".ndjson")):
            _search_lines_of_json(search, file, where)
        else:
            _search_plain(search, file, where, markup=name.endswith((".xml", ".html")))


def _lines(file: IO[str]) -> Iterator[str]:
    """The lines of a text; one that fills the memory comes in pieces."""
    return iter(lambda: file.readline(_LONGEST_LINE), "")


def _search_plain(search: Search, file: IO[str], where: str, markup: bool) -> None:
    search.begin()
    for number, line in enumerate(_lines(file), 1):
        for identifier in _ID_PAIR.findall(line):
            search.identifier(identifier, where, number)
        if markup:
            for value in re.findall(r"=\"([^\"]{20,})\"", line):
                search.begin()
                search.text(value, where, number)
            line = re.sub(r"<[^>]*>", " ", line)
        search.text(line.replace("\\n", " "), where, number)
    search.begin()


def _search_lines_of_json(search: Search, file: IO[str], where: str) -> None:
    for number, line in enumerate(_lines(file), 1):
        try:
            value = parse(line)
        except ValueError:
            search.begin()
            search.text(line, where, number)
            continue
        _search_value(search, value, where, number, ids=True)


def _search_table(search: Search, file: IO[str], where: str, delimiter: str) -> None:
    reader = csv.reader((line.replace("\0", "") for line in _lines(file)), delimiter=delimiter)
    ids = _id_columns(next(reader, []))
    for row in reader:
        _search_row(search, row, ids, where, reader.line_num)


def _search_parquet(search: Search, path: Path) -> None:
    import polars as pl

    frame = pl.scan_parquet(path)
    names = frame.collect_schema().names()
    ids = _id_columns(names)
    offset = 0
    while True:
        part = frame.slice(offset, _ROWS).collect()
        if part.is_empty():
            return
        for number in ids:
            for value in part[names[number]].cast(pl.String, strict=False).drop_nulls().unique(maintain_order=True):
                search.identifier(value, path.name, 0)
        for column in part.iter_columns():
            nested = column.dtype.is_nested() and column.dtype != pl.List(pl.String)
            for value in column.drop_nulls() if nested else ():  # a struct's fields, a list of structs
                _search_value(search, value.to_list() if isinstance(value, pl.Series) else value, path.name, 0, ids=True)
            texts = column.explode() if column.dtype == pl.List(pl.String) else column
            for value in texts.drop_nulls().unique(maintain_order=True) if texts.dtype == pl.String else ():
                search.begin()
                search.text(value, path.name, 0)
        offset += _ROWS


def _search_sqlite(search: Search, path: Path, where: str) -> None:
    """Compare every table of a database; a cell that is JSON as what it says."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        db.text_factory = partial(bytes.decode, errors="replace")
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            name = table.replace('"', '""')
            rows = db.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - the database's own name for its table
            ids = _id_columns([column[0] for column in rows.description])
            for row in rows:
                cells = ["" if cell is None else str(cell) for cell in row]
                _search_row(search, cells, ids, where, 0)
                for cell in cells:
                    if cell.startswith(("{", "[", '"')):
                        with suppress(ValueError):
                            _search_value(search, parse(cell), where, 0, ids=True)


def _id_columns(header: Sequence[str]) -> list[int]:
    return [k for k, column in enumerate(header) if identifies(column)]


def identifies(name: str) -> bool:
    """Whether a column or key of this name holds identifiers of a patient, a stay, a document or a person."""
    name = name.strip()
    return _ID_NAME.match(name) is not None and name.lower() not in _NO_IDS


def _search_row(search: Search, row: Sequence[str], ids: Sequence[int], where: str, number: int) -> None:
    for k in ids:
        if k < len(row):
            search.identifier(row[k], where, number)
    for cell in row:
        if len(cell) > 10:
            search.begin()
            search.text(cell, where, number)


def _search_value(search: Search, value: Any, where: str, number: int, ids: bool = False) -> None:
    """Compare every text in plain data, and with ``ids`` the values of keys that identify."""
    if isinstance(value, str):
        search.begin()
        search.text(value, where, number)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if ids and isinstance(one, (str, int)) and not isinstance(one, bool) and identifies(str(key)):
                search.identifier(str(one), where, number)
            _search_value(search, one, where, number, ids)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _search_value(search, one, where, number, ids)
