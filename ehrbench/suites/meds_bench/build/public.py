"""Summaries from public tables: consumers' questions (MeQSum) and abstracts of trials with their conclusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import parse
from ehrbench.readers.excel import SUFFIXES
from ehrbench.readers.table import read_table
from ehrbench.records.safe_xml import read_text
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
        if kind == ".jsonl":
            yield from (parse(line) for line in read_text(path, "the table").split("\n") if line.strip())
        elif kind in (".csv", ".tsv", *SUFFIXES):
            table = read_table(path, "the table")
            yield from (dict(zip(table.columns, row.values, strict=True)) for row in table.rows)
        else:
            raise UsageError(f"{path}: expected a .csv, .tsv, .jsonl or .xlsx file")
    except ValueError as error:
        raise UsageError(f"{path}: cannot be read as a table ({type(error).__name__})") from None
