from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import MissingError, UsageError
from ehrbench.readers import Dataset
from ehrbench.readers.omop.reader import read
from tests.readers.test_hashed_files import files_read, load_all

TABLES = {
    "person.csv": "person_id,gender_concept_id,year_of_birth,month_of_birth,race_source_value\n1,8532,1950,3,\n2,0,1960,,other\n",
    "CONCEPT.csv": "concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_code\n8532\tFEMALE\tGender\tGender\tF\n"
    '3016723\tCreatinine in "serum"\tMeasurement\tLOINC\t2160-0\n8840\tmilligram per deciliter\tUnit\tUCUM\tmg/dL\n'
    "4172703\t>\tMeas Value Operator\tSNOMED\t276140009\n201826\tType 2 diabetes\tCondition\tSNOMED\t44054006\n"
    "4171047\tintravenous route\tRoute\tSNOMED\t47625008\n9201\tInpatient Visit\tVisit\tVisit\tIP\n",
    "measurement.csv": "person_id,measurement_concept_id,measurement_date,measurement_datetime,operator_concept_id,"
    "value_as_number,unit_concept_id,unit_source_value,value_source_value\n"
    "1,3016723,2020-05-01,2020-05-01T10:30:00+02:00,4172703,1.70,8840,MG,>1.7\n2,3016723,2020-05-01,,,2,0,,2\n",
    "condition_occurrence.csv": "person_id,condition_concept_id,condition_start_date,condition_end_date,condition_source_value\n"
    "1,201826,2020-05-01,2020-05-03,E11.9\n1,0,2020-04-30,,local 7\n",
    "drug_exposure.csv": "person_id,drug_concept_id,drug_exposure_start_date,drug_exposure_start_datetime,drug_source_value,"
    "quantity,dose_unit_source_value,route_concept_id,route_source_value\n"
    "1,0,2020-05-01,2020-05-01 12:00:00,Heparin,5000,UNIT,4171047,IV\n",
    "visit_occurrence.csv": "person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,visit_end_datetime\n"
    "1,9201,2020-04-30,2020-04-30 07:00:00,2020-05-04,2020-05-04 09:00:00\n",
    "note.csv": 'person_id,note_date,note_title,note_text\n1,2020-05-02,Progress,"She walks.\nShe eats."\n',
}
ASKED = [
    {"id": "a", "person_id": 1, "question": "?", "answer": "x"},
    {"id": "b", "person_id": 1, "question": "?", "answer": "x", "prediction_time": "2020-05-01T12:00:00"},
    {"id": "c", "person_id": 2, "question": "?", "answer": "x"},
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    ask(tmp_path, ASKED)
    return tmp_path


def ask(root: Path, rows: list[dict[str, Any]]) -> None:
    (root / "items.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def texts(data: Dataset) -> dict[str, str]:
    load = data.load_record
    assert load is not None
    records = {item.id: load(str(item.record_id)) for item in data.items}
    return {name: record.header + record.text for name, record in records.items()}


def test_a_persons_tables_become_one_record(root: Path) -> None:
    assert texts(read(root, {}))["a"].split("\n") == [
        "Patient at 2020-05-04 09:00",
        "BORN: 1950-03-01 (age 70 years)",
        "GENDER: FEMALE [Gender/F]",
        "",
        "2020-04-30 07:00, VISIT: Inpatient Visit [Visit/IP]",
        "2020-04-30 23:59:59, CONDITION: local 7",
        '2020-05-01 08:30, MEASUREMENT: Creatinine in "serum" [LOINC/2160-0] = 1.7 mg/dL, >1.7; operator >',
        "2020-05-01 12:00, DRUG: Heparin = 5000 UNIT; route intravenous route",
        "2020-05-01 23:59:59, CONDITION: Type 2 diabetes [SNOMED/44054006, E11.9]",
        "2020-05-02 23:59:59, NOTE: Progress",
        "    | She walks.",
        "    | She eats.",
        "2020-05-03 23:59:59, CONDITION END: Type 2 diabetes [SNOMED/44054006, E11.9]",
        "2020-05-04 09:00, VISIT END: Inpatient Visit [Visit/IP]",
    ]


def test_nothing_that_comes_after_a_prediction_is_shown(root: Path) -> None:
    found = texts(read(root, {}))
    assert "Patient at 2020-05-01 12:00" in found["b"] and "Heparin" in found["b"]
    assert "Type 2" not in found["b"] and "05-04" not in found["b"], "a day without a time counts to its end; ends are events"
    assert found["c"].endswith("BORN: 1960-01-01 (age 60 years)\nRACE: other\n\n2020-05-01 23:59:59, MEASUREMENT: Creatinine in "
                               '"serum" [LOINC/2160-0] = 2')  # fmt: skip


def test_parquet_says_the_same_as_csv_and_every_file_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import polars as pl

    before = texts(read(root, {}))
    for name in TABLES:
        if name not in ("CONCEPT.csv", "note.csv"):
            pl.read_csv(root / name, try_parse_dates=name.startswith("visit")).write_parquet(
                root / name.replace("csv", "parquet")
            )
            (root / name).unlink()
    with files_read(root, monkeypatch) as found:
        data = read(root, {})
        load_all(data)
    assert texts(data) == before
    assert found <= {path.resolve() for path in data.files} and len(data.files) == len(TABLES) + 1


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("measurement.csv", "2,3016723", "x,3016723", "measurement.csv: row 2: person_id is not a whole number"),
        ("measurement.csv", "2,3016723", "9,3016723", r"1 of 2 rows are of no person in the table person \(first: row 2\)"),
        ("drug_exposure.csv", "2020-05-01,2020-05-01 12:00:00", "soon,", r"rows have no time that can be read \(first: row 1\)"),
        ("person.csv", "other\n", "other\n1,0,1960,,\n", "row 3: the person is in an earlier row"),
        ("note.csv", "note_date", "day", "note.csv has no column 'note_date'"),
        ("CONCEPT.csv", "\t", ";", "has no column 'concept_id'"),
        (
            "CONCEPT.csv",
            None,
            "concept_id\tconcept_name\tvocabulary_id\tconcept_code\n5\tx\ty\tz\n",
            "names none of the concepts",
        ),
    ],
)
def test_what_is_refused(root: Path, name: str, old: str | None, new: str, said: str) -> None:
    text = TABLES[name]
    (root / name).write_text(new if old is None else text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=said) as error:
        load_all(read(root, {}))
    assert "walks" not in str(error.value)


