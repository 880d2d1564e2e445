"""Building MIMIC-Instr from the demo replicated in patients: ehrbench against a straightforward pandas version.

    python benchmarks/mimic_build.py --mimic DIR [--copies 1 10 100] [--work DIR] [--skip-pandas-above N]

Every copy of the demo has its own patient, admission, stay and row ids, so the cohort grows with the tables. Both sides read the
same csv.gz files, choose the cohort, word the events of the released profile, sort and merge them, store a list an admission and
draw six questions an admission. Each runs in a process of its own. The pandas side does what a notebook does: read a table whole,
merge the dictionary, build the texts, sort, group, and answer questions by filtering frames (with ehrbench's own answer rules).
"again" is ehrbench with the Parquet copies of an earlier run (--cache). Wall time, processor time (and that of drawing the
questions alone, "asking") and peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    import pandas as pd

P = ParamSpec("P")
T = TypeVar("T")

IDS = (
    "subject_id",
    "hadm_id",
    "stay_id",
    "labevent_id",
    "specimen_id",
    "microevent_id",
    "pharmacy_id",
    "transfer_id",
    "orderid",
    "linkorderid",
)
TABLES = {
    "hosp": ("admissions", "patients", "labevents", "microbiologyevents", "prescriptions", "transfers", "diagnoses_icd"),
    "icu": ("icustays", "procedureevents", "inputevents", "outputevents"),
}
DICTIONARIES = {"hosp": ("d_labitems", "d_icd_diagnoses"), "icu": ("d_items",)}


def replicate(source: Path, target: Path, copies: int) -> None:
    """Write the demo ``copies`` times over, with ids of its own in each copy."""
    import gzip

    import polars as pl

    for module, names in TABLES.items():
        (target / module).mkdir(parents=True, exist_ok=True)
        for name in names:
            rows = pl.read_csv(source / module / f"{name}.csv.gz", infer_schema=False)
            ids = [column for column in rows.columns if column in IDS]
            with gzip.open(target / module / f"{name}.csv.gz", "wb", compresslevel=1) as file:
                for copy in range(copies):
                    shift = copy * 100_000_000
                    moved = rows.with_columns(((pl.col(c).cast(pl.Int64) + shift).cast(pl.String)) for c in ids)
                    moved.write_csv(file, include_header=copy == 0)
    for module, names in DICTIONARIES.items():
        for name in names:
            shutil.copy(source / module / f"{name}.csv.gz", target / module / f"{name}.csv.gz")


def ours(mimic: Path, out: Path, cache: Path | None = None) -> dict[str, float]:
    import polars as pl

    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.mimic_instr.build import prepare as steps

    asking = Clock()
    steps.sample_questions = asking.of(steps.sample_questions)
    summary = steps.prepare(Mimic(mimic, cache=cache), out / "prepared", steps.Options(profile="released", max_events=10**9))
    lines = pl.scan_parquet(out / "prepared" / "records" / "*.parquet").select(pl.col("text").list.len().sum()).collect().item()
    return {"admissions": summary.admissions, "lines": lines, "questions": summary.questions, "asking": asking.cpu_s}


class Clock:
    """Processor time of a function's calls."""

    def __init__(self) -> None:
        self.cpu_s = 0.0

    def of(self, function: Callable[P, T]) -> Callable[P, T]:
        def timed(*args: P.args, **more: P.kwargs) -> T:
            began = time.process_time()
            result = function(*args, **more)
            self.cpu_s += time.process_time() - began
            return result

        return timed


