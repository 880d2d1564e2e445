"""BM25 over whole records, with the index on disk: so many records are neither held while it is built nor while it is asked.

Scores are those of ``ehrbench.bm25.Okapi`` (rank_bm25's BM25Okapi: k1 1.5, b 0.75, epsilon 0.25) on the same documents. Building
reads each record once. A portion's (term, record, count) triples are sorted by term and written; at the end the portions are
merged stretch by stretch of terms. A query reads the stretches of its own words.

The folder holds every word of every record: it is as private as they are.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ehrbench.bm25 import K1, discount_of, idf_of, tokenize
from ehrbench.errors import UsageError
from ehrbench.jsonl import PRIVATE, read_rows, write_atomically, write_private_folder, write_rows

PORTION = 4_000_000
"""Pairs of a term and a record that are held at a time, 16 bytes each while they are sorted."""
_MANIFEST = "index.jsonl"
_RECORDS = "records.jsonl"
_TERMS = "terms.txt"
_POSTINGS = ("records.i4", "counts.i4")
"""Of each term in turn, the numbers of the records that have it, and how often: 32-bit integers of the machine."""
_VERSION = 1
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}\Z")

Ints = NDArray[np.int32]


class Hit(NamedTuple):
    """A record that a query found."""

    record: str
    """The record's id."""
    score: float


class _Portion(NamedTuple):
    """A part of the postings on disk, by term and then by record."""

    folder: Path
    terms: Ints
    """Those that occur in it, ascending."""
    ends: NDArray[np.int64]
    """Of each of them, the end of its postings."""


@dataclass(frozen=True)
class RecordIndex:
    """An index that was opened; what a query does not ask for stays on disk."""

    records: Sequence[str]
    """Ids in the collection's order."""
    terms: dict[str, int]
    ends: NDArray[np.int64]
    """Of each term, the end of its postings."""
    idf: NDArray[np.float64]
    discount: NDArray[np.float64]
    """Of each record (``bm25.discount_of``)."""
    folder: Path
    """Holds the postings: the records of each term, and how often each has it."""

    def scores(self, query: str) -> NDArray[np.float64]:
        """BM25 of each record, shape ``(len(records),)``; a word that the query repeats counts each time."""
        total = np.zeros(len(self.records))
        for term, times in Counter(token for token in tokenize(query) if token in self.terms).items():
            number = self.terms[term]
            start, end = int(self.ends[number - 1]) if number else 0, int(self.ends[number])
            where, counts = (_read(self.folder / name, start, end) for name in _POSTINGS)
            total[where] += times * self.idf[number] * counts * (K1 + 1) / (counts + self.discount[where])
        return total

    def best(self, query: str, n: int = 5) -> list[Hit]:
        """The ``n`` best records, best first; equal scores stay in the collection's order."""
        return self.top(self.scores(query), n)

    def top(self, scores: NDArray[np.float64], n: int) -> list[Hit]:
        """The ``n`` records of highest score, as ``best`` gives them."""
        if n < len(scores):
            least = np.partition(scores, len(scores) - n)[len(scores) - n]
            candidates = np.flatnonzero(scores >= least)
        else:
            candidates = np.arange(len(scores))
        order = candidates[np.argsort(-scores[candidates], kind="stable")][:n]
        return [Hit(self.records[int(i)], float(scores[i])) for i in order]


def build_index(
    folder: Path,
    records: Iterable[tuple[str, str]],
    signature: str,
    say: Callable[[int], None] = lambda _: None,
    portion: int = PORTION,
) -> None:
    """Write an index of a collection.

    Args:
        folder: of the index, replaced if there; its manifest is written last, and a folder without one is no index.
        records: ids and texts, each read once and let go.
        signature: of the collection, by which ``open_index`` knows whether the index is still its own.
        say: told after every 1,000 records how many were read.
        portion: pairs of a term and a record to hold at a time.

    Raises:
        UsageError: there is no record, a record has no word, two have one id, or an id is not one that tables and
            logs can hold.
        EhrbenchError: the folder cannot be written.
    """
    (folder / _MANIFEST).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)
    write_private_folder(folder)
    numbers: dict[str, int] = {}
    ids: dict[str, None] = {}
    lengths: list[int] = []
    portions: list[_Portion] = []
    held: list[tuple[Ints, Ints]] = []
    first = n_held = 0

    def flush() -> None:
        nonlocal n_held, first
        if held:
            portions.append(_write_portion(folder / f"portion-{len(portions)}", held, first))
            held.clear()
            n_held, first = 0, len(lengths)

    for record, text in records:
        if not _ID.match(record):
            raise UsageError(
                f"the name of record {len(ids) + 1} is not an id: expected 1 to 128 letters, digits and '_.:@-', "
                "beginning with a letter or digit"
            )
        if record in ids:
            raise UsageError(f"two records have the id '{record}'; give each an id of its own")
        ids[record] = None
        tokens = tokenize(text)
        if not tokens:
            raise UsageError(f"record '{record}' has no word, so nothing can be matched to it; remove it from the collection")
        found = Counter(tokens)
        terms = [numbers.setdefault(term, len(numbers)) for term in found]
        held.append((np.array(terms, np.int32), np.fromiter(found.values(), np.int32, len(found))))
        lengths.append(len(tokens))
        n_held += len(found)
        if n_held >= portion:
            flush()
        if len(lengths) % 1000 == 0:
            say(len(lengths))
    flush()
    if not lengths:
        raise UsageError("the collection has no records; name a folder with XML or text files, or a MEDS data set")
    _merge(folder, portions, len(numbers), portion)
    write_rows(folder / _RECORDS, ({"id": record, "words": n} for record, n in zip(ids, lengths, strict=True)))
    write_atomically(folder / _TERMS, "\n".join(numbers).encode())
    write_rows(folder / _MANIFEST, [{"version": _VERSION, "signature": signature, "records": len(ids), "terms": len(numbers)}])


