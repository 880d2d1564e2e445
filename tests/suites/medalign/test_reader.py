from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.readers import READERS
from ehrbench.suites.medalign.reader import read
from tests.suites.medalign.release import GOLD_COLUMNS, REVIEW_COLUMNS, gold, review, write_records, write_release, write_table

BIG = "9923397605"


def test_items_answers_and_meta(tmp_path: Path) -> None:
    rows = [
        gold(BIG, annotator="Annotator_3", answer='Third "answer"\twith a tab'),
        gold(BIG, annotator="Annotator_1", answer="First\nanswer"),
        gold(BIG, annotator="Annotator_2", answer="Second"),
        gold("27057354", "700000002", is_applicable="no", is_sufficient=""),
        gold("27057355", "700000002", answer=""),
    ]
    dataset = READERS.get("medalign")(write_release(tmp_path, rows, "700000001", "700000002"), {})
    first, second = dataset.items
    assert first.id == BIG and first.question == f"Question {BIG}?"
    assert first.references == ("First\nanswer", "Second", 'Third "answer"\twith a tab')
    assert (first.record_id, first.group) == ("700000001.xml", "700000001")
    assert first.meta == {"n_annotators": 3, "is_applicable": True, "is_sufficient": False, "specialty": "Cardiology"}
    assert second.meta["is_applicable"] is False and second.meta["is_sufficient"] is None
    assert dataset.load_record is not None
    assert 'person_id="700000002"' in dataset.load_record("700000002.xml").text
    assert sorted(path.name for path in dataset.files) == [
        "700000001.xml",
        "700000002.xml",
        "clinician-instruction-responses.tsv",
    ]
    assert dataset.warnings == (
        "clinician-instruction-responses.tsv: 1 rows have no gold answer",
        "clinician-instruction-responses.tsv: 1 instructions have no gold answer and are not items",
    )


def test_authors_are_named_where_a_table_has_them(tmp_path: Path) -> None:
    rows = [
        gold("1", annotator="Annotator_1") | {"author": "Ada", "gold_author": "Ben"},
        gold("2") | {"author": "", "gold_author": ""},
    ]
    rows.append(gold("1", annotator="Annotator_2", answer="Another") | {"author": "Ada", "gold_author": "Cyd"})
    write_table(tmp_path / "clinician-instruction-responses.tsv", (*GOLD_COLUMNS, "author", "gold_author"), rows)
    write_records(tmp_path / "ehrs", "700000001")
    first, second = read(tmp_path, {}).items
    assert first.meta["authors"] == ["Ada", "Ben", "Cyd"]
    assert "authors" not in second.meta


ARRANGEMENTS = {
    "release": ("files/medalign_instructions_v1_3", "ehrs"),
    "other users'": ("MedAlign_files/medalign_instructions_v1_3", "ehrs"),
    "unpacked": ("medalign_instructions_v1_3", "ehrs"),
    "one above": ("medalign/files/medalign_instructions_v1_3", "ehrs"),
    "HELM's": ("", "medalign_ehr_xml"),
    "records above the tables": ("files/medalign_instructions_v1_3", "../../ehrs"),
}


