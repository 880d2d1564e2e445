"""Open a large MEDS extract and load a record for each of many label times: CPU and wall time, peak memory.

python benchmarks/meds_index.py DEMO_MEDS --copies 10 --items 20000

The extract is replicated in a scratch folder, each copy with subjects of its own in shards of its own.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from pathlib import Path

import polars as pl

from ehrbench.readers.meds.extract import open_meds


def replicate(source: Path, out: Path, copies: int) -> int:
    """Write the copies; the number of their events."""
    n = 0
    (out / "metadata").mkdir(parents=True)
    pl.read_parquet(source / "metadata" / "codes.parquet").write_parquet(out / "metadata" / "codes.parquet")
    for shard in sorted((source / "data").rglob("*.parquet")):
        rows = pl.read_parquet(shard)
        for copy in range(copies):
            path = out / "data" / shard.parent.name / f"{copy}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.with_columns(pl.col("subject_id") + copy * 100_000_000).write_parquet(path)
            n += rows.height
    return n


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a MEDS extract: the folder that holds data/ and metadata/")
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--items", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "extract"
        n = replicate(given.source, root, given.copies)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu, wall = time.process_time(), time.perf_counter()
        data = open_meds(root)
        index = time.process_time() - cpu, time.perf_counter() - wall
        times = {}
        for shard in data.shards:
            dated = pl.scan_parquet(shard).filter(pl.col("time").is_not_null()).group_by("subject_id").agg("time").collect()
            times |= dict(dated.iter_rows())
        draw = random.Random(0)
        share = given.items // len(data.block_of) + 1
        # In the order of the data, as items of label files are.
        asked = [(subject, time) for subject in data.block_of for time in sorted(draw.choices(times[subject], k=share))]
        del times
        cpu, wall = time.process_time(), time.perf_counter()
        characters = sum(len(data.record(subject, until).text) for subject, until in asked)
        items = time.process_time() - cpu, time.perf_counter() - wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{n:,} events, {len(data.block_of):,} subjects in {len(data.shards)} shards")
    print(f"index: {index[0]:.1f} CPU s, {index[1]:.1f} s")
    print(
        f"{len(asked):,} records of {characters / len(asked):,.0f} characters: {items[0] / len(asked) * 1e3:.2f} CPU ms and "
        f"{items[1] / len(asked) * 1e3:.2f} ms per item"
    )
    print(f"peak memory: {peak / 1024:,.0f} MiB, {before / 1024:,.0f} of them before the index")


if __name__ == "__main__":
    main()
