"""The same patients through MIMIC's tables, MEDS, OMOP and FHIR: records with the same laboratory, drug and diagnosis facts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ehrbench.readers.fhir.reader import read as read_fhir
from ehrbench.readers.meds.extract import open_meds
from ehrbench.readers.omop.reader import read as read_omop

N = 5
LAB = re.compile(r"LAB RESULT: .*\[(\d+)(?:,.*)?\] = (-?[\d.]+)(?: ([^,]*))?(?:,.*)?$")
FHIR_LAB = re.compile(r"LABORATORY: .*\[d_labitems/(\d+)\] = (-?[\d.]+)(?: ([^;,]*))?(?:[;,].*)?$")
OMOP_LAB = re.compile(r"MEASUREMENT: .*\[lab/(\d+)\] = (-?[\d.]+)(?: ([^;,]*))?(?:[;,].*)?$")


def table(demo: Path, name: str, subjects: pl.Series) -> pl.DataFrame:
    rows = pl.read_csv(demo / "hosp" / f"{name}.csv.gz", infer_schema=False)
    return rows.with_columns(pl.col("subject_id").cast(pl.Int64)).filter(pl.col("subject_id").is_in(subjects.implode()))


@pytest.fixture(scope="module")
def subjects(shared_dir: Path) -> pl.Series:
    """Those with the fewest laboratory values who have twenty and more."""
    labs = pl.read_csv(shared_dir / "data/mimic-iv-demo/hosp/labevents.csv.gz", infer_schema=False)
    return (
        labs.group_by("subject_id")
        .len()
        .filter(pl.col("len") > 20)
        .sort("len", "subject_id")["subject_id"]
        .head(N)
        .cast(pl.Int64)
    )


@pytest.fixture(scope="module")
def tables(shared_dir: Path, subjects: pl.Series) -> dict[str, pl.DataFrame]:
    demo = shared_dir / "data" / "mimic-iv-demo"
    names = ("patients", "labevents", "pharmacy", "prescriptions", "diagnoses_icd", "admissions")
    found = {name: table(demo, name, subjects) for name in names}
    doses = found["prescriptions"].filter(pl.col("drug_type") == "MAIN").unique("pharmacy_id", keep="first", maintain_order=True)
    # The community's extraction takes drugs from the pharmacy, which has no doses; prescriptions have them.
    given = found["pharmacy"].filter(pl.col("starttime").is_not_null(), pl.col("medication").is_not_null())
    found["drugs"] = given.join(doses.select("pharmacy_id", "dose_val_rx", "dose_unit_rx"), on="pharmacy_id", how="left")
    return found


@pytest.fixture(scope="module")
def omop(tables: dict[str, pl.DataFrame], shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """The records of an OMOP copy of the tables."""
    root = tmp_path_factory.mktemp("omop")
    demo = shared_dir / "data" / "mimic-iv-demo"
    people = tables["patients"]
    year = pl.col("anchor_year").cast(pl.Int64) - pl.col("anchor_age").cast(pl.Int64)
    people.select(
        person_id="subject_id",
        gender_concept_id=pl.when(pl.col("gender") == "F").then(8532).otherwise(8507),
        year_of_birth=year,
        gender_source_value="gender",
    ).write_parquet(root / "person.parquet")
    tables["labevents"].select(
        person_id="subject_id",
        measurement_concept_id=pl.col("itemid").cast(pl.Int64) + 2_000_000_000,
        measurement_date=pl.col("charttime").str.head(10),
        measurement_datetime="charttime",
        value_as_number="valuenum",
        value_source_value="value",
        unit_source_value="valueuom",
    ).write_csv(root / "measurement.csv")
    tables["drugs"].select(
        person_id="subject_id",
        drug_concept_id=0,
        drug_exposure_start_date=pl.col("starttime").str.head(10),
        drug_exposure_start_datetime="starttime",
        drug_source_value="medication",
        quantity="dose_val_rx",
        dose_unit_source_value="dose_unit_rx",
        route_source_value="route",
    ).write_csv(root / "drug_exposure.csv")
    tables["diagnoses_icd"].join(tables["admissions"].select("hadm_id", "dischtime"), on="hadm_id").select(
        person_id="subject_id",
        condition_concept_id=0,
        condition_start_date=pl.col("dischtime").str.head(10),
        condition_source_value=pl.concat_str("icd_version", pl.lit("//"), "icd_code"),
    ).write_csv(root / "condition_occurrence.csv")
    items = pl.read_csv(demo / "hosp" / "d_labitems.csv.gz", infer_schema=False).select(
        concept_id=pl.col("itemid").cast(pl.Int64) + 2_000_000_000,
        concept_name=pl.col("label").fill_null("unnamed"),
        vocabulary_id=pl.lit("lab"),
        concept_code="itemid",
    )
    sexes = pl.DataFrame({"concept_id": [8532, 8507], "concept_name": ["FEMALE", "MALE"], "concept_code": ["F", "M"]})
    both = pl.concat([items, sexes.with_columns(vocabulary_id=pl.lit("Gender"))], how="diagonal")
    both.write_csv(root / "CONCEPT.csv", separator="\t", quote_style="never")
    rows = [{"id": f"q{s}", "person_id": s, "question": "?", "answer": "!"} for s in people["subject_id"]]
    (root / "items.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    data = read_omop(root, {})
    assert data.load_record is not None
    records = {int(item.group or 0): data.load_record(str(item.record_id)) for item in data.items}
    assert all(
        re.match(r"Patient at .*\nBORN: \d{4}-01-01 \(age \d+ years\)\nGENDER: (?:FEMALE|MALE)", r.header)
        for r in records.values()
    )
    return {person: record.text for person, record in records.items()}


def resources(tables: dict[str, pl.DataFrame], labels: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The tables as FHIR has them; times of an hour's zone, which is not their own, so that one that is dropped is noticed."""

    def at(time: str) -> str:
        return f"{datetime.fromisoformat(time) + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}+02:00"

    for row in tables["patients"].iter_rows(named=True):
        born = int(row["anchor_year"]) - int(row["anchor_age"])
        gender = {"F": "female", "M": "male"}[row["gender"]]
        yield {"resourceType": "Patient", "id": f"p-{row['subject_id']}", "gender": gender, "birthDate": str(born)}
    for row in tables["admissions"].iter_rows(named=True):
        period = {"start": at(row["admittime"]), "end": at(row["dischtime"])}
        yield {"resourceType": "Encounter", "id": row["hadm_id"], "class": {"code": "IMP"}, "period": period, **of(row)}
    for row in tables["labevents"].iter_rows(named=True):
        value: dict[str, Any] = {"valueString": row["value"] or "___"}
        if row["valuenum"] is not None:
            unit = {"unit": row["valueuom"].strip()} if row["valueuom"] and row["valueuom"].strip() else {}
            value = {"valueQuantity": {"value": float(row["valuenum"]), **unit}}
        yield {
            **{"resourceType": "Observation", "status": "final", "effectiveDateTime": at(row["charttime"]), **value, **of(row)},
            "category": [{"coding": [{"code": "laboratory"}]}],
            "code": {"coding": [{"system": "http://ward/d_labitems", "code": row["itemid"], "display": labels[row["itemid"]]}]},
        }
    for row in tables["drugs"].iter_rows(named=True):
        dosage: dict[str, Any] = {"route": {"text": row["route"]}} if row["route"] else {}
        if (row["dose_val_rx"] or "").isdecimal():
            dosage["doseAndRate"] = [{"doseQuantity": {"value": int(row["dose_val_rx"]), "unit": row["dose_unit_rx"]}}]
        yield {
            **{"resourceType": "MedicationRequest", "status": "active", "authoredOn": at(row["starttime"]), **of(row)},
            "medicationCodeableConcept": {"text": row["medication"]},
            "dosageInstruction": [dosage],
        }
    for row in tables["diagnoses_icd"].iter_rows(named=True):
        code = {"coding": [{"code": f"{row['icd_version']}//{row['icd_code'].strip()}"}]}
        yield {"resourceType": "Condition", "code": code, "encounter": {"reference": f"Encounter/{row['hadm_id']}"}, **of(row)}


