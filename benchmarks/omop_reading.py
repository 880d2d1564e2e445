"""Read an OMOP database as the reader does, and by way of the community's conversion to MEDS: processor and wall time.

python benchmarks/omop_reading.py MIMIC_DEMO --copies 10 --omop-meds VENV/bin/OMOP_MEDS

The database is made of the open MIMIC-IV demo in a scratch folder: persons, stays, laboratory values, drugs and diagnoses of its
100 patients, each copy with persons of its own. ``OMOP_MEDS`` (0.3.0 needs Python 3.12) has an environment of its own; without
``--omop-meds`` only the reader is measured.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl

from ehrbench.readers.events import lines_of
from ehrbench.readers.meds.extract import open_meds
from ehrbench.readers.omop.events import read_events
from ehrbench.readers.omop.reader import known_persons
from ehrbench.records import Record

COLUMNS = {
    "person": "gender_concept_id year_of_birth month_of_birth day_of_birth birth_datetime race_concept_id ethnicity_concept_id "
    "location_id provider_id care_site_id person_source_value gender_source_value gender_source_concept_id race_source_value "
    "race_source_concept_id ethnicity_source_value ethnicity_source_concept_id",
    "visit_occurrence": "visit_concept_id visit_start_date visit_start_datetime visit_end_date visit_end_datetime "
    "visit_type_concept_id provider_id care_site_id visit_source_value visit_source_concept_id admitting_source_concept_id "
    "admitting_source_value discharge_to_concept_id discharge_to_source_value preceding_visit_occurrence_id",
    "measurement": "measurement_concept_id measurement_date measurement_datetime measurement_time measurement_type_concept_id "
    "operator_concept_id value_as_number value_as_concept_id unit_concept_id range_low range_high provider_id "
    "visit_occurrence_id visit_detail_id measurement_source_value measurement_source_concept_id unit_source_value "
    "value_source_value",
    "drug_exposure": "drug_concept_id drug_exposure_start_date drug_exposure_start_datetime drug_exposure_end_date "
    "drug_exposure_end_datetime verbatim_end_date drug_type_concept_id stop_reason refills quantity days_supply sig "
    "route_concept_id lot_number provider_id visit_occurrence_id visit_detail_id drug_source_value drug_source_concept_id "
    "route_source_value dose_unit_source_value",
    "condition_occurrence": "condition_concept_id condition_start_date condition_start_datetime condition_end_date "
    "condition_end_datetime condition_type_concept_id condition_status_concept_id stop_reason provider_id visit_occurrence_id "
    "visit_detail_id condition_source_value condition_source_concept_id condition_status_source_value",
    "concept": "concept_name domain_id vocabulary_id concept_class_id standard_concept concept_code valid_start_date "
    "valid_end_date invalid_reason",
}
"""Of CDM 5.3, which ``OMOP_MEDS`` asks for by default, after each table's own id."""
OWN = 2_000_000_000


