"""Summaries from public tables: consumers' questions (MeQSum) and abstracts of trials with their conclusions."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import parse
from ehrbench.suites.meds_bench.build.release import Draw, Instance

MEQSUM_FILE = "Text_summarization/task114_medqsum_text_summurization.json"
MEQSUM_DEFINITION = "Given the question of a consumer of health care, write it as one short question."
MEQSUM_COLUMNS = (("CHQ", "question", "input"), ("Summary", "output"))
RCT_FILE = "Text_summarization/task110_rct_text_summurization.json"
RCT_DEFINITION = "Given the abstracts of clinical trials, write the conclusion that follows from them."
RCT_COLUMNS = (
    ("abstract", "abstracts", "text", "article", "input", "source"),
    ("conclusion", "conclusions", "target", "summary", "output"),
)

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_pairs(path: Path, columns: tuple[Sequence[str], Sequence[str]], n: int, seed: int, name: str) -> Draw[Instance]:
    """Draw rows of a table of texts and their summaries: ``.csv``, ``.tsv``, ``.jsonl`` or ``.xlsx``.

    Args:
        path: the table.
        columns: what the column of texts and that of summaries may be called, letter case aside.
        n: the most rows.
        seed: of the draw.
        name: what is drawn.

    Raises:
        MissingError: the file is not there.
        UsageError: it has no such columns, or cannot be read.
    """
    if not path.is_file():
        raise MissingError(f"{path} is not there")
    draw: Draw[Instance] = Draw(n, seed, name)
    for number, row in enumerate(_rows(path), 1):
        folded = {str(key).strip().casefold(): value for key, value in row.items()}
        texts = [next((folded[c.casefold()] for c in names if c.casefold() in folded), None) for names in columns]
        if texts[0] is None or texts[1] is None:
            wanted = " and ".join(" or ".join(names) for names in columns)
            raise UsageError(f"{path}: row {number} has no columns {wanted}")
        text, summary = (str(value).strip() for value in texts)
        if text and summary:
            draw.add(str(number), Instance(text, summary))
    if not draw.seen:
        raise UsageError(f"{path}: no row has a text and a summary")
    return draw


def _rows(path: Path) -> Iterator[Mapping[str, object]]:
    kind = path.suffix.lower()
    try:
        if kind == ".xlsx":
            yield from _xlsx(path)
        elif kind == ".jsonl":
            with path.open(encoding="utf-8-sig") as file:
                yield from (parse(line) for line in file if line.strip())
        elif kind in (".csv", ".tsv"):
            csv.field_size_limit(2**31 - 1)
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from csv.DictReader(file, delimiter="\t" if kind == ".tsv" else ",")
        else:
            raise UsageError(f"{path}: expected a .csv, .tsv, .jsonl or .xlsx file")
    except (ValueError, csv.Error, zipfile.BadZipFile, KeyError, ElementTree.ParseError, IndexError) as error:
        raise UsageError(f"{path}: cannot be read as a table ({type(error).__name__})") from None


def _xlsx(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a workbook's first sheet by the names in its first row."""
    with zipfile.ZipFile(path) as book:
        shared = (
            [_texts(item) for item in _xml(book, "xl/sharedStrings.xml")] if "xl/sharedStrings.xml" in book.namelist() else []
        )
        header: dict[str, str] = {}
        for row in _xml(book, "xl/worksheets/sheet1.xml").iter(f"{_SHEET}row"):
            cells: dict[str, str] = {}
            for cell in row.iter(f"{_SHEET}c"):
                column = re.sub(r"\d+$", "", cell.get("r", ""))
                value = cell.find(f"{_SHEET}v")
                if cell.get("t") == "s" and value is not None:
                    cells[column] = shared[int(value.text or "")]
                elif cell.get("t") == "inlineStr":
                    cells[column] = _texts(cell)
                elif value is not None:
                    cells[column] = value.text or ""
            if not header:
                header = cells
            else:
                yield {header[column]: text for column, text in cells.items() if column in header}


def _xml(book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    data = book.read(name)
    if b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data:
        raise ValueError("a workbook with entities")
    return ElementTree.fromstring(data)  # noqa: S314 (entities are refused above)


def _texts(node: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in node.iter(f"{_SHEET}t"))
