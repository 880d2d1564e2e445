from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ehrbench.cli import app
from ehrbench.curation.build import Plan, build, split
from ehrbench.curation.identifiers import identifiers
from ehrbench.curation.questions import Question, read_questions
from ehrbench.curation.records import find_records
from ehrbench.curation.sample_size import sample_size
from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.data_dir import open_dataset
from ehrbench.tasks.catalog import load_catalog
from tests.readers.test_meds import EVENING, NOON, shard
from tests.readers.test_omop import TABLES

GOOD = "Question,Patient,Gold,Date\nWhich drugs does she take?,1,Aspirin,2150-01-01\nDid the fever fall?,2,Yes,2150-01-01 12:30\n"


@pytest.fixture
def meds(tmp_path: Path) -> Path:
    shard(tmp_path / "ward", "0.parquet", [(s, t, "LAB//1//mg/dL", 1.0, None) for s in (1, 2) for t in (NOON, EVENING)])
    return tmp_path / "ward"


def table(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, ["data", "build-questions", *map(str, words)])


@pytest.mark.parametrize(
    ("row", "kind", "said"),
    [
        (",1,Aspirin,", "question", "no instruction"),
        ("Drugs?,1,,", "gold", "no gold answer"),
        ("Drugs?,,Aspirin,", "record", "no patient or record is named"),
        ("Drugs?,7,Aspirin,", "record", "none of the 2 of the subjects"),
        ("Drugs?,1,Aspirin,3/4/2150", "not_a_date", "cannot be read"),
        ("Drugs?,1,Aspirin,2149-12-31", "date", "begins after the instruction's date"),
        ("Ask ada@ward.example,1,Aspirin,", "identifier", "an e-mail address"),
        ("Which drugs does she now take?,1,Aspirin,2150-01-01", "near_duplicate", "the instruction of row 1"),
    ],
)
def test_what_keeps_a_row_out(meds: Path, tmp_path: Path, row: str, kind: str, said: str) -> None:
    path = table(tmp_path, GOOD + row + "\n")
    found = read_questions(path, find_records(meds), {})
    assert [(problem.kind, problem.row) for problem in found.problems] == [(kind, 3)]
    sentence = found.problems[0].sentence
    assert sentence.startswith(f"{path}:4: row 3") and said in sentence
    assert not any(word in sentence for word in ("Drugs", "Aspirin", "ada@", "she"))
    assert [question.row for question in found.asked] == [1, 2]
    accepted = read_questions(path, find_records(meds), {}, [kind])
    assert (not accepted.problems) == (kind in ("date", "identifier", "near_duplicate"))


def test_nothing_is_written_while_a_row_has_a_problem(meds: Path, tmp_path: Path) -> None:
    path, out = table(tmp_path, GOOD + "Drugs?,7,Aspirin,\n"), tmp_path / "t.yaml"
    done = invoke(path, "--records", meds, "--name", "ward", "--task-file", out)
    assert isinstance(done.exception, UsageError) and "1 of 3 rows have a problem" in str(done.exception)
    assert not out.exists() and not list(meds.glob("*.jsonl"))
    done = invoke(path, "--records", meds, "--name", "ward", "--task-file", out, "--leave-out", "--json")
    assert json.loads(done.stdout)["left_out"] == 1
    done = invoke(path, "--records", meds, "--name", "ward", "--task-file", out, "--leave-out")
    assert isinstance(done.exception, UsageError) and "--force" in str(done.exception)


def test_items_have_golds_records_that_end_in_time_and_who_wrote_them(meds: Path, tmp_path: Path) -> None:
    text = (
        "Item;Instruction;Subject ID;Reference;Author;Gold author;Category\n"
        + "a;Drugs?;1;Aspirin;Ada;Ben;x\nb;Fever?;2;No;;;y\n"
    )
    records = find_records(meds)
    found = read_questions(table(tmp_path, text), records, {})
    build(found, records, Plan("ward", policy="open"), tmp_path / "ward.yaml")
    task = load_catalog([tmp_path / "ward.yaml"]).get("ward")
    items = {item.id: item for item in open_dataset(task, str(tmp_path)).items}
    assert items["a"].meta == {"authors": ["Ada", "Ben"], "category": "x"}
    assert (items["b"].references, items["b"].group, items["b"].meta) == (("No",), "2", {"category": "y"})
    assert [stratum.by for stratum in task.strata] == ["category"]


def test_a_records_end_follows_the_date(meds: Path, tmp_path: Path) -> None:
    records = find_records(meds)
    build(read_questions(table(tmp_path, GOOD), records, {}), records, Plan("ward"), tmp_path / "ward.yaml")
    task = load_catalog([tmp_path / "ward.yaml"]).get("ward")
    data = open_dataset(task, str(tmp_path))
    assert data.load_record is not None
    lengths = [len(data.load_record(str(item.record_id)).entries) for item in data.items]
    assert lengths == [2, 1], "a day counts to its end, 12:30 does not"


