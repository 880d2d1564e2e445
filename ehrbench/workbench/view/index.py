"""An index of a set of runs in SQLite, made once beside them, so that any list is sorted and filtered without loading a run."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench import __version__
from ehrbench.correlation.ratings import Rankings
from ehrbench.errors import UsageError
from ehrbench.jsonl import read_rows
from ehrbench.judge.verdict import read_verdict
from ehrbench.results.schema import OUTCOMES
from ehrbench.runs.folder import RunFolder
from ehrbench.workbench.view.runs import RunSet

VERSION = 1
QUESTION_SHOWN = 400
FloatArray = npt.NDArray[np.float64]
Told = Callable[[str], object]


class Line(NamedTuple):
    """Where in a file one item's line begins."""

    offset: int
    row: dict[str, Any]


def lines(path: Path) -> Iterator[Line]:
    """The rows of a file with their places, a torn last line left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        offset = 0
        for line in file:
            if line.endswith(b"\n"):
                yield Line(offset, json.loads(line))
            offset += len(line)


def row_at(path: Path, offset: int) -> dict[str, Any]:
    """One row of a file."""
    with path.open("rb") as file:
        file.seek(offset)
        row: dict[str, Any] = json.loads(file.readline())
        return row


def index_path(runs: RunSet, given: Sequence[Path], ratings: Path | None) -> Path:
    """Where the index of a set lies: below ``private/`` of the folder that holds its runs; its name says what it is made of."""
    folders = [run.folder.path.resolve() for run in runs.runs]
    above = Path(os.path.commonpath(folders))
    if not any(above == path.resolve() or above.is_relative_to(path.resolve()) for path in given):
        above = folders[0]
    which = hashlib.sha256("\n".join(map(str, folders)).encode()).hexdigest()[:8]
    files = [path for run in runs.runs for path in (run.folder.predictions, run.folder.scores)]
    files += [judge.folder.predictions for judge in runs.judges] + ([ratings] if ratings else [])
    state: list[object] = [VERSION, __version__, runs.found[1]]
    state += [(str(path), s.st_size, s.st_mtime_ns) if path.exists() and (s := path.stat()) else str(path) for path in files]
    return above / "private" / f"view-{which}-{hashlib.sha256(repr(state).encode()).hexdigest()[:12]}.sqlite"


def open_index(runs: RunSet, path: Path, rankings: Rankings | None, say: Told = lambda line: None) -> sqlite3.Connection:
    """Open the index of a set, made first where it is not there yet or is cut off.

    Raises:
        UsageError: it cannot be written or read.
    """
    try:
        RunFolder(path.parent.parent).make()
        if not _whole(path):  # one that was cut off holds nothing that the runs do not
            say(f"indexing {len(runs.runs)} runs of {runs.task.task} …")
            for old in path.parent.glob(f"{path.name.rpartition('-')[0]}-*"):
                old.unlink()
            partial = path.with_suffix(f".{os.getpid()}.partial")
            os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
            try:
                with closing(sqlite3.connect(partial)) as db:
                    _Builder(runs, rankings).build(db)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
        db.execute("SELECT 1 FROM items LIMIT 1").fetchone()
        return db
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise UsageError(
            f"the list's index {path} cannot be made or read ({reason}); make room and give yourself the right to write there, "
            "then start again"
        ) from None


def _whole(path: Path) -> bool:
    """Whether a file is an SQLite database of the length that its header tells."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        head = file.read(32)
    page = int.from_bytes(head[16:18], "big") or 1
    size = 65536 if page == 1 else page
    return head.startswith(b"SQLite format 3\0") and path.stat().st_size == size * int.from_bytes(head[28:32], "big")


