"""MIMIC-IV's tables as typed lazy frames, whatever form the release lies in on this machine.

    mimic = Mimic(Path("mimic-iv-2.2"))
    rows = mimic.collect(mimic.scan("labevents", ["hadm_id", "itemid", "value"]).filter(...))

Nothing is read before ``collect`` or ``sink`` except a table's header and, once, a streamed check that no row is too short.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from ehrbench.errors import EhrbenchError, MissingError, UsageError, unknown_name
from ehrbench.hashing import hash_data, hash_file
from ehrbench.mimic import faults
from ehrbench.mimic.forms import parts, scan_csv, scan_part
from ehrbench.mimic.schema import TABLES, Table
from ehrbench.parquet import UNREADABLE, readable_parquet

FORMS = (".parquet", ".csv.gz", ".csv")
"""In the order of preference where a table lies there twice."""
_CACHE_VERSION = 2


class Mimic:
    """The tables of one copy of MIMIC-IV, and what has been read of them."""

    def __init__(
        self,
        root: Path,
        *,
        ed: Path | None = None,
        note: Path | None = None,
        cache: Path | None = None,
        named: Mapping[str, Path] | None = None,
    ) -> None:
        """Look at a release without reading it.

        Args:
            root: holds ``hosp/``, ``icu/`` and, perhaps, ``ed/`` and ``note/``; or the tables themselves.
            ed: MIMIC-IV-ED, where it lies apart.
            note: MIMIC-IV-Note, where it lies apart.
            named: files of tables that lie elsewhere or under another name.
            cache: a folder for one-time Parquet copies of CSV tables. It holds patients' data: keep it where the release is.

        Raises:
            MissingError: ``root``, ``ed`` or ``note`` is not a folder.
        """
        for folder in (root, ed, note):
            if folder is not None and not folder.is_dir():
                raise MissingError(f"MIMIC-IV: {folder} is not a folder; name the folder that holds hosp/ and icu/")
        self.root = root
        self._places = {"hosp": root, "icu": root, "ed": ed or root, "note": note or root}
        self._cache = cache
        self._named = dict(named or {})
        self._checked: dict[Path, bool] = {}
        """CSV files whose rows were counted, and whether they end in blank lines."""
        self._parquet: dict[Path, Table] = {}
        self._hashes: dict[str, str] = {}
        self._small: dict[str, pl.DataFrame] = {}

    def find(self, name: str) -> Path | None:
        """The file of a table, or None. A Parquet table may be a folder of parts."""
        table = _table(name)
        if name in self._named:
            return self._named[name]
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
        there = _parquet_header(parts(path)[0]) if path.suffix == ".parquet" else faults.read_header(path).columns
        return [column for column in _table(name).columns if column in there]

    def scan(self, name: str, columns: Sequence[str] | None = None, *, as_text: bool = False) -> pl.LazyFrame:
        """A table's rows, lazily, in no promised order.

        Args:
            name: the table, as MIMIC-IV names it (``labevents``).
            columns: those wanted, in the order wanted; default: all of the release's that are there.
            as_text: every value as a CSV table writes it.

        Returns:
            Columns named in lower case. Times are microseconds without a zone, missing values null, text as written: an empty
            text is missing, a single blank is not. ``forms`` has the rules.

        Raises:
            MissingError: the table is not there.
            UsageError: a column is missing, or a row has too few fields.
        """
        table = _table(name)
        path = self.path(name)
        if path.suffix == ".parquet":
            return self._scan_parquet(table, path, columns, as_text)
        header = faults.read_header(path)
        wanted = _resolve(table, path, header.columns, columns)
        if path not in self._checked:
            self._checked[path] = faults.check_widths(path, header)
        if self._cache is not None and not as_text:
            return self._cached(table, path, header).select(wanted)
        return scan_csv(table, path, header, wanted, as_text=as_text, blank_end=self._checked[path])

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
            files = parts(path)
            self._hashes[name] = hash_data([hash_file(part) for part in files]) if path.is_dir() else hash_file(path)
        return self._hashes[name]

    def _explained(self, run: Callable[[], pl.DataFrame | None]) -> pl.DataFrame:
        try:
            result = run()
        except UNREADABLE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # a full disk, not a damaged table
            for path in sorted(self._checked):
                faults.check_cells(path, faults.read_header(path), self._table_of(path))
            for part, table in sorted(self._parquet.items()):
                _check_part(part, table)
            kind = type(error).__name__
        else:
            return result if result is not None else pl.DataFrame()
        raise EhrbenchError(
            f"MIMIC-IV: reading {self.root} failed ({kind}), though every row that was checked has the right form; "
            "check the Parquet tables, and that the files were not changed meanwhile"
        )

    def _table_of(self, path: Path) -> Table:
        return TABLES[next((name for name, file in self._named.items() if file == path), _stem(path))]

    def _scan_parquet(self, table: Table, path: Path, columns: Sequence[str] | None, as_text: bool) -> pl.LazyFrame:
        files = parts(path)
        if not files:
            raise MissingError(f"MIMIC-IV: {path} is a folder without a Parquet file; copy or convert the table again")
        frames = []
        for part in files:
            header = _parquet_header(part)
            frames.append(scan_part(table, part, header, _resolve(table, part, header, columns), as_text=as_text))
            self._parquet[part] = table
        return pl.concat(frames) if len(frames) > 1 else frames[0]

    def _cached(self, table: Table, path: Path, header: faults.Header) -> pl.LazyFrame:
        assert self._cache is not None
        stat = path.stat()
        key = hash_data([_CACHE_VERSION, path.name, stat.st_size, stat.st_mtime_ns])[:16]
        copy = self._cache / f"{table.module}.{table.name}-{key}.parquet"
        if not copy.exists():
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = copy.with_suffix(".part")
            wanted = _resolve(table, path, header.columns, None)
            self.sink(scan_csv(table, path, header, wanted, as_text=False, blank_end=self._checked[path]), unfinished)
            unfinished.replace(copy)
        return pl.scan_parquet(copy)


def _table(name: str) -> Table:
    if name not in TABLES:
        raise UsageError(unknown_name("MIMIC-IV table", name, TABLES))
    return TABLES[name]


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _parquet_header(part: Path) -> dict[str, str]:
    """Lower-case name of each column to its name in the file."""
    with readable_parquet(part, "copy or convert it again", "MIMIC-IV: "):
        return {column.lower(): column for column in pl.read_parquet_schema(part)}


def _check_part(part: Path, table: Table) -> None:
    """Find the column of a Parquet file that a query fails on; return quietly when there is none."""
    header = _parquet_header(part)
    for column in table.columns:
        if column in header:
            try:
                scan_part(table, part, header, [column], as_text=False).collect(engine="streaming")
            except UNREADABLE:
                wanted = faults.EXPECTED.get(table.columns[column], "text")
                raise UsageError(
                    f"MIMIC-IV: {part}: column '{column}' has a value that is not {wanted}, or is damaged; "
                    "convert the table again from the release"
                ) from None


def _resolve(table: Table, path: Path, header: Mapping[str, str], columns: Sequence[str] | None) -> list[str]:
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


def _which_release(header: Mapping[str, str]) -> str:
    if "row_id" in header:
        return " and has 'row_id': this looks like MIMIC-III"
    if "ethnicity" in header:
        return " and has 'ethnicity': this looks like MIMIC-IV 1.0"
    return ""
