"""MIMIC-IV's tables as typed lazy frames, whatever form the release lies in on this machine.

    mimic = Mimic(Path("mimic-iv-2.2"))
    rows = mimic.collect(mimic.scan("labevents", ["hadm_id", "itemid", "value"]).filter(...))

Nothing is read before ``collect`` or ``sink`` except a table's header and, once, a streamed check that no row is too short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from ehrbench.errors import EhrbenchError, MissingError, UsageError, unknown_name
from ehrbench.hashing import hash_data, hash_file
from ehrbench.mimic import faults
from ehrbench.mimic.schema import TABLES, Kind, Table

FORMS = (".parquet", ".csv.gz", ".csv")
"""In the order of preference where a table lies there twice."""
TIME_FORMAT = "%Y-%m-%d %H:%M:%S%.f"
_CACHE_VERSION = 1


class Mimic:
    """The tables of one copy of MIMIC-IV, and what has been read of them."""

    def __init__(self, root: Path, *, ed: Path | None = None, note: Path | None = None, cache: Path | None = None) -> None:
        """Look at a release without reading it.

        Args:
            root: holds ``hosp/``, ``icu/`` and, perhaps, ``ed/`` and ``note/``; or the tables themselves.
            ed: MIMIC-IV-ED, where it lies apart.
            note: MIMIC-IV-Note, where it lies apart.
            cache: a folder for one-time Parquet copies of CSV tables. It holds patients' data: keep it where the release is.

        Raises:
            MissingError: ``root``, ``ed`` or ``note`` is no folder.
        """
        for folder in (root, ed, note):
            if folder is not None and not folder.is_dir():
                raise MissingError(f"MIMIC-IV: {folder} is not a folder; name the folder that holds hosp/ and icu/")
        self.root = root
        self._places = {"hosp": root, "icu": root, "ed": ed or root, "note": note or root}
        self._cache = cache
        self._checked: set[Path] = set()
        self._hashes: dict[str, str] = {}
        self._small: dict[str, pl.DataFrame] = {}

    def find(self, name: str) -> Path | None:
        """The file of a table, or None. A Parquet table may be a folder of parts."""
        table = _table(name)
        place = self._places[table.module]
        for folder in (place / table.module, place):
            for form in FORMS:
                path = folder / f"{name}{form}"
                if path.is_file() or (form == ".parquet" and path.is_dir()):
                    return path
        return None

    def path(self, name: str) -> Path:
        """The file of a table.

        Raises:
            MissingError: the table is not there.
        """
        found = self.find(name)
        if found is not None:
            return found
        table = _table(name)
        place = self._places[table.module]
        older = " (a folder 'core' is there, as in MIMIC-IV 1.0; 2.2 or 3.1 is needed)" if (place / "core").is_dir() else ""
        raise MissingError(
            f"MIMIC-IV: no table '{name}' ({name}.csv.gz, .csv or .parquet) in {place / table.module} or {place}{older}; "
            f"it is part of the {table.module} module"
        )

    def has(self, name: str) -> bool:
        """Whether a table is there."""
        return self.find(name) is not None

    def columns(self, name: str) -> list[str]:
        """Those of the release's columns that a table's file has, in the release's order."""
        path = self.path(name)
        if path.suffix == ".parquet":
            there = {column.lower() for column in pl.scan_parquet(path / "*.parquet" if path.is_dir() else path).collect_schema()}
        else:
            there = set(_header(path))
        return [column for column in _table(name).columns if column in there]

    def scan(self, name: str, columns: Sequence[str] | None = None, *, as_text: bool = False) -> pl.LazyFrame:
        """A table's rows, lazily, in no promised order.

        Args:
            name: the table, as MIMIC-IV names it (``labevents``).
            columns: those wanted, in the order wanted; default: all of the release's that are there.
            as_text: leave every value as it is written; a Parquet table has what is not text as its own type.

        Returns:
            Columns named in lower case. Times are microseconds without a zone, missing values null, text as written: a single
            blank is not missing.

        Raises:
            MissingError: the table is not there.
            UsageError: a column is missing, or a row has too few fields.
        """
        table = _table(name)
        path = self.path(name)
        if path.suffix == ".parquet":
            return self._scan_parquet(table, path, columns, as_text)
        header = _header(path)
        wanted = _resolve(table, path, header, columns)
        if path not in self._checked:
            faults.check_widths(path, len(header))
            self._checked.add(path)
        if self._cache is not None and not as_text:
            return self._cached(table, path, header).select(wanted)
        return _scan_csv(table, path, header, wanted, as_text)

    def once(self, name: str, make: Callable[[], pl.LazyFrame]) -> pl.LazyFrame:
        """A small table, such as a dictionary, read when it is first asked for and kept; errors as ``collect``'s."""
        if name not in self._small:
            self._small[name] = self.collect(make())
        return self._small[name].lazy()

    def collect(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Run a query over this release's tables, streaming.

        Raises:
            UsageError: a file is damaged or a value has the wrong form; names the file, the row and the column, never the value.
        """
        return self._explained(lambda: rows.collect(engine="streaming"))

    def sink(self, rows: pl.LazyFrame, path: Path) -> None:
        """Write a query's rows to a Parquet file without holding them in memory; errors as ``collect``'s."""

        def write() -> None:
            rows.sink_parquet(path, compression="zstd", compression_level=1, maintain_order=False)

        self._explained(write)

    def each_batch(self, rows: pl.LazyFrame, use: Callable[[pl.DataFrame], None]) -> None:
        """Run a query and hand over its rows a few thousand at a time, from several threads at once; errors as ``collect``'s."""
        nothing = {"nothing": pl.Null()}

        def hand_over(batch: pl.DataFrame) -> pl.DataFrame:
            use(batch)
            return pl.DataFrame(schema=nothing)

        handed = rows.map_batches(
            hand_over, schema=nothing, streamable=True, projection_pushdown=False, predicate_pushdown=False, slice_pushdown=False
        )
        self._explained(lambda: handed.collect(engine="streaming"))

    def digest(self, name: str) -> str:
        """SHA-256 of a table's file, or over the parts of a Parquet folder."""
        if name not in self._hashes:
            path = self.path(name)
            parts = sorted(path.glob("*.parquet")) if path.is_dir() else []
            self._hashes[name] = hash_data([hash_file(part) for part in parts]) if parts else hash_file(path)
        return self._hashes[name]

    def _explained(self, run: Callable[[], pl.DataFrame | None]) -> pl.DataFrame:
        try:
            result = run()
        except (pl.exceptions.ComputeError, pl.exceptions.InvalidOperationError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # a full disk, not a damaged table
            for path in sorted(self._checked):
                faults.check_cells(path, _header(path), TABLES[_stem(path)])
            kind = type(error).__name__
        else:
            return result if result is not None else pl.DataFrame()
        raise EhrbenchError(
            f"MIMIC-IV: reading {self.root} failed ({kind}), though every row that was checked has the right form; "
            "check the Parquet tables, and that the files were not changed meanwhile"
        )

    def _scan_parquet(self, table: Table, path: Path, columns: Sequence[str] | None, as_text: bool) -> pl.LazyFrame:
        source = path / "*.parquet" if path.is_dir() else path
        try:
            rows = pl.scan_parquet(source)
            schema = rows.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UsageError(
                f"MIMIC-IV: {path} is not a readable Parquet file ({type(error).__name__}); copy or convert it again"
            ) from None
        header = {column.lower(): column for column in schema.names()}
        wanted = _resolve(table, path, header, columns)
        return rows.select(
            _typed(path, name, header[name], schema[header[name]], table.columns[name], as_text) for name in wanted
        )

    def _cached(self, table: Table, path: Path, header: dict[str, str]) -> pl.LazyFrame:
        assert self._cache is not None
        stat = path.stat()
        key = hash_data([_CACHE_VERSION, path.name, stat.st_size, stat.st_mtime_ns])[:16]
        copy = self._cache / f"{table.module}.{table.name}-{key}.parquet"
        if not copy.exists():
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = copy.with_suffix(".part")
            self.sink(_scan_csv(table, path, header, _resolve(table, path, header, None), as_text=False), unfinished)
            unfinished.replace(copy)
        return pl.scan_parquet(copy)


def _table(name: str) -> Table:
    if name not in TABLES:
        raise UsageError(unknown_name("MIMIC-IV table", name, TABLES))
    return TABLES[name]


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _header(path: Path) -> dict[str, str]:
    """Lower-case column name to the name in the file, in the file's order."""
    line = faults.first_line(path)
    names = [name.strip().strip('"') for name in line.split(",")]
    header = {name.lower(): name for name in names}
    if len(header) != len(names):
        raise UsageError(f"MIMIC-IV: {path}: a column name stands twice in row 1; copy the table from the release again")
    return header


def _resolve(table: Table, path: Path, header: dict[str, str], columns: Sequence[str] | None) -> list[str]:
    """The columns to read; raises where one is not there, guessing the reason."""
    if columns is None:
        wanted = [column for column in table.columns if column in header or column not in table.optional]
    else:
        wanted = list(columns)
        for column in wanted:
            if column not in table.columns:
                raise UsageError(unknown_name(f"column of {table.name}", column, table.columns))
    missing = [column for column in wanted if column not in header]
    if missing:
        raise UsageError(
            f"MIMIC-IV: {path} has no column {', '.join(map(repr, missing))}{_which_release(header)}; "
            f"MIMIC-IV 2.2 or 3.1 is needed, whose {table.name} has {', '.join(table.columns)}"
        )
    return wanted


def _which_release(header: dict[str, str]) -> str:
    if "row_id" in header:
        return " and has 'row_id': this looks like MIMIC-III"
    if "ethnicity" in header:
        return " and has 'ethnicity': this looks like MIMIC-IV 1.0"
    return ""


def _scan_csv(table: Table, path: Path, header: dict[str, str], wanted: Sequence[str], as_text: bool) -> pl.LazyFrame:
    numbers = {"int": pl.Int64(), "float": pl.Float64()}
    schema: dict[str, pl.DataType] = {}
    for column in header:
        kind = table.columns.get(column, "text")
        schema[column] = pl.String() if as_text else numbers.get(kind, pl.String())
    if faults.is_empty(path):
        rows = pl.LazyFrame(schema=schema)
    else:
        rows = pl.scan_csv(path, schema=schema, has_header=False, skip_rows=1)  # the file may write a name in upper case
    if as_text:
        return rows.select(wanted)
    # Polars' own parsing of times is four times slower than its conversion of strings in a known format.
    return rows.select(_from_text(pl.col(column), table.columns[column]) for column in wanted)


def _from_text(value: pl.Expr, kind: Kind) -> pl.Expr:
    if kind == "time":
        return value.str.to_datetime(TIME_FORMAT, time_unit="us")
    if kind == "date":
        return value.str.head(10).str.to_date("%Y-%m-%d")
    return value


def _typed(path: Path, column: str, name: str, dtype: pl.DataType, kind: Kind, as_text: bool) -> pl.Expr:
    value = pl.col(name).alias(column)
    text = dtype in (pl.String, pl.Categorical, pl.Enum)
    if as_text and text:
        return value.cast(pl.String)
    if kind == "text":
        if not text and dtype != pl.Null:
            raise UsageError(
                f"MIMIC-IV: {path}: column '{column}' is stored as {dtype}, and text is needed (a number has lost its "
                "leading zeros or its written form); convert the table again with every column as text"
            )
        return value.cast(pl.String)
    if text and kind in ("time", "date"):
        return _from_text(value.cast(pl.String), kind)
    target: dict[Kind, pl.DataType] = {"int": pl.Int64(), "float": pl.Float64(), "time": pl.Datetime("us"), "date": pl.Date()}
    return value.cast(target[kind])