def write(demo: Path, root: Path, copies: int) -> int:
    """Write the database; the number of its events."""
    hosp = demo / "hosp"
    tables = {
        name: pl.read_csv(hosp / f"{name}.csv.gz", infer_schema=False)
        for name in ("patients", "admissions", "labevents", "pharmacy", "diagnoses_icd", "d_labitems")
    }
    year = pl.col("anchor_year").cast(pl.Int64) - pl.col("anchor_age").cast(pl.Int64)
    units = tables["labevents"]["valueuom"].drop_nulls().unique().sort().to_list()
    drugs = tables["pharmacy"]["medication"].drop_nulls().unique().sort().to_list()
    unit_of = {unit: OWN + 1_000_000 + n for n, unit in enumerate(units)}
    drug_of = {drug: OWN + 2_000_000 + n for n, drug in enumerate(drugs)}
    codes = tables["diagnoses_icd"].select(pl.concat_str("icd_version", "icd_code", separator="-")).to_series().unique().sort()
    code_of = {code: OWN + 3_000_000 + n for n, code in enumerate(codes)}
    sexes = {"F": 8532, "M": 8507}
    left = tables["admissions"].select("hadm_id", "dischtime")
    made = {
        "person": tables["patients"].select(
            "subject_id", gender_concept_id=pl.col("gender").replace_strict(sexes), year_of_birth=year, month_of_birth=1,
            day_of_birth=1, birth_datetime=pl.format("{}-01-01 00:00:00", year), race_concept_id=0, ethnicity_concept_id=0,
            gender_source_value="gender",
        ),
        "visit_occurrence": tables["admissions"].select(
            "subject_id", visit_concept_id=9201, visit_start_date=pl.col("admittime").str.head(10),
            visit_start_datetime="admittime", visit_end_date=pl.col("dischtime").str.head(10), visit_end_datetime="dischtime",
            visit_type_concept_id=0, visit_source_concept_id=9201,
        ),
        "measurement": tables["labevents"].select(
            "subject_id", measurement_concept_id=pl.col("itemid").cast(pl.Int64) + OWN,
            measurement_date=pl.col("charttime").str.head(10), measurement_datetime="charttime", measurement_type_concept_id=0,
            value_as_number="valuenum", unit_concept_id=pl.col("valueuom").replace_strict(unit_of, default=0),
            measurement_source_value="itemid", measurement_source_concept_id=pl.col("itemid").cast(pl.Int64) + OWN,
            unit_source_value="valueuom", value_source_value="value",
        ),
        "drug_exposure": tables["pharmacy"].filter(pl.col("starttime").is_not_null(), pl.col("medication").is_not_null()).select(
            "subject_id", drug_concept_id=pl.col("medication").replace_strict(drug_of),
            drug_exposure_start_date=pl.col("starttime").str.head(10), drug_exposure_start_datetime="starttime",
            drug_exposure_end_date=pl.coalesce("stoptime", "starttime").str.head(10),
            drug_exposure_end_datetime=pl.coalesce("stoptime", "starttime"), drug_type_concept_id=0,
            drug_source_value="medication", drug_source_concept_id=pl.col("medication").replace_strict(drug_of),
            route_concept_id=0, route_source_value="route",
        ),
        "condition_occurrence": tables["diagnoses_icd"].join(left, on="hadm_id").select(
            "subject_id",
            condition_concept_id=pl.concat_str("icd_version", "icd_code", separator="-").replace_strict(code_of),
            condition_start_date=pl.col("dischtime").str.head(10), condition_start_datetime="dischtime",
            condition_end_date=pl.col("dischtime").str.head(10), condition_end_datetime="dischtime", condition_type_concept_id=0,
            condition_source_value="icd_code",
            condition_source_concept_id=pl.concat_str("icd_version", "icd_code", separator="-").replace_strict(code_of),
        ),
    }  # fmt: skip
    items = dict(
        tables["d_labitems"].select(pl.col("itemid").cast(pl.Int64) + OWN, pl.col("label").fill_null("unnamed")).iter_rows()
    )
    concepts = [
        *((number, name, "lab", str(number - OWN)) for number, name in items.items()),
        *((number, unit, "UCUM", unit) for unit, number in unit_of.items()),
        *((number, drug, "drug", str(number)) for drug, number in drug_of.items()),
        *((number, f"Diagnosis {code}", "ICD", code) for code, number in code_of.items()),
        (8532, "FEMALE", "Gender", "F"), (8507, "MALE", "Gender", "M"), (9201, "Inpatient Visit", "Visit", "IP"),
        (0, "No matching concept", "None", "0"),
    ]  # fmt: skip
    names = ("concept_id", "concept_name", "vocabulary_id", "concept_code")
    rows = pl.DataFrame(concepts, schema=names, orient="row").with_columns(
        domain_id=pl.lit("x"),
        concept_class_id=pl.lit("x"),
        valid_start_date=pl.lit("1970-01-01"),
        valid_end_date=pl.lit("2099-12-31"),
    )
    _put(root, "concept", rows, "concept_id")
    relation = {"concept_id_1": 0, "concept_id_2": 0, "relationship_id": "Maps to", "valid_start_date": "1970-01-01"}
    pl.DataFrame([relation | {"valid_end_date": "2099-12-31", "invalid_reason": ""}]).write_csv(root / "concept_relationship.csv")
    n = 0
    for table, one in made.items():
        person = pl.col("subject_id").cast(pl.Int64)
        every = pl.concat([one.with_columns(subject_id=person + copy * 100_000_000) for copy in range(copies)])
        if table == "person":
            _put(root, table, every.rename({"subject_id": "person_id"}), "person_id")
            continue
        every = every.rename({"subject_id": "person_id"}).with_row_index(f"{table}_id", 1)
        _put(root, table, every, f"{table}_id", "person_id")
        n += every.height
    return n


def _put(root: Path, table: str, rows: pl.DataFrame, *first: str) -> None:
    columns = [*first, *COLUMNS[table].split()]
    rows.with_columns(pl.lit(None, pl.String).alias(name) for name in columns if name not in rows.columns).select(
        columns
    ).write_csv(root / f"{table}.csv")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="the open MIMIC-IV demo: the folder that holds hosp/")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--omop-meds", type=Path, help="the program OMOP_MEDS of an environment that has it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "omop"
        root.mkdir()
        n = write(given.demo, root, given.copies)
        print(f"{n:,} rows of {len(known_persons(root)):,} persons")

        def ours() -> Iterable[Record]:
            persons = sorted(known_persons(root))
            lines = lines_of(read_events(root, persons))
            return (lines(person).record(str(person), None) for person in persons)

        _measure("the reader, every record", ours)
        if given.omop_meds is None:
            return
        out = Path(scratch) / "meds"

        def converted() -> Iterable[Record]:
            command = [given.omop_meds.absolute(), f"raw_input_dir={root}", f"root_output_dir={out}", "do_download=False"]
            environment = os.environ | {"PATH": f"{given.omop_meds.absolute().parent}:{os.environ['PATH']}"}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stdout[-4000:] + done.stderr[-4000:])
            return ()

        _measure("OMOP_MEDS", converted)

        def theirs() -> Iterable[Record]:
            data = open_meds(out / "MEDS_cohort")
            print(data.told.sentence())
            return (data.record(subject) for subject in data.block_of)

        _measure("the reader meds on its output, every record", theirs)


def _measure(name: str, way: Callable[[], Iterable[Record]]) -> None:
    def cpu() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    began, wall = cpu(), time.perf_counter()
    characters = sum(len(record.text) for record in way())
    print(
        f"{name}: {cpu() - began:.1f} CPU s, {time.perf_counter() - wall:.1f} s"
        + (f", {characters:,} characters" if characters else "")
    )


if __name__ == "__main__":
    main()
