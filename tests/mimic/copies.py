"""Copies of the MIMIC-IV demo, or of a few of its patients, as other programs leave them: the same rows, the same benchmark."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ehrbench.mimic.schema import TABLES, Table
from ehrbench.mimic.tables import Mimic

Rows = list[list[str]]
Write = Callable[[Path, Table, list[str], Rows], None]


def rows_of(demo: Mimic, n_patients: int | None) -> Mapping[str, tuple[list[str], Rows]]:
    """Header and rows, as written, of every table of the demo; with a number, those of so many patients."""
    subjects = demo.collect(demo.scan("icustays", ["subject_id"]).unique().sort("subject_id"))["subject_id"].to_list()
    found = {}
    for name, table in TABLES.items():
        if not demo.has(name):
            continue
        rows = demo.scan(name, as_text=True)
        if n_patients and "subject_id" in table.columns:
            rows = rows.filter(pl.col("subject_id").is_in([str(one) for one in subjects[:n_patients]]))
        frame = demo.collect(rows)
        found[name] = (frame.columns, [[cell or "" for cell in row] for row in frame.rows()])
    if n_patients:
        for dictionary, key in (("d_icd_diagnoses", "diagnoses_icd"), ("d_icd_procedures", "procedures_icd")):
            used = {row[found[key][0].index("icd_code")].strip() for row in found[key][1]}
            header, rows = found[dictionary]
            found[dictionary] = header, [row for row in rows if row[0].strip() in used]
        for name in ("d_hcpcs", "provider", "caregiver"):
            found[name][1][50:] = []
    return found


def copy(tables: Mapping[str, tuple[list[str], Rows]], root: Path, write: Write) -> Mimic:
    """Write every table below ``root`` in the way of one program."""
    for name, (header, rows) in tables.items():
        table = TABLES[name]
        folder = root / table.module
        folder.mkdir(parents=True, exist_ok=True)
        write(folder, table, header, rows)
    return Mimic(root)


def as_released(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Gzip, line feeds, quotation marks where they are needed."""
    _write(folder / f"{table.name}.csv.gz", header, rows)


def quoted(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Every field in quotation marks, the empty ones, too."""
    _write(folder / f"{table.name}.csv", header, rows, quoting=csv.QUOTE_ALL)


def windows(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """A byte-order mark, CRLF, and a blank line at the end."""
    _write(folder / f"{table.name}.csv", header, rows, lineterminator="\r\n", before="\ufeff", after="\r\n")


def excel(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Semicolons, as Excel writes where the comma is for decimals."""
    _write(folder / f"{table.name}.csv", header, rows, delimiter=";", before="\ufeff")


def pandas_floats(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Whole numbers of columns with gaps as 123.0, as pandas keeps them."""
    gaps = {i for i, c in enumerate(header) if table.columns[c] == "int" and any(not row[i] for row in rows)}
    written = [[f"{cell}.0" if i in gaps and cell else cell for i, cell in enumerate(row)] for row in rows]
    _write(folder / f"{table.name}.csv", header, written)


def doubled(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Every row of an event table twice, the second after all others."""
    _write(folder / f"{table.name}.csv.gz", header, [*rows, *(rows if "subject_id" in header else [])])


def shuffled(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Rows in another order."""
    _write(folder / f"{table.name}.csv.gz", header, random.Random(table.name).sample(rows, len(rows)))


def polars_parquet(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Typed Parquet by polars, names in upper case."""
    _typed(table, header, rows).rename(str.upper).write_parquet(folder / f"{table.name}.parquet")


def pyarrow_parquet(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Parquet by pyarrow: dictionaries for text, nanoseconds with a zone for times, floats for whole numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = _typed(table, header, rows)
    arrays = {}
    for column in header:
        kind, values = table.columns[column], frame[column].to_list()
        if kind == "text":
            arrays[column] = pa.array(["" if v is None else v for v in values]).dictionary_encode()
        elif kind == "int":
            arrays[column] = pa.array([float("nan") if v is None else float(v) for v in values], pa.float64())
        elif kind == "float":
            arrays[column] = pa.array(values, pa.float64())
        elif frame[column].dtype == pl.Date:
            arrays[column] = pa.array(values, pa.date32())
        else:
            arrays[column] = pa.array(values, pa.timestamp("ns", tz="UTC"))
    pq.write_table(pa.table(arrays), folder / f"{table.name}.parquet")


def duckdb_parquet(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Parquet by DuckDB, which reads the types of a CSV by itself, but for columns of text."""
    import duckdb

    path = folder / f"{table.name}.csv"
    _write(path, header, rows)
    types = {column: "VARCHAR" for column in header if table.columns[column] == "text"}
    with duckdb.connect() as connection:
        options = {"header": True, "delimiter": ",", "quotechar": '"', "escapechar": '"', "parallel": False}
        read = connection.read_csv(str(path), dtype=types, **options)
        read.write_parquet(str(folder / f"{table.name}.parquet"))
    path.unlink()


def unlike_parts(folder: Path, table: Table, header: list[str], rows: Rows) -> None:
    """Parts that store a column as whole numbers, as floats and as text, beside what other systems leave in a folder."""
    place = folder / f"{table.name}.parquet"
    (place / ".ipynb_checkpoints").mkdir(parents=True)
    (place / ".ipynb_checkpoints" / "0-checkpoint.parquet").write_bytes(b"nothing")
    (place / "._0.parquet").write_bytes(b"nothing")
    frame = _typed(table, header, rows)
    ints = [column for column in header if table.columns[column] == "int"]
    third = -(-len(rows) // 3)
    for i, dtype in enumerate((pl.Int32, pl.Float64, pl.String)):
        part = frame.slice(i * third, third)
        if part.height or not i:
            part.with_columns(pl.col(ints).cast(dtype)).write_parquet(place / f"{i}.parquet")


WRITERS: Mapping[str, Write] = {
    one.__name__: one
    for one in (
        quoted,
        windows,
        excel,
        pandas_floats,
        polars_parquet,
        pyarrow_parquet,
        duckdb_parquet,
        unlike_parts,
        doubled,
        shuffled,
    )
}
"""Ways to write the same tables."""


def _write(path: Path, header: Sequence[str], rows: Rows, *, before: str = "", after: str = "", **how: Any) -> None:
    class Text:
        def __init__(self) -> None:
            self.parts = [before]

        def write(self, text: str) -> None:
            self.parts.append(text)

    text = Text()
    csv.writer(text, **{"lineterminator": "\n", **how}).writerows([header, *rows])
    data = "".join([*text.parts, after]).encode()
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)


def _typed(table: Table, header: list[str], rows: Rows) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row")
    return frame.select(_column(frame, column, table.columns[column]) for column in header)


def _column(frame: pl.DataFrame, column: str, kind: str) -> pl.Series:
    text = frame[column].replace("", None)
    if kind == "int":
        return text.cast(pl.Int64)
    if kind == "float":
        return text.cast(pl.Float64)
    if kind == "text":
        return text
    if text.str.len_chars().max() == 10:
        return text.str.to_date("%Y-%m-%d")
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")


def outputs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a build by name; a manifest names the source files and their hashes, so it is left out."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "manifest.json":
            yield str(path.relative_to(folder)), path.read_bytes()