class _Builder:
    """Reads a set's files once, line by line."""

    def __init__(self, runs: RunSet, rankings: Rankings | None) -> None:
        self.runs = runs
        self.rankings = rankings
        self.ids = [item.id for item in runs.items] or self._ids_of_predictions()
        self.place = {item: n for n, item in enumerate(self.ids)}
        self.strata = [stratum.by for stratum in runs.task.strata if runs.items]

    def _ids_of_predictions(self) -> list[str]:
        return list(dict.fromkeys(row["item"] for run in self.runs.runs for row in read_rows(run.folder.predictions)))

    def build(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode=OFF")
        db.execute("PRAGMA synchronous=OFF")
        n, k = len(self.ids), len(self.runs.runs)
        columns = [f"{letter}{run}" for run in range(k) for letter in "sofpajh"]
        strata = [f"t{i}" for i in range(len(self.strata))]
        db.execute(f"CREATE TABLE items (n INTEGER PRIMARY KEY, item TEXT, d REAL, {', '.join([*columns, *strata])})")
        db.execute("CREATE TABLE questions (n INTEGER PRIMARY KEY, question TEXT)")
        db.execute("CREATE TABLE cells (n INTEGER, run INTEGER, offset INTEGER, scores TEXT, PRIMARY KEY (n, run)) WITHOUT ROWID")
        db.execute("CREATE TABLE verdicts (n INTEGER, run INTEGER, judge INTEGER, step TEXT, offset INTEGER)")
        db.execute("CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2')")
        table: dict[str, list[Any]] = {}
        disagreement = np.full(n, np.nan)
        for number in range(k):
            table |= self._run(db, number, disagreement)
        for number in range(k):
            table[f"j{number}"] = _plain(self._judged(db, number))
            table[f"h{number}"] = _plain(self._rated(number))
        self._texts(db)
        for name, key in zip(strata, self.strata, strict=True):
            table[name] = [None if (v := item.meta.get(key)) is None else str(v) for item in self.runs.items]
        marks = ", ".join("?" * (3 + len(columns) + len(strata)))
        rows = zip(range(n), self.ids, _plain(disagreement), *(table[c] for c in [*columns, *strata]), strict=True)
        db.executemany(f"INSERT INTO items VALUES ({marks})", rows)  # noqa: S608 - marks alone
        db.execute("CREATE INDEX verdict_places ON verdicts (n, run)")
        db.commit()

    def _run(self, db: sqlite3.Connection, number: int, disagreement: FloatArray) -> dict[str, list[Any]]:
        run = self.runs.runs[number]
        n, width = len(self.ids), len(self.runs.runs) + 1
        metrics: dict[str, FloatArray] = {}
        for row in read_rows(run.folder.scores):
            at = self.place.get(row["item"])
            if at is not None and row["score"] is not None:
                metrics.setdefault(row["metric"], np.full(n, np.nan))[at] = row["score"]
        np.fmax(disagreement, _spread(list(metrics.values()), n), out=disagreement)
        out: dict[str, list[Any]] = {f"{letter}{number}": [None] * n for letter in "ofpa"}
        out[f"s{number}"] = _plain(metrics.get(self.runs.primary[0], np.full(n, np.nan)))
        offsets: dict[int, int] = {}

        def texts() -> Iterator[tuple[int, str]]:
            for offset, row in lines(run.folder.predictions):
                at = self.place.get(row["item"])
                if at is None:
                    continue
                offsets[at] = offset
                out[f"o{number}"][at] = OUTCOMES.index(row["outcome"])
                if row.get("record_tokens"):
                    out[f"f{number}"][at] = row.get("record_tokens_seen", 0) / row["record_tokens"]
                steps = row.get("steps", ())
                out[f"p{number}"][at] = sum(step.get("prompt_tokens") or 0 for step in steps) or None
                out[f"a{number}"][at] = sum(step.get("answer_tokens") or 0 for step in steps) or None
                yield at * width + number + 2, row.get("answer") or ""

        db.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", texts())
        names = list(metrics)
        values = [metrics[name] for name in names]
        db.executemany(
            "INSERT INTO cells VALUES (?, ?, ?, ?)",
            (
                (at, number, offset, json.dumps({m: float(v[at]) for m, v in zip(names, values, strict=True) if v[at] == v[at]}))
                for at, offset in offsets.items()
            ),
        )
        return out

    def _texts(self, db: sqlite3.Connection) -> None:
        width = len(self.runs.runs) + 1
        items = self.runs.items
        db.executemany(
            "INSERT INTO words (rowid, text) VALUES (?, ?)",
            ((n * width + 1, "\n".join([i.question, *i.references, *i.labels])) for n, i in enumerate(items)),
        )
        db.executemany("INSERT INTO questions VALUES (?, ?)", ((n, i.question[:QUESTION_SHOWN]) for n, i in enumerate(items)))

    def _judged(self, db: sqlite3.Connection, number: int) -> FloatArray:
        """The mean of the judges' relative scores, in percent of the reference."""
        sums, counts = np.zeros(len(self.ids)), np.zeros(len(self.ids))
        for j, judge in enumerate(self.runs.judges):
            if judge.run != number:
                continue
            for offset, row in lines(judge.folder.predictions):
                item, _, step = row["item"].rpartition("/")
                if (at := self.place.get(item)) is None:
                    continue
                db.execute("INSERT INTO verdicts VALUES (?, ?, ?, ?, ?)", (at, number, j, step, offset))
                verdict = read_verdict(row.get("answer") or "", step, judge.strict)
                if verdict is not None:
                    sums[at] += verdict.ratio
                    counts[at] += 1
        out = np.full(len(sums), np.nan)
        np.divide(sums, counts, out=out, where=counts > 0)
        return out

    def _rated(self, number: int) -> FloatArray:
        """The share of raters who call the answer correct."""
        out = np.full(len(self.ids), np.nan)
        rankings = self.rankings
        name = self.runs.runs[number].manifest["config"]["model"]["name"]
        if rankings is None or name not in rankings.systems:
            return out
        verdicts = rankings.correct[:, rankings.systems.index(name)]
        for k, item in enumerate(rankings.items):
            own = verdicts[rankings.item == k]
            if item in self.place and not np.isnan(own).all():
                out[self.place[item]] = np.nanmean(own)
        return out


def _spread(metrics: Sequence[FloatArray], n: int) -> FloatArray:
    """How far apart metrics place an item among the others: the largest difference of its percentile ranks, 0 to 1."""
    if len(metrics) < 2:
        return np.full(n, np.nan)
    places = []
    for values in metrics:
        known = ~np.isnan(values)
        out = np.full(n, np.nan)
        _, inverse, counts = np.unique(values[known], return_inverse=True, return_counts=True)
        middles = np.cumsum(counts) - counts / 2
        out[known] = middles[inverse.ravel()] / max(1, int(known.sum()))
        places.append(out)
    table = np.stack(places)
    several = (~np.isnan(table)).sum(axis=0) > 1
    out = np.full(n, np.nan)
    if several.any():
        out[several] = np.nanmax(table[:, several], axis=0) - np.nanmin(table[:, several], axis=0)
    return out


def _plain(values: FloatArray) -> list[Any]:
    return [None if v != v else v for v in values.tolist()]


def meta_of(runs: RunSet) -> Mapping[str, Sequence[str]]:
    """Property of the items to its values, for the filters."""
    found = {}
    for key in (stratum.by for stratum in runs.task.strata):
        values = sorted({str(v) for item in runs.items if (v := item.meta.get(key)) is not None})
        if 1 < len(values) <= 100:
            found[key] = values
    return found