def test_a_folder_of_files_is_a_place_of_records(tmp_path: Path) -> None:
    folder = tmp_path / "charts"
    folder.mkdir()
    (folder / "EHR_17.txt").write_text("2150-01-01 walks\n\n2150-01-03 runs", encoding="utf-8")
    records = find_records(folder)
    text = "question,record,patient,answer,date,split\nRuns?,17,Eve,Yes,03.01.2150,test\nWalks?,17,Eve,Yes,01.01.2149,test\n"
    found = read_questions(table(tmp_path, text), records, {})
    assert [problem.kind for problem in found.problems] == ["date"]
    build(found, records, Plan("chart"), tmp_path / "t.yaml")
    (item,) = open_dataset(load_catalog([tmp_path / "t.yaml"]).get("chart"), str(tmp_path)).items
    assert (item.group, item.record_id) == ("Eve", "EHR_17.txt")
    with pytest.raises(MissingError, match=r"has no records: expected data/"):
        find_records(tmp_path)


def question(row: int, patient: str, part: str = "") -> Question:
    return Question(row, f"q{row}", f"question {row}", patient, patient, "gold", None, (), "", "", part)


def test_a_split_parts_patients_and_heeds_the_table() -> None:
    questions = [question(row, f"p{row // 2}") for row in range(40)]
    parts = split(questions, 0.25, seed=0)
    assert sorted(parts.values()).count("dev") == 5
    assert split(questions, 0.25, seed=1) != parts
    assert split([*questions, question(41, "p3", "dev")], 0, 0)["p3"] == "dev"
    with pytest.raises(UsageError, match="rows 1 and 2 put questions about one patient"):
        split([question(1, "p", "dev"), question(2, "p", "test")], 0, 0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Creatinine on 2150-01-03 and 03.01.2150?", []),
        ("Platelets of 150,000 or 12345?", []),
        ("Reach 555-010-1234?", ["a telephone or social security number"]),
        ("MRN 8812734?", ["a number of six digits or more"]),
        ("What does Mrs. Miller take?", ["a title with a name"]),
        ("Is patient 10002428 well?", ["the identifier of its record", "a number of six digits or more"]),
    ],
)
def test_identifiers_are_told_by_their_form(text: str, found: list[str]) -> None:
    assert list(identifiers(text, "10002428")) == found


def test_sample_size_is_wilsons_interval() -> None:
    # Newcombe 1998's formula by hand: 50 of 100 gives 0.404 to 0.596.
    assert "reaches 10 points" in sample_size(100, 100)
    assert "reaches 10 to 17 points" in sample_size(100, 30)
    assert "caution" in sample_size(100, 29) and "caution" not in sample_size(100, 30)


def test_columns_are_named_by_what_is_missing_or_twice(meds: Path, tmp_path: Path) -> None:
    records = find_records(meds)
    with pytest.raises(UsageError, match=r"no column for 'gold': .* --column gold=NAME"):
        read_questions(table(tmp_path, "question,patient\nDrugs?,1\n"), records, {})
    with pytest.raises(UsageError, match="two columns are called 'patient_id'"):
        read_questions(table(tmp_path, "question,patient id,Patient-ID,gold\nDrugs?,1,1,x\n"), records, {})
    found = read_questions(table(tmp_path, "question,patient,Consensus view\nDrugs?,1,x\n"), records, {"gold": "Consensus view"})
    assert found.asked[0].gold == "x" and found.asked[0].date is None


def test_an_omop_database_is_a_place_of_records(tmp_path: Path) -> None:
    root = tmp_path / "cdm"
    root.mkdir()
    for name, text in TABLES.items():
        (root / name).write_text(text, encoding="utf-8")
    records = find_records(root)
    text = "question,patient,answer,date\nDrug?,1.0,Heparin,2020-05-01\nDrug?,2,None,2020-04-01\nDrug?,3,None,\n"
    found = read_questions(table(tmp_path, text), records, {})
    assert [(problem.kind, problem.row) for problem in found.problems] == [("date", 2), ("record", 3)]
    build(found, records, Plan("cdm_questions"), tmp_path / "t.yaml")
    data = open_dataset(load_catalog([tmp_path / "t.yaml"]).get("cdm_questions"), str(tmp_path))
    assert data.load_record is not None
    text = data.load_record(str(data.items[0].record_id)).text
    assert text.endswith("CONDITION: Type 2 diabetes [SNOMED/44054006, E11.9]"), "the record ends with the day of the question"