@pytest.mark.parametrize("tables, records", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_arrangements(tmp_path: Path, tables: str, records: str) -> None:
    folder = tmp_path / tables
    write_table(folder / "clinician-instruction-responses.tsv", GOLD_COLUMNS, [gold("1")])
    write_records(folder / records, "700000001")
    dataset = read(tmp_path, {})
    assert [item.id for item in dataset.items] == ["1"]
    assert len(dataset.digest()) == 64


def test_digest_does_not_depend_on_the_folder_named(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "files" / "medalign_instructions_v1_3", [gold("1")])
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    assert read(tmp_path, {}).digest() == read(folder, {}).digest() == read(copy, {}).digest()


def test_pre_release_with_csv_prefixed_records_and_a_table_of_patients(tmp_path: Path) -> None:
    columns = [column for column in GOLD_COLUMNS if column not in ("person_id", "filename")]
    write_table(tmp_path / "clinician-instruction-responses.csv", columns, [gold("1"), gold("2")])
    labels = [
        {"instruction_id": "1", "question": "", "person_id": "5", "is_selected_ehr": "no"},
        {"instruction_id": "1", "question": "", "person_id": "700000001", "is_selected_ehr": "yes"},
        {"instruction_id": "2", "question": "", "person_id": "700000002", "is_selected_ehr": "yes"},
    ]
    write_table(tmp_path / "ehr-relevance-labels.csv", list(labels[0]), labels)
    write_records(tmp_path / "full_patient_ehrs", "700000001", "700000002", prefix="EHR_")
    (tmp_path / "full_patient_ehrs" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "full_patient_ehrs" / "EHR_x.xml").write_bytes(b"")
    dataset = read(tmp_path, {})
    assert [(item.record_id, item.group) for item in dataset.items] == [
        ("EHR_700000001.xml", "700000001"),
        ("EHR_700000002.xml", "700000002"),
    ]
    assert dataset.warnings == ("the record folder has 2 files that no patient's number names; they are not used",)


def test_reviews_alone_give_items_as_in_helm(tmp_path: Path) -> None:
    rows = [review("1", "a"), review("1", "b", clinician_response="Yes, indeed."), review("2", "a")]
    write_table(tmp_path / "clinician-reviewed-model-responses.tsv", REVIEW_COLUMNS, rows)
    write_records(tmp_path / "medalign_ehr_xml", "700000001")
    assert [(item.id, item.references) for item in read(tmp_path, {}).items] == [
        ("1", ("Yes.", "Yes, indeed.")),
        ("2", ("Yes.",)),
    ]


def test_public_record_under_its_own_name(tmp_path: Path, shared_dir: Path) -> None:
    rows = [gold("1001007672", "", filename="sample-ehr-clean.xml", question="Does she take anything at home for sleep?")]
    folder = write_release(tmp_path, rows)
    shutil.copy(shared_dir / "data/medalign-public/sample-ehr-clean.xml", folder / "ehrs")
    shutil.copy(shared_dir / "data/medalign-public/instructions-sample.csv", folder)
    dataset = read(folder, {"rendering": "visits"})
    (item,) = dataset.items
    assert (item.record_id, item.group) == ("sample-ehr-clean.xml", "sample-ehr-clean.xml")
    assert (item.meta["category"], item.meta["subcategory"]) == ("Retrieve & Summarize", "retrieve medication information")
    assert dataset.load_record is not None and dataset.load_record("sample-ehr-clean.xml").text.startswith("<visit ")


def test_missing_records_are_named_and_left_out_only_on_request(tmp_path: Path) -> None:
    rows = [gold("1"), gold("2", "700000002"), gold("3", "700000003")]
    folder = write_release(tmp_path, rows, "700000001")
    with pytest.raises(
        MissingError, match=r"2 of 3 instructions have no record file in .*ehrs: items 2, 3; .*allow_missing: true"
    ):
        read(folder, {})
    dataset = read(folder, {"allow_missing": True})
    assert [item.id for item in dataset.items] == ["1"]
    assert "2 instructions are left out because their record is not there: 2, 3" in dataset.warnings
    shutil.rmtree(folder / "ehrs")
    with pytest.raises(MissingError, match="3 of 3"):
        read(folder, {"allow_missing": True})


def test_empty_folders_and_two_releases(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"expected clinician-instruction-responses\.tsv .* --data-dir sample"):
        read(tmp_path, {})
    for version in ("v1_2", "v1_3"):
        write_release(tmp_path / "files" / f"medalign_instructions_{version}", [gold("1")])
    with pytest.raises(UsageError, match="two MedAlign releases"):
        read(tmp_path, {})


FAULTS = {
    "float id": ([gold("1.0")], "row 1: instruction_id was saved as a floating-point"),
    "float id in scientific notation": ([gold("9.92E+09")], "floating-point"),
    "no id": ([gold("1"), gold("")], ":3: row 2: instruction_id is empty"),
    "text for an id": ([gold("secret canary")], "instruction_id is not an id"),
    "two patients": ([gold("1"), gold("1", "700000002", "Annotator_2")], "instruction 1 names another patient"),
    "two answers by one": ([gold("1"), gold("1", answer="secret canary")], "another answer by the same annotator"),
    "no question": ([gold("1", question=" ")], "instruction 1 has no question"),
    "a way out": ([gold("1", filename="../../etc/passwd")], "filename must name a file"),
    "no answers": ([gold("1", answer="")], "none of 1 instructions has a gold answer"),
}


@pytest.mark.parametrize("rows, message", FAULTS.values(), ids=FAULTS)
def test_faults_name_the_row_and_no_text(tmp_path: Path, rows: list[dict[str, str]], message: str) -> None:
    with pytest.raises(EhrbenchError, match=message) as caught:
        read(write_release(tmp_path, rows), {})
    assert "canary" not in str(caught.value)


def test_repeated_rows_and_reworded_questions_are_counted(tmp_path: Path) -> None:
    rows = [gold("1"), gold("1"), gold("1", annotator="Annotator_2", question="Otherwise?")]
    dataset = read(write_release(tmp_path, rows), {})
    assert dataset.items[0].question == "Question 1?" and dataset.items[0].meta["n_annotators"] == 2
    assert (
        len(dataset.warnings) == 2
        and "1 rows repeat" in dataset.warnings[0]
        and "1 rows word the question" in dataset.warnings[1]
    )


def test_unknown_options_and_columns(tmp_path: Path) -> None:
    folder = write_release(tmp_path, [gold("1")])
    with pytest.raises(UsageError, match="unknown key of data.options 'alow_missing'"):
        read(folder, {"alow_missing": True})
    with pytest.raises(UsageError, match="rendering is 'md'"):
        read(folder, {"rendering": "md"})
    assert read(folder, {"columns": {"gold": "evidence"}}).items[0].references == ("note",)


def test_category_tables(tmp_path: Path) -> None:
    folder = write_release(tmp_path, [gold("1"), gold("2"), gold("3")])
    table = folder / "instruction-categories.csv"
    table.write_text("instruction_id,category,subcategory\n1,,provide risk assessment\n2,Other,\n3,,\n")
    metas = [item.meta for item in read(folder, {}).items]
    assert [meta.get("category") for meta in metas] == ["Calculation & Scoring", "Other", None]
    assert table in read(folder, {}).files
    table.write_text("instruction_id,subcategory\n1,cooking\n")
    with pytest.raises(UsageError, match=r"categories\.csv:2: row 1: the subcategory is not in MedAlign's taxonomy"):
        read(folder, {})
    table.write_text("instruction_id,subcategory\n1,other\n1,provide risk assessment\n")
    with pytest.raises(UsageError, match="row 2: instruction 1 has another category"):
        read(folder, {})
    with pytest.raises(UsageError, match="leads out of the data folder"):
        read(folder, {"categories": "../other.csv"})