def with_pandas(mimic: Path, out: Path) -> dict[str, float]:
    import pandas as pd

    def table(module: str, name: str, times: tuple[str, ...] = (), text: tuple[str, ...] = ()) -> pd.DataFrame:
        rows = pd.read_csv(mimic / module / f"{name}.csv.gz", low_memory=False, dtype=dict.fromkeys(text, str))
        return rows.assign(**{column: pd.to_datetime(rows[column], format="ISO8601") for column in times})

    def finish(rows: pd.DataFrame, kind: str, time: str, order: list[str], text: list[str]) -> pd.DataFrame:
        at_us = (rows[time] - rows.admittime) // pd.Timedelta(microseconds=1)
        return rows.assign(at_us=at_us, kind=kind, text=text).sort_values(["hadm_id", "at_us", *order])

    def optional(value: object, before: str = "", after: str = "") -> str:
        return "" if pd.isna(value) else f"{before}{value}{after}"

    def each(rows: pd.DataFrame, *columns: str) -> zip[tuple[object, ...]]:
        return zip(*(rows[column] for column in columns), strict=True)

    admissions = table("hosp", "admissions", ("admittime", "dischtime"))
    stays = table("icu", "icustays", ("intime", "outtime"))
    one = stays.groupby("hadm_id").stay_id.nunique()
    stays = stays[stays.hadm_id.isin(one[one == 1].index)][["hadm_id", "stay_id"]]
    cohort = stays.merge(admissions, on="hadm_id").merge(table("hosp", "patients"), on="subject_id")
    cohort = cohort[cohort.dischtime >= cohort.admittime]
    cohort["age"] = cohort.admittime.dt.year - cohort.anchor_year + cohort.anchor_age
    cohort["los_us"] = (cohort.dischtime - cohort.admittime) // pd.Timedelta(microseconds=1)
    cohort["chief_complaint"] = None
    admit = cohort[["hadm_id", "stay_id", "admittime", "los_us"]]
    events: dict[str, pd.DataFrame] = {}

    columns = ("gender", "age", "race", "marital_status", "insurance")
    text = [
        f"gender: {g}, age: {a}, race: {r}{optional(m, ', marital status: ')}, insurance: {i}"
        for g, a, r, m, i in each(cohort, *columns)
    ]
    events["patient_demographics"] = cohort.assign(at_us=0, kind="patient_demographics", text=text)
    text = [f"type: {a}, location: {b}" for a, b in each(cohort, "admission_type", "admission_location")]
    events["admission_info"] = cohort.assign(at_us=0, kind="admission_info", text=text)

    labs = table("hosp", "labevents", ("charttime", "storetime"), ("value",)).merge(admit, on="hadm_id")
    labs = labs.merge(table("hosp", "d_labitems"), on="itemid")
    labs = labs[labs.storetime.notna()]
    labs.loc[labs.value == "___", "value"] = None
    repaired = labs.value.isna() & labs.valuenum.notna()
    labs.loc[repaired, "value"] = labs.loc[repaired, "valuenum"].map("{:.2f}".format)
    labs = labs[labs.value.notna()]
    labs["normal"] = labs.flag.isna()
    labs["unit"] = labs.valueuom
    labs["item"] = labs.fluid + " " + labs.label + " " + labs.category
    labs["quantity"] = [f"{v}{optional(u, ' ')}" for v, u in each(labs, "value", "unit")]
    labs["number"] = pd.to_numeric(labs.value, errors="coerce")
    text = [f"{i}: {q} ({'normal' if n else 'abnormal'})" for i, q, n in each(labs, "item", "quantity", "normal")]
    events["labevents"] = finish(labs, "labevents", "charttime", ["specimen_id", "labevent_id"], text)

    micro = table("hosp", "microbiologyevents", ("charttime", "storetime")).merge(admit, on="hadm_id")
    micro = micro[micro.storetime.notna()]
    micro["interpretation"] = micro.interpretation.replace({"S": "sensitive", "R": "resistant", "I": "intermediate"})
    labels = {
        "org_name": ", organism grew: ",
        "ab_name": ", antibiotic tested: ",
        "interpretation": ", antibiotic sensitivity: ",
        "comments": ", comments: ",
    }
    text = [
        f"{t} on {s}" + "".join(optional(v, label) for v, label in zip(values, labels.values(), strict=True))
        for t, s, *values in each(micro, "test_name", "spec_type_desc", *labels)
    ]
    events["microbiologyevents"] = finish(micro, "microbiologyevents", "charttime", ["spec_itemid", "microevent_id"], text)

    drugs = table("hosp", "prescriptions", ("starttime", "stoptime"), ("dose_val_rx",)).merge(admit, on="hadm_id")
    drugs["duration"] = (drugs.stoptime - drugs.starttime).dt.total_seconds() / 3600
    drugs = drugs[drugs.duration > 0]
    drugs["dose"] = [None if pd.isna(v) else f"{v}{optional(u, ' ')}" for v, u in each(drugs, "dose_val_rx", "dose_unit_rx")]
    text = [
        f"{d}{optional(s, ' (', ')')}{optional(v, ', prescribed dose: ')}{optional(u, ' ')}{optional(r, ', route: ')}"
        f", duration: {x:.2f} hour"
        for d, s, v, u, r, x in each(drugs, "drug", "prod_strength", "dose_val_rx", "dose_unit_rx", "route", "duration")
    ]
    events["prescriptions"] = finish(drugs, "prescriptions", "starttime", ["pharmacy_id", "drug_type"], text)

    moves = table("hosp", "transfers", ("intime",)).merge(admit, on="hadm_id")
    moves["leaves"] = moves.eventtype == "discharge"
    text = [("admit" if e == "ED" else str(e)) + optional(c, " to ") for e, c in each(moves, "eventtype", "careunit")]
    events["transfers"] = finish(moves, "transfers", "intime", ["leaves", "transfer_id"], text)

    done = table("icu", "procedureevents", ("starttime", "endtime")).merge(admit, on=["hadm_id", "stay_id"])
    done = done.merge(table("icu", "d_items")[["itemid", "label"]], on="itemid")
    done["duration"] = (done.endtime - done.starttime).dt.total_seconds() / 3600
    text = [f"{n} for {x:.2f} hour" for n, x in each(done, "label", "duration")]
    events["procedureevents"] = finish(done, "procedureevents", "starttime", ["orderid", "itemid"], text)

    billed = table("hosp", "diagnoses_icd", text=("icd_code",)).merge(admit, on="hadm_id")
    billed = billed.merge(table("hosp", "d_icd_diagnoses", text=("icd_code",)), on=["icd_code", "icd_version"])
    events["diagnoses_icd"] = billed.assign(at_us=billed.los_us).sort_values(["hadm_id", "seq_num"])

    listed = [rows[["hadm_id", "at_us", "kind", "text"]] for kind, rows in events.items() if kind != "diagnoses_icd"]
    merged = pd.concat(listed[2:]).sort_values(["hadm_id", "at_us"], kind="stable").groupby("hadm_id")
    static = pd.concat(listed[:2]).groupby("hadm_id")
    lines = 0
    (out / "records").mkdir(parents=True)
    for hadm_id in cohort.hadm_id:
        rows = pd.concat([static.get_group(hadm_id), merged.get_group(hadm_id)])
        text = [f"{t / 3.6e9:.2f} hour, {k}, {x}" for t, k, x in each(rows, "at_us", "kind", "text")]
        (out / "records" / f"event_{hadm_id}.txt").write_text("\n".join(text))
        lines += len(rows)
    asking = Clock()
    n = asking.of(questions_by_frames)(cohort, events, out)
    return {"admissions": len(cohort), "lines": lines, "questions": n, "asking": asking.cpu_s}


