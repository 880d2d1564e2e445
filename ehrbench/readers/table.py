"""TSV and CSV tables as releases and spreadsheets write them: quoted fields with tabs and newlines, columns with several names.

Nothing is skipped or guessed: a ragged row, an open quote or two columns for one meaning is an error with the file and the row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError
from ehrbench.readers.excel import SUFFIXES, read_sheet
from ehrbench.records.safe_xml import read_text
from ehrbench.text_files import said_separator, separator_of

_END = "ehrbench-end-of-table"
_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "'|'"}
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,39}\Z")


class Row(NamedTuple):
    """One row of a table."""

    number: int
    """1 for the first row after the header."""
    line: int
    """The line of the file on which it begins; a quoted field may go on over several."""
    values: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table in memory, as text."""

    path: Path
    columns: Sequence[str]
    rows: Sequence[Row]
    separator: str | None = None
    """Of a text table; None for another."""

    def place(self, row: Row) -> str:
        """Where a row is, for a message."""
        return f"{self.path}:{row.line}: row {row.number}"


def _rows(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    lines = io.StringIO(text, newline="")
    end = _END
    while end in text:  # a row of the file's may read like it
        end += "-"

    def with_sentinel() -> Iterator[str]:
        yield from lines
        yield end

    csv.field_size_limit(2**31 - 1)  # the module's 131,072 characters are fewer than a long note has
    reader = csv.reader(with_sentinel(), delimiter=delimiter)
    line = 1
    while True:
        try:
            row = next(reader)
        except csv.Error as error:
            raise UsageError(f"{path}:{line}: the row cannot be read as a table row ({error})") from None
        if row == [end]:
            return
        if row and row[-1].endswith(end):
            raise UsageError(
                f"{path}:{line}: a quotation mark opens a field in this row and none closes it; compare the file with the release"
            )
        if row:
            yield line, row
        line = reader.line_num + 1


def read_table(path: Path, what: str) -> Table:
    r"""Read a table whole.

    A first line ``sep=;`` names the separator; else it is a tab where the header has one, else what stands there most often of
    comma, semicolon and ``|``. Quoting is the csv module's, with doubled quotation marks inside quoted fields; line ends inside a
    field become ``\n``. Blank lines are passed over.

    Args:
        path: a ``.tsv`` or ``.csv`` file, or an Excel workbook (``excel.SUFFIXES``), whose first sheet is read.
        what: what it is, for messages ("the instruction table").

    Raises:
        MissingError: there is no such file.
        UsageError: it is not UTF-8, has no header, repeats a column, or has a row of another width.
    """
    if path.suffix.lower() in SUFFIXES:
        values = read_sheet(path, what)
        table = Table(path, values[0], [Row(number, number + 1, row) for number, row in enumerate(values[1:], 1)])
        _refuse_twins(path, table.columns)
        return table
    columns, rows, separator = table_rows(path, what)
    return Table(path, columns, list(rows), separator)


def table_rows(path: Path, what: str) -> tuple[list[str], Iterator[Row], str]:
    """The columns, the rows and the separator of a text table, as ``read_table`` gives them, without holding the rows."""
    text = read_text(path, what)
    first = text.split("\n", 1)[0]
    said = said_separator(first)
    separator = said or ("\t" if "\t" in first else separator_of(first))
    rows = _rows(text, separator, path)
    header = next(rows, None)
    if said:
        header = next(rows, None)
    if header is None:
        raise UsageError(f"{path}: {what} is empty; expected a line with column names")
    columns = [column.strip() for column in header[1]]
    _refuse_twins(path, columns)
    return columns, _checked(path, columns, rows, separator), separator


def _refuse_twins(path: Path, columns: Sequence[str]) -> None:
    folded = [column.casefold() for column in columns]
    if len(set(folded)) < len(folded):
        twice = [number for number, name in enumerate(folded, 1) if folded.count(name) > 1]
        raise UsageError(f"{path}:1: columns {twice[0]} and {twice[1]} have the same name; expected a header with distinct names")


def _checked(path: Path, columns: Sequence[str], rows: Iterator[tuple[int, list[str]]], separator: str) -> Iterator[Row]:
    for number, (line, values) in enumerate(rows, 1):
        if len(values) != len(columns):
            sign = _NAMES[separator]
            raise UsageError(
                f"{path}:{line}: row {number} has {len(values)} fields, the header has {len(columns)}, split at each {sign}; "
                f"a {sign} or newline inside a field needs quotation marks around the field"
            )
        yield Row(number, line, values)


def _shown(columns: Sequence[str]) -> str:
    """Column names for a message; a name that is not plain is only counted: a file without a header has a row there."""
    names = [column for column in columns if _NAME.match(column)]
    others = len(columns) - len(names)
    return ", ".join([*names[:30], *([f"{others} that are not plain names"] if others else [])])


class Columns:
    """The columns of a table by meaning."""

    def __init__(
        self,
        table: Table,
        aliases: Mapping[str, Sequence[str]],
        chosen: Mapping[str, str] | None = None,
        option: str | None = "data.options.columns.{meaning}",
    ) -> None:
        """Resolve the columns.

        Args:
            table: the table.
            aliases: meaning to column names, letter case aside. Where the first, the release's own, is there it is taken;
                otherwise exactly one of the others may be.
            chosen: meaning to column name, as the user decided; overrides ``aliases``.
            option: how the user names the column of a meaning, for messages. None: they cannot, so a second name beside the
                release's own is refused, too.

        Raises:
            UsageError: two columns could have one meaning, or a chosen column is not there.
        """
        self.table = table
        self._option = option
        self._index: dict[str, int] = {}
        self.renamed: dict[str, str] = {}
        """Meanings that were found under another name than the release's own."""
        folded = {column.casefold(): index for index, column in enumerate(table.columns)}
        for meaning, names in aliases.items():
            if chosen and meaning in chosen:
                if chosen[meaning].casefold() not in folded:
                    raise UsageError(
                        f"{table.path}: {self._advice('', meaning, '')} names '{chosen[meaning]}', which is not a column there"
                    )
                here = [chosen[meaning]]
            else:
                here = [name for name in names if name.casefold() in folded]
                if len(here) > 1 and (here[0] != names[0] or option is None):
                    raise UsageError(
                        f"{table.path}: the columns {' and '.join(repr(name) for name in here)} could both be '{meaning}'; "
                        + self._advice("say which in ", meaning, "rename one")
                    )
            if here:
                self._index[meaning] = folded[here[0].casefold()]
                if here[0] != names[0]:
                    self.renamed[meaning] = here[0]

    def _advice(self, verb: str, meaning: str, otherwise: str) -> str:
        return f"{verb}{self._option.format(meaning=meaning)}" if self._option is not None else otherwise

    def __contains__(self, meaning: str) -> bool:
        return meaning in self._index

    def require(self, aliases: Mapping[str, Sequence[str]], *meanings: str) -> None:
        """Refuse a table without these columns.

        Raises:
            UsageError: the message lists what the columns may be called and what there is.
        """
        for meaning in meanings:
            if meaning not in self:
                names = " or ".join(repr(name) for name in aliases[meaning])
                raise UsageError(
                    f"{self.table.path}: no column for '{meaning}': expected {names} in a header of "
                    f"{_shown(self.table.columns)}; " + self._advice("name it in ", meaning, "add or rename it")
                )

    def get(self, row: Row, meaning: str) -> str:
        """A row's value, stripped; empty where the table has no such column."""
        index = self._index.get(meaning)
        return "" if index is None else row.values[index].strip()

    def report(self) -> str | None:
        """Which columns were read under another name, as a warning; None if none was."""
        if not self.renamed:
            return None
        return f"{self.table.path.name}: " + ", ".join(
            f"'{meaning}' read from column '{name}'" for meaning, name in self.renamed.items()
        )