def of(row: dict[str, Any]) -> dict[str, Any]:
    return {"subject": {"reference": f"Patient/p-{row['subject_id']}"}}


@pytest.fixture(scope="module")
def fhir(tables: dict[str, pl.DataFrame], shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """The records of an FHIR copy of the tables."""
    root = tmp_path_factory.mktemp("fhir")
    items = pl.read_csv(shared_dir / "data/mimic-iv-demo/hosp/d_labitems.csv.gz", infer_schema=False)
    labels = dict(items.select("itemid", pl.col("label").fill_null("unnamed")).iter_rows())
    for resource in resources(tables, labels):
        with (root / f"{resource['resourceType']}.ndjson").open("a", encoding="utf-8") as file:
            file.write(json.dumps(resource) + "\n")
    rows = [{"id": f"q{s}", "patient": f"p-{s}", "question": "?", "answer": "!"} for s in tables["patients"]["subject_id"]]
    (root / "items.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    data = read_fhir(root, {})
    assert data.load_record is not None
    records = {int(str(item.group).removeprefix("p-")): data.load_record(str(item.record_id)) for item in data.items}
    assert all(
        re.match(r"Patient at .*\nBORN: \d{4}-01-01 \(age \d+ years\)\nGENDER: (?:fe)?male", r.header) for r in records.values()
    )
    return {patient: record.text for patient, record in records.items()}


@pytest.fixture(scope="module")
def meds(shared_dir: Path, subjects: pl.Series) -> dict[int, str]:
    data = open_meds(shared_dir / "data" / "mimic-iv-demo-meds")
    return {subject: data.record(subject).text for subject in subjects}


def same(value: str) -> float:
    """A number as the 32 bits of MEDS hold it."""
    return float(pl.Series([float(value)], dtype=pl.Float32)[0])


def labs(text: str, line: re.Pattern[str]) -> Counter[tuple[str, float, str]]:
    found = (match for one in text.split("\n") if (match := line.search(one)))
    return Counter((match[1], same(match[2]), (match[3] or "").replace("(unit unknown)", "").strip()) for match in found)


Texts = dict[int, str]


def test_laboratory_values_with_their_units(tables: dict[str, pl.DataFrame], meds: Texts, omop: Texts, fhir: Texts) -> None:
    for subject, text in omop.items():
        rows = tables["labevents"].filter(pl.col("subject_id") == subject, pl.col("valuenum").is_not_null())
        told = rows.select("itemid", "valuenum", pl.col("valueuom").fill_null("").str.strip_chars()).iter_rows()
        truth = Counter((item, same(value), unit) for item, value, unit in told)
        assert sum(truth.values()) > 10
        assert labs(text, OMOP_LAB) == truth
        assert labs(meds[subject], LAB) == truth
        assert labs(fhir[subject], FHIR_LAB) == truth


def test_times_with_a_zone_are_those_of_the_tables(tables: dict[str, pl.DataFrame], fhir: Texts) -> None:
    for subject, text in fhir.items():
        rows = tables["labevents"].filter(pl.col("subject_id") == subject)
        found = re.findall(r"^(\S+ \d\d:\d\d)(?::\d\d)?, LABORATORY: .*\[d_labitems/(\d+)\]", text, re.MULTILINE)
        assert Counter(found) == Counter(rows.select(pl.col("charttime").str.head(16), "itemid").iter_rows())


def test_drugs_with_their_doses_and_routes(tables: dict[str, pl.DataFrame], meds: Texts, omop: Texts, fhir: Texts) -> None:
    for subject, text in omop.items():
        rows = tables["drugs"].filter(pl.col("subject_id") == subject)
        names = {" ".join(drug.split()) for drug in rows["medication"]}
        lines = re.findall(r"DRUG: (.*)$", text, re.MULTILINE)
        assert len(lines) == rows.height
        assert {name for line in lines for name in names if re.match(rf"{re.escape(name)}(?: = | \(|;|$)", line)} == names
        assert all(line.startswith(tuple(names)) for line in lines)
        in_meds = set(re.findall(r"MEDICATION START: (.*)(?: \[[^\]]*\]|, \d+)(?:;|$)", meds[subject], re.MULTILINE)) - {
            "unknown"
        }
        assert in_meds == names
        dosed = rows.filter(pl.col("dose_val_rx").str.contains(r"^\d+$")).unique(
            ["medication", "dose_val_rx", "dose_unit_rx", "route"]
        )
        for drug, dose, unit, route in dosed.select("medication", "dose_val_rx", "dose_unit_rx", "route").iter_rows():
            said = f"{' '.join(drug.split())} = {dose} {unit}" + (f"; route {route}" if route else "")
            assert f"DRUG: {said}" in text
            assert f"MEDICATION: {said}" in fhir[subject]
        assert len(re.findall(", MEDICATION: ", fhir[subject])) == rows.height


def test_diagnoses(tables: dict[str, pl.DataFrame], meds: Texts, omop: Texts, fhir: Texts) -> None:
    for subject, text in omop.items():
        rows = tables["diagnoses_icd"].filter(pl.col("subject_id") == subject)
        truth = set(rows.select(pl.concat_str("icd_version", pl.lit("//"), pl.col("icd_code").str.strip_chars())).to_series())
        assert set(re.findall(r"CONDITION: (\S+)$", text, re.MULTILINE)) == truth
        assert set(re.findall(r"CONDITION: (\S+)$", fhir[subject], re.MULTILINE)) == truth
        assert {
            code.strip() for code in re.findall(r"DIAGNOSIS ICD: .*?\[?((?:9|10)//\w+)\]?$", meds[subject], re.MULTILINE)
        } == truth