def questions_by_frames(cohort: pd.DataFrame, events: dict[str, pd.DataFrame], out: Path) -> int:
    """Six questions an admission, every row of an answer found by filtering a frame."""
    import pandas as pd

    from ehrbench.suites.mimic_instr.questions import Chart, sample_questions
    from ehrbench.suites.mimic_instr.questions.chart import ITEM_COLUMN, Rows

    class FrameRows(Rows):
        def __init__(self, event_type: str, frame: pd.DataFrame) -> None:
            self.event_type = event_type
            self.frame = frame
            self.at = frame.at_us.tolist()

        def get(self, column: str, row: int) -> object:
            value = self.frame[column].iat[row]
            return None if pd.isna(value) else value.item() if hasattr(value, "item") else value

        def where(self, rows: list[int], like: int, *columns: str) -> list[int]:
            mask = pd.Series(True, index=self.frame.index)
            for column in columns:
                mask &= self.frame[column] == self.frame[column].iat[like]
            inside = set(mask.to_numpy().nonzero()[0].tolist())
            return [row for row in rows if row in inside]

        @property
        def items(self) -> list[str]:  # type: ignore[override]
            return self.frame[ITEM_COLUMN[self.event_type]].dropna().unique().tolist()

        def of_item(self, item: str) -> list[int]:
            return (self.frame[ITEM_COLUMN[self.event_type]] == item).to_numpy().nonzero()[0].tolist()

        def at_time(self, at: int) -> list[int]:
            return (self.frame.at_us == at).to_numpy().nonzero()[0].tolist()

        def at_hour(self, at: int) -> list[int]:
            written = (self.frame.at_us / 3.6e9).map("{:.2f}".format)
            return (written == f"{at / 3.6e9:.2f}").to_numpy().nonzero()[0].tolist()

    grouped = {event_type: rows.groupby("hadm_id") for event_type, rows in events.items()}
    n = 0
    with (out / "qa_event.jsonl").open("w") as file:
        for hadm_id, subject_id, los_us in cohort[["hadm_id", "subject_id", "los_us"]].itertuples(index=False):
            rows = {e: FrameRows(e, g.get_group(hadm_id)) for e, g in grouped.items() if hadm_id in g.groups}
            for question in sample_questions(Chart(hadm_id, subject_id, los_us, rows), 6, 0):
                file.write(json.dumps(vars(question)) + "\n")
                n += 1
    return n


