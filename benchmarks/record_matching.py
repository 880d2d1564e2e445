"""Matching instructions to many records: the time and memory of the index on disk, and of a query.

    python benchmarks/record_matching.py [--records 77200] [--words 2000]

Invented records of words drawn from a skewed vocabulary of 200,000, each made when it is read, in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ehrbench.curation.record_index import build_index, open_index

VOCABULARY = 200_000
QUERY_WORDS = 40
QUERIES = 407


def pool(rng: np.random.Generator) -> list[str]:
    """A long text of words whose frequency falls with their rank (Zipf, exponent 1), to cut records from."""
    weights = 1 / np.arange(1, VOCABULARY + 1)
    ranks = np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(2_000_000))
    return [f"w{min(rank, VOCABULARY - 1)}" for rank in ranks]


def records(words: list[str], n: int, length: int, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Records of ``length`` words on average, from half to one and a half times that."""
    for number in range(n):
        size = int(rng.integers(length // 2, length * 3 // 2))
        start = int(rng.integers(0, len(words) - size))
        yield str(number), " ".join(words[start : start + size])


def peak() -> int:
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Print one row of the table in benchmarks/README.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=77_200)
    parser.add_argument("--words", type=int, default=2_000)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    words = pool(rng)
    made = time.perf_counter()
    for _ in records(words, asked.records, asked.words, np.random.default_rng(1)):
        pass
    made = time.perf_counter() - made
    before = peak()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "index"
        started, cpu = time.perf_counter(), time.process_time()
        build_index(folder, records(words, asked.records, asked.words, np.random.default_rng(1)), "")
        built, cpu = time.perf_counter() - started, time.process_time() - cpu
        index = open_index(folder, "")
        assert index is not None
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
        took = []
        queries = time.process_time()
        for _ in range(QUERIES):
            start = int(rng.integers(0, len(words) - QUERY_WORDS))
            query = " ".join(words[start : start + QUERY_WORDS])
            started = time.perf_counter()
            index.best(query)
            took.append(1000 * (time.perf_counter() - started))
        queries = 1000 * (time.process_time() - queries) / QUERIES
        took.sort()
        header = (
            "records", "words each", "index: wall s, CPU s", "of it making records", "index MiB", "peak MiB, before",
            "query ms: median, largest, CPU",
        )  # fmt: skip
        print(f"| {' | '.join(header)} |")
        print("|---|---|---|---|---|---|---|")
        print(
            f"| {asked.records:,} | {asked.words:,} | {built:.0f}, {cpu:.0f} | {made:.0f} | {size:,.0f} | {peak():,}, {before:,} "
            f"| {statistics.median(took):.1f}, {took[-1]:.1f}, {queries:.1f} |"
        )


if __name__ == "__main__":
    main()