@pytest.mark.parametrize(("name", "said"), [("CONCEPT.csv", "no table concept"), ("person.csv", "no table person")])
def test_what_is_missing(root: Path, name: str, said: str) -> None:
    (root / name).unlink()
    with pytest.raises(MissingError, match=said):
        read(root, {})


def test_unknown_persons_and_twin_tables_are_refused(root: Path) -> None:
    ask(root, [ASKED[0] | {"person_id": 7}])
    with pytest.raises(UsageError, match=r"items.jsonl:1: 'person_id' is not a subject of the OMOP database"):
        read(root, {})
    ask(root, ASKED)
    (root / "person.tsv").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="could both be the table person"):
        read(root, {})


def test_shares_with_names_and_units_are_said(root: Path) -> None:
    data = read(root, {})
    assert data.coverage == "75 % of 8 events have a name, 67 % of 3 events with a number have a unit"
    assert [warning.partition(":")[0] for warning in data.warnings] == [
        "75 % of 8 events have a name",
        "67 % of 3 events with a number have a unit",
    ]


def test_a_few_unusable_rows_are_counted(root: Path) -> None:
    rows = "".join(f"1,0,2020-05-01,,local {n}\n" for n in range(200))
    path = root / "condition_occurrence.csv"
    path.write_text(TABLES["condition_occurrence.csv"] + rows + "1,0,,,x\n", encoding="utf-8")
    assert any(
        "1 of 203 rows have no time that can be read (first: row 203); they are left out" in w for w in read(root, {}).warnings
    )


def test_data_status_shows_the_shares(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    task = tmp_path_factory.mktemp("task") / "ward.yaml"
    data = f"{{reader: omop, path: {root.name}, policy: open}}"
    lines = (
        "task: ward",
        "version: 1",
        f"data: {data}",
        "record: {context: truncate, keep: end}",
        "prompt: {user: '{{ record }} {{ question }}'}",
        "metrics: [rouge_l]",
        "primary: rouge_l",
    )
    task.write_text("\n".join(lines), encoding="utf-8")
    words = ["data", "status", "ward", "--include-path", str(task), "--data-dir", str(root.parent), "--read"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "ward: 75 % of 8 events have a name, 67 % of 3 events with a number have a unit" in done.stdout
    assert "note: 75 % of 8 events have a name: the other codes are shown as they are" in done.stderr
    assert '"coverage": "75 %' in CliRunner().invoke(app, [*words, "--json"]).stdout
    validated = CliRunner().invoke(app, ["tasks", "validate", str(task), "--data-dir", str(root.parent)])
    assert validated.exit_code == 0, validated.output


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("measurement.parquet", b"PAR1 cut off"),
        ("measurement.csv.gz", b"\x1f\x8b\x08 cut off"),
        ("measurement.csv", b"person_id,measurement_date\n1,\xff\xfe\xe4\n"),
        ("measurement.csv", b""),
        ("measurement.csv", b'person_id,measurement_date\n1,"open\n'),
        ("measurement.csv", b"person_id,measurement_date\n1,2020-01-01,too,many\n"),
    ],
)
def test_damaged_tables_are_named(root: Path, name: str, content: bytes) -> None:
    (root / "measurement.csv").unlink()
    (root / name).write_bytes(content)
    with pytest.raises(UsageError, match=rf"OMOP: .*{name}"):
        load_all(read(root, {}))