def open_index(folder: Path, signature: str) -> RecordIndex | None:
    """Open the index of a collection; None where the folder has none, or that of another or a changed collection."""
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        return None
    row = next(iter(read_rows(manifest)), {})
    if (row.get("version"), row.get("signature")) != (_VERSION, signature):
        return None
    rows = list(read_rows(folder / _RECORDS))
    lengths = np.array([row["words"] for row in rows], np.float64)
    ends: NDArray[np.int64] = np.load(folder / "ends.npy")
    return RecordIndex(
        records=[row["id"] for row in rows],
        terms={term: number for number, term in enumerate((folder / _TERMS).read_text("utf-8").split("\n"))},
        ends=ends,
        idf=idf_of(len(rows), np.diff(ends, prepend=0)),
        discount=discount_of(lengths),
        folder=folder,
    )


def _read(path: Path, start: int, end: int) -> Ints:
    """Part of a file of numbers. Not mapped into memory, where all that was ever read would count."""
    return np.fromfile(path, np.int32, end - start, offset=4 * start)


def _write_portion(folder: Path, held: Sequence[tuple[Ints, Ints]], first: int) -> _Portion:
    folder.mkdir(mode=0o700)
    terms = np.concatenate([terms for terms, _ in held])
    order = np.argsort(terms, kind="stable")
    numbers = np.arange(first, first + len(held), dtype=np.int32)
    records = np.repeat(numbers, [len(terms) for terms, _ in held])
    for name, values in zip(_POSTINGS, (records, np.concatenate([counts for _, counts in held])), strict=True):
        values[order].tofile(folder / name)
    found, frequency = np.unique(terms, return_counts=True)
    return _Portion(folder, found, np.cumsum(frequency))


def _merge(folder: Path, portions: Sequence[_Portion], n_terms: int, size: int) -> None:
    """One file of postings, by term and then by record, from sorted portions; about ``size`` of them in memory at a time."""
    frequency = np.zeros(n_terms, np.int64)
    for one in portions:
        frequency[one.terms] += np.diff(one.ends, prepend=0)
    ends = np.cumsum(frequency)
    np.save(folder / "ends.npy", ends)
    start = 0
    with (folder / _POSTINGS[0]).open("wb") as to_records, (folder / _POSTINGS[1]).open("wb") as to_counts:
        while start < n_terms:
            done = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + size, "right")))
            stretches = [_stretch(one, start, stop) for one in portions]
            terms, records, counts = (np.concatenate(columns) for columns in zip(*stretches, strict=True))
            order = np.argsort(terms, kind="stable")  # portions come in the records' order, so a term's records do too
            records[order].tofile(to_records)
            counts[order].tofile(to_counts)
            start = stop
    for one in portions:
        shutil.rmtree(one.folder)
    for path in (folder / "ends.npy", *(folder / name for name in _POSTINGS)):
        path.chmod(PRIVATE)


def _stretch(portion: _Portion, start: int, stop: int) -> tuple[Ints, Ints, Ints]:
    """The postings of the terms from ``start`` to before ``stop``: terms, records and counts."""
    first, last = (int(i) for i in np.searchsorted(portion.terms, (start, stop)))
    edges = np.concatenate([portion.ends[first - 1 : first] if first else [0], portion.ends[first:last]]).astype(np.int64)
    terms = np.repeat(portion.terms[first:last], np.diff(edges))
    records, counts = (_read(portion.folder / name, int(edges[0]), int(edges[-1])) for name in _POSTINGS)
    return terms, records, counts
