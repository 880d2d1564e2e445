"""Every build at the size of MIMIC-IV: the open demos replicated in patients, then MIMIC-Instr, prediction and EHR-Bench.

    python benchmarks/mimic_size.py --mimic DIR --ed DIR [--copies 1 10 100 1000] [--builds NAME,NAME] [--work DIR]

Every copy has its own patient, admission, stay and row ids; 1,000 copies have 275,000 admissions, half of what MIMIC-IV 3.1 has.
A table is written copy by copy, never held whole. Each build runs in a process of its own. Processor time and bytes must grow as
the events do, and memory must stay.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

IDS = (
    *("subject_id", "hadm_id", "stay_id", "labevent_id", "specimen_id", "microevent_id", "pharmacy_id", "transfer_id", "orderid"),
    *("linkorderid", "poe_id", "emar_id", "phenotype_id"),
)
_TEXT_IDS = ("poe_id", "emar_id")
"""Written as the patient's id, a hyphen and a number."""
_SHIFT = 100_000_000
BUILDS = ("mimic_instr", "prediction", "ehr_bench")


def replicate(source: Path, target: Path, copies: int) -> None:
    """Write a release's tables ``copies`` times over; dictionaries once."""
    import polars as pl

    for path in sorted(source.glob("*/*.csv.gz")):
        place = target / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.name.startswith("d_"):
            shutil.copyfile(path, place)
            continue
        rows = pl.read_csv(path, infer_schema=False)
        numbers = [c for c in IDS if c in rows.columns and c not in _TEXT_IDS]
        texts = [c for c in _TEXT_IDS if c in rows.columns]
        with gzip.open(place, "wb", compresslevel=1) as file:
            for copy in range(copies):
                shift = copy * _SHIFT
                moved = rows.with_columns(
                    *((pl.col(c).cast(pl.Int64) + shift).cast(pl.String) for c in numbers),
                    *(
                        (pl.col(c).str.extract(r"^(\d+)").cast(pl.Int64) + shift).cast(pl.String)
                        + pl.col(c).str.extract(r"^\d+(-.*)$")
                        for c in texts
                    ),
                )
                file.write(moved.write_csv(include_header=copy == 0).encode())


def mimic_instr(mimic: Path, out: Path) -> dict[str, float]:
    """The event lists and questions of the released profile."""
    import polars as pl

    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.mimic_instr.build import prepare as steps

    summary = steps.prepare(Mimic(mimic), out, steps.Options(profile="released", max_events=10**9))
    events = pl.scan_parquet(out / "records" / "*.parquet").select(pl.col("text").list.len().sum()).collect().item()
    return {"samples": summary.questions, "events": events}


def prediction(mimic: Path, out: Path) -> dict[str, float]:
    """The four prediction tasks."""
    import polars as pl

    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.mimic_instr.prediction.prepare import FOLDERS, PredictionOptions, prepare_prediction

    summary = prepare_prediction(Mimic(mimic), out, PredictionOptions())
    texts = [
        pl.scan_parquet(out / folder / "*.parquet").select(pl.col("text").list.len().sum()) for folder in set(FOLDERS.values())
    ]
    return {"samples": sum(summary.admissions.values()), "events": sum(text.collect().item() for text in texts)}


def ehr_bench(mimic: Path, out: Path) -> dict[str, float]:
    """EHR-Bench's clean profile, 500 rows a task."""
    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.ehr_bench.build.prepare import Options, prepare

    summary = prepare(Mimic(mimic), out, Options())
    return {"samples": sum(summary.written.values()), "events": summary.events}


STEPS: dict[str, Callable[[Path, Path], dict[str, float]]] = {
    "mimic_instr": mimic_instr,
    "prediction": prediction,
    "ehr_bench": ehr_bench,
}


def measure(name: str, mimic: Path, out: Path) -> dict[str, float]:
    """One build in this process, with what it cost."""
    began, before = time.monotonic(), time.process_time()
    told = STEPS[name](mimic, out)
    used = resource.getrusage(resource.RUSAGE_SELF)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    cost = {"wall": time.monotonic() - began, "cpu": time.process_time() - before, "mib": used.ru_maxrss / 1024, "bytes": size}
    return {**told, **cost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mimic", type=Path, required=True)
    parser.add_argument("--ed", type=Path)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--builds", default=",".join(BUILDS))
    parser.add_argument("--work", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.one:
        print(json.dumps(measure(a.one, a.mimic, a.work)))
        return
    print("| copies | tables, MB | build | samples | events | wall s | CPU s | µs an event | peak MiB | written, MB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=a.work) as folder:
        for copies in a.copies:
            mimic = Path(folder) / f"x{copies}"
            for source in (a.mimic, a.ed):
                if source is not None:
                    replicate(source, mimic, copies)
            size = sum(path.stat().st_size for path in mimic.rglob("*.csv.gz")) / 1e6
            for name in a.builds.split(","):
                out = Path(folder) / "out"
                command = [sys.executable, __file__, "--mimic", str(mimic), "--one", name, "--work", str(out)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr)
                t = json.loads(done.stdout)
                each = t["cpu"] / t["events"] * 1e6
                cost = f"{t['wall']:.1f} | {t['cpu']:.1f} | {each:.1f} | {t['mib']:.0f} | {t['bytes'] / 1e6:.1f}"
                print(f"| {copies:,} | {size:,.0f} | {name} | {t['samples']:,} | {t['events']:,} | {cost} |", flush=True)
                shutil.rmtree(out)
            shutil.rmtree(mimic)


if __name__ == "__main__":
    main()
