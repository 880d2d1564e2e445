"""Building EHR-Bench from the demos replicated in patients: processor time and peak memory must grow as the events do.

    python benchmarks/ehr_build.py --mimic DIR --ed DIR [--copies 1 5 20] [--work DIR]

Every copy has its own patient, admission and stay ids. Each build (clean profile, 500 rows a task) runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IDS = ("subject_id", "hadm_id", "stay_id")


def replicate(source: Path, target: Path, copies: int) -> None:
    """Write a release's tables ``copies`` times over; dictionaries once."""
    import gzip

    import polars as pl

    for path in sorted(source.glob("*/*.csv.gz")):
        place = target / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.name.startswith("d_"):
            shutil.copyfile(path, place)
            continue
        rows = pl.read_csv(path, infer_schema=False)
        with gzip.open(place, "wb", compresslevel=1) as file:
            for copy in range(copies):
                ids = [c for c in IDS if c in rows.columns]
                moved = rows.with_columns((pl.col(c).cast(pl.Int64) + copy * 100_000_000).cast(pl.String) for c in ids)
                file.write(moved.write_csv(include_header=copy == 0).encode())


def build(mimic: Path, out: Path) -> dict[str, float]:
    """Build once and tell the cost."""
    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.ehr_bench.build.prepare import Options, prepare

    summary = prepare(Mimic(mimic), out, Options())
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"events": summary.events, "cpu": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mimic", type=Path, required=True)
    parser.add_argument("--ed", type=Path)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--work", type=Path)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(build(arguments.mimic, arguments.one)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        print(f"{'copies':>6} {'events':>10} {'cpu s':>8} {'peak MiB':>9} {'µs an event':>12}")
        for copies in arguments.copies:
            mimic = Path(folder) / f"x{copies}"
            for source in (arguments.mimic, arguments.ed):
                if source is not None:
                    replicate(source, mimic, copies)
            command = [sys.executable, __file__, "--mimic", str(mimic), "--one", str(mimic / "out")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            told = json.loads(done.stdout)
            each = told["cpu"] / told["events"] * 1e6
            print(f"{copies:>6} {told['events']:>10,} {told['cpu']:>8.1f} {told['mib']:>9.0f} {each:>12.1f}", flush=True)
            shutil.rmtree(mimic)


if __name__ == "__main__":
    main()