def run_side(side: str, mimic: Path, out: Path) -> None:
    started = time.perf_counter()
    result = (
        with_pandas(mimic, out) if side == "pandas" else ours(mimic, out, mimic.parent / "cache" if side == "again" else None)
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    told = {"wall": time.perf_counter() - started, "cpu": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024}
    print(json.dumps(result | told))


def measure(side: str, mimic: Path) -> dict[str, float]:
    """Run one side in a process of its own."""
    with tempfile.TemporaryDirectory(dir=mimic.parent) as out:
        command = [sys.executable, __file__, "--side", side, "--mimic", str(mimic), "--work", out]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        result: dict[str, float] = json.loads(done.stdout)
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mimic", type=Path, required=True)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--skip-pandas-above", type=int, default=100)
    parser.add_argument("--side", choices=["ours", "again", "pandas"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        run_side(arguments.side, arguments.mimic, arguments.work)
        return
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        columns = ("wall s", "cpu s", "asking", "peak MiB")
        print(f"{'copies':>6} {'admissions':>10} {'side':>7} {' '.join(f'{c:>8}' for c in columns)}  slower by: cpu")
        for copies in arguments.copies:
            mimic = Path(folder) / f"x{copies}"
            replicate(arguments.mimic, mimic, copies)
            results = {"ours": measure("ours", mimic)}
            measure("again", mimic)
            results["again"] = measure("again", mimic)
            if copies <= arguments.skip_pandas_above:
                results["pandas"] = measure("pandas", mimic)
                for what in ("lines", "questions"):
                    assert results["pandas"][what] == results["ours"][what], "the two sides differ"
            best = results["ours"]
            for side, told in results.items():
                ratio = f"{told['cpu'] / best['cpu']:.1f}" if side != "ours" else ""
                numbers = f"{told['wall']:>8.2f} {told['cpu']:>8.2f} {told['asking']:>8.2f} {told['mib']:>8.0f}"
                print(f"{copies:>6} {told['admissions']:>10,.0f} {side:>7} {numbers}  {ratio}", flush=True)
            shutil.rmtree(mimic)
            shutil.rmtree(Path(folder) / "cache")


if __name__ == "__main__":
    main()
