"""The release's other form, patients' files with index tables: the same items as from serialised rows; what can be wrong."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.mimic.tables import Mimic
from ehrbench.readers.dataset import Dataset
from ehrbench.suites.ehr_bench.build.index import patient_samples
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.patient_file import PatientFile
from ehrbench.suites.ehr_bench.build.prepare import Options, Summary, prepare
from ehrbench.suites.ehr_bench.build.profile import PROFILES
from ehrbench.suites.ehr_bench.build.rows import TASKS, index_row
from ehrbench.suites.ehr_bench.parquet import Contexts
from ehrbench.suites.ehr_bench.reader import read
from tests.suites.ehr_bench.build.test_synthetic_patient import load

LABS = {"task": "labevents", "type": "decision_making"}
Edit = Callable[[list[dict[str, str]]], object]


def built(mimic: Mimic, maps: Maps | None, folder: Path, options: Options) -> tuple[Path, Path, Summary]:
    """The same rows in both forms."""
    prepare(mimic, folder / "jsonl", options, maps)
    summary = prepare(mimic, folder / "parquet", replace(options, layout="parquet"), maps)
    return folder / "jsonl", folder / "parquet", summary


def both(jsonl: Path, parquet: Path, summary: Summary, **more: str) -> Iterator[tuple[Dataset, Dataset]]:
    for kind, tasks in TASKS.items():
        for task in tasks:
            if summary.written.get(task):
                options = {"task": task, "type": kind, **more}
                yield read(jsonl, options), read(parquet, options)


def assert_same(one: Dataset, other: Dataset) -> None:
    assert list(one.items) == list(other.items)
    assert one.load_record is not None and other.load_record is not None
    for item in one.items:
        assert one.load_record(item.record_id or "") == other.load_record(item.record_id or ""), item.id


@pytest.fixture(scope="module")
def demo(shared_dir: Path) -> Mimic:
    return Mimic(shared_dir / "data" / "mimic-iv-demo", ed=shared_dir / "data" / "mimic-iv-ed-demo")


@pytest.fixture(scope="module")
def forms(demo: Mimic, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Summary]:
    return built(demo, None, tmp_path_factory.mktemp("forms"), Options("clean", per_task=6))


def test_both_forms_of_the_demo_give_the_same_items_and_records(forms: tuple[Path, Path, Summary]) -> None:
    n = 0
    for one, other in both(*forms):
        assert_same(one, other)
        assert one.open_data and other.open_data
        n += len(one.items)
    assert n == sum(forms[2].written.values()) > 150


@pytest.mark.parametrize("profile", ["ref", "fixed", "clean"])
def test_both_forms_of_the_synthetic_patient_agree_on_mapped_names_and_notes(
    synthetic: tuple[Mimic, Maps], tmp_path: Path, profile: str
) -> None:
    """Notes, examinations, CCS and ATC names; under ``ref`` codes lose their leading zeros, and so they must in both forms."""
    mimic, maps = synthetic
    jsonl, parquet, summary = built(mimic, maps, tmp_path, Options(profile))
    texts = []
    for one, other in both(jsonl, parquet, summary, patient_block="record"):
        assert_same(one, other)
        assert not other.warnings
        assert other.load_record is not None
        texts += [other.load_record(item.record_id or "").text for item in other.items]
    assert any("- Exam_Name: ['CHEST (PORTABLE AP)']" in text for text in texts)
    assert any("- Ccs Type: Other vascular catheterization" in text for text in texts)
    assert any("- Atc Type: Sulfonamides, plain" in text for text in texts) == (profile != "ref")


def test_codes_as_text_mend_a_release_that_lost_their_zeros(synthetic: tuple[Mimic, Maps], tmp_path: Path) -> None:
    mimic, maps = synthetic
    prepare(mimic, tmp_path, Options("ref", layout="parquet"), maps)
    task = {"task": "Inpatient_Mortality", "type": "risk_prediction"}
    for codes, name in (("released", "None"), ("text", "Sulfonamides, plain")):
        dataset = read(tmp_path, task | {"codes": codes})
        assert dataset.load_record is not None
        assert f"- Atc Type: {name}" in dataset.load_record(dataset.items[0].id).text


def test_the_checked_contexts_come_out_of_the_patients_file(
    synthetic: tuple[Mimic, Maps], golden: dict[str, Any], tmp_path: Path
) -> None:
    """Their rows are written here: the filter leaves out the emergency's window of nine events."""
    mimic, maps = synthetic
    prepare(mimic, tmp_path, Options("ref", layout="parquet"), maps)
    (tmp_path / "stage").mkdir()
    samples = patient_samples(load(synthetic, tmp_path / "stage"), PROFILES["ref"])
    write_rows(tmp_path, [index_row(sample) for sample in samples if sample.task in golden["expected_inputs"]])
    for task, expected in golden["expected_inputs"].items():
        dataset = read(tmp_path, {"task": task, "type": "risk_prediction", "patient_block": "record"})
        assert dataset.load_record is not None
        assert dataset.load_record(dataset.items[0].id).text == expected["input"]
        assert dataset.items[0].labels == (expected["label"],)


def test_the_same_seed_gives_the_same_bytes(demo: Mimic, forms: tuple[Path, Path, Summary], tmp_path: Path) -> None:
    _, parquet, _ = forms
    prepare(demo, tmp_path, Options("clean", per_task=6, layout="parquet"))
    files = sorted(path for path in parquet.rglob("*") if path.is_file())
    assert len(files) > 50
    for path in files:
        assert path.read_bytes() == (tmp_path / path.relative_to(parquet)).read_bytes(), path.name


def test_a_patients_file_holds_the_raw_rows(forms: tuple[Path, Path, Summary]) -> None:
    _, parquet, _ = forms
    frame = pl.read_parquet(sorted((parquet / "patients_ehr").iterdir())[0])
    assert frame.schema == dict.fromkeys(("file_name", "starttime", "endtime", "hadm_id", "items"), pl.String())
    assert frame["file_name"][0] == "patients" and frame["starttime"][0] is None
    rows = [row for items in frame["items"] for row in json.loads(items)]
    assert all(isinstance(value, str) for row in rows for value in row.values())
    labs = [json.loads(items) for name, items in frame.select("file_name", "items").rows() if name == "labevents"]
    assert {"itemid", "valuenum", "storetime", "order_provider_id"} <= set(labs[0][0])
    assert any(value == "nan" for row in labs[0] for value in row.values())


def test_each_patients_file_is_read_once(forms: tuple[Path, Path, Summary], monkeypatch: pytest.MonkeyPatch) -> None:
    _, parquet, _ = forms
    read_files: Counter[str] = Counter()
    original = PatientFile.__init__

    def counted(self: PatientFile, path: Path) -> None:
        read_files[path.name] += 1
        original(self, path)

    monkeypatch.setattr(PatientFile, "__init__", counted)
    dataset = read(parquet, LABS)
    assert dataset.load_record is not None
    for item in [*dataset.items, *dataset.items]:
        dataset.load_record(item.id)
    wanted = {f"{item.group}.parquet" for item in dataset.items}
    assert read_files == dict.fromkeys(wanted, 1)
    assert len(wanted) < len(list((parquet / "patients_ehr").iterdir())), "the whole folder was not read"


def test_contexts_that_do_not_fit_are_made_again(forms: tuple[Path, Path, Summary], monkeypatch: pytest.MonkeyPatch) -> None:
    _, parquet, _ = forms
    whole = read(parquet, LABS)
    original = Contexts.__init__

    def small(self: Contexts, *arguments: Any) -> None:
        original(self, *arguments, held=1)
        contexts.append(self)

    contexts: list[Contexts] = []
    monkeypatch.setattr(Contexts, "__init__", small)
    tight = read(parquet, LABS)
    assert_same(whole, tight)
    assert len(contexts[0]._held) == 1


def test_the_layout_is_found_in_the_folder_of_its_index_tables_too(forms: tuple[Path, Path, Summary], tmp_path: Path) -> None:
    jsonl, parquet, _ = forms
    inside = parquet / "ehr_bench"
    assert read.recognises(parquet, LABS) and read.recognises(inside, LABS)
    assert_same(read(parquet, LABS), read(inside, LABS))
    both_forms = tmp_path / "both"
    shutil.copytree(parquet, both_forms)
    shutil.copy(jsonl / "ehr_bench_decision_making.jsonl", both_forms)
    assert [path.suffix for path in read(both_forms, LABS).files] == [".jsonl"], "the serialised rows come first"
    assert read(both_forms, LABS | {"release": "parquet"}).files[0].suffix == ".csv"
    with pytest.raises(MissingError, match=r"ehr_bench_decision_making\.jsonl"):
        read(parquet, LABS | {"release": "jsonl"})


# What can be wrong


@pytest.fixture
def release(synthetic: tuple[Mimic, Maps], tmp_path: Path) -> Path:
    mimic, maps = synthetic
    prepare(mimic, tmp_path / "release", Options("fixed", layout="parquet"), maps)
    return tmp_path / "release"


MORTALITY = {"task": "Inpatient_Mortality", "type": "risk_prediction"}
INDEX = "ehr_bench/ehr_bench_risk_prediction.csv"


def index_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / INDEX).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    with (folder / INDEX).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"period_end": "31"}, r"the window \[\d+, 31\) is not within the 30 events of 90000001\.parquet"),
        ({"period_begin": "29", "period_end": "29"}, "is not within"),
        ({"period_begin": "x"}, "'period_begin' is not a whole number"),
        ({"period_begin": ""}, "must be whole numbers"),
        ({"admissions_id": "30.0"}, "admissions_id 30 is not among the 30 events"),
        ({"last_discharge_id": "44"}, "last_discharge_id 44 is not among"),
        ({"subject_id": "../7"}, "'subject_id' is not a whole number"),
        ({"target": "yes"}, "'target' is not JSON"),
        ({"target": "['yes']"}, "'target' is not JSON"),
        ({"target": "3"}, "neither a text nor a list"),
        ({"target": '["nan", ""]'}, "the gold is empty"),
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(release: Path, change: dict[str, str], message: str) -> None:
    rows = index_rows(release)
    (place,) = (i for i, row in enumerate(rows) if row["task"] == MORTALITY["task"])
    rows[place] |= change
    write_rows(release, rows)
    with pytest.raises(UsageError, match=rf"ehr_bench_risk_prediction\.csv:{place + 2}: .*{message}") as caught:
        read(release, MORTALITY)
    assert "Furosemide" not in str(caught.value)


def test_a_ragged_row_and_a_missing_column_are_named(release: Path) -> None:
    path = release / INDEX
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "90000001,1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=rf":{len(text.splitlines()) + 1}: row \d+ has 2 fields, the header has 9"):
        read(release, MORTALITY)
    path.write_text(text.replace("period_end", "end"), encoding="utf-8")
    with pytest.raises(UsageError, match="no column period_end"):
        read(release, MORTALITY)


def test_a_gold_as_plain_text_counts_as_a_list_of_one(release: Path) -> None:
    path = release / "ehr_bench" / "ehr_bench_decision_making.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    emar = next(row for row in rows if row["task"] == "emar")
    plain = emar | {"target": json.dumps(json.loads(emar["target"])[0])}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, plain])
    dataset = read(release, {"task": "emar", "type": "decision_making"})
    assert [item.labels for item in dataset.items] == [("Furosemide",)] * 2
    assert "1 golds are a plain text and count as a list of one" in dataset.warnings


def test_missing_patients_are_counted_and_may_be_left_out(release: Path) -> None:
    rows = index_rows(release)
    (own,) = (row for row in rows if row["task"] == MORTALITY["task"])
    write_rows(release, [*rows, own | {"subject_id": "8"}, own | {"subject_id": "9"}])
    first = len(rows) + 2
    with pytest.raises(MissingError, match=rf":{first}: 2 of 3 rows .* 2 patients .*{first}: 8\.parquet.*allow_missing"):
        read(release, MORTALITY)
    dataset = read(release, MORTALITY | {"allow_missing": True})
    assert [item.group for item in dataset.items] == ["90000001"]
    assert any("2 of 3 rows" in warning and "left out" in warning for warning in dataset.warnings)
    (release / "patients_ehr" / "90000001.parquet").unlink()
    with pytest.raises(MissingError, match="3 of 3 rows"):
        read(release, MORTALITY | {"allow_missing": True})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("items"), r"90000001\.parquet has no column items"),
        (lambda frame: frame.with_columns(items=pl.lit("[")), "row 0: 'items' is not a JSON list of objects"),
        (lambda frame: frame.with_columns(items=pl.lit("[]")), "row 0: 'items' is not"),
        (lambda frame: frame.with_columns(starttime=pl.lit("1 May")), "row 0: a time is not of the form"),
        (lambda frame: frame.with_columns(hadm_id=pl.lit("A1")), "row 0: 'hadm_id' is neither digits nor null"),
    ],
)
def test_a_malformed_patients_file_is_named(release: Path, change: Callable[[pl.DataFrame], pl.DataFrame], message: str) -> None:
    path = release / "patients_ehr" / "90000001.parquet"
    change(pl.read_parquet(path)).write_parquet(path)
    with pytest.raises(UsageError, match=message):
        read(release, MORTALITY)


def test_a_file_that_is_no_parquet_and_columns_of_other_types(release: Path) -> None:
    path = release / "patients_ehr" / "90000001.parquet"
    expected = read(release, MORTALITY)
    frame = pl.read_parquet(path)
    typed = frame.with_columns(pl.col("starttime", "endtime").str.to_datetime(), pl.col("hadm_id").cast(pl.Float64))
    typed.write_parquet(path)
    assert_same(read(release, MORTALITY), expected)
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(UsageError, match=r"90000001\.parquet is not a readable Parquet file"):
        read(release, MORTALITY)


def test_missing_names_of_codes(release: Path) -> None:
    for name in ("hosp/d_atc_prescriptions.csv", "note/radiology_detail.csv"):
        (release / "index_mapping" / name).unlink()
    dataset = read(release, MORTALITY)
    assert dataset.load_record is not None
    text = dataset.load_record(dataset.items[0].id).text
    assert "- Exam_Name: None" in text and "- Atc Type: None" in text
    said = "2 rows of events show None where the release may have a name, for index_mapping/hosp/d_atc_prescriptions.csv, "
    assert f"{said}index_mapping/note/radiology_detail.csv are not in {release}" in dataset.warnings
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    del (
        manifest["files"]["index_mapping/hosp/d_atc_prescriptions.csv"],
        manifest["files"]["index_mapping/note/radiology_detail.csv"],
    )
    (release / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert not read(release, MORTALITY).warnings, "what was built without maps need not be told again"
    (release / "index_mapping" / "hosp" / "d_labitems.csv").write_text("itemid,name\n50912,Creatinine\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"d_labitems\.csv has no column label"):
        read(release, MORTALITY)
    (release / "index_mapping" / "hosp" / "d_labitems.csv").unlink()
    with pytest.raises(MissingError, match=r"d_labitems\.csv is not there; the patients' files hold codes"):
        read(release, MORTALITY)


def test_tables_that_a_context_does_not_know_are_empty_blocks_and_absent_keys_none(release: Path) -> None:
    path = release / "patients_ehr" / "90000001.parquet"
    frame = pl.read_parquet(path).with_columns(
        file_name=pl.col("file_name").replace("pharmacy", "somethingelse"),
        items=pl.when(pl.col("file_name") == "poe").then(pl.lit('[{"order_type": "Lab"}]')).otherwise("items"),
    )
    frame.write_parquet(path)
    dataset = read(release, MORTALITY)
    assert dataset.load_record is not None
    text = dataset.load_record(dataset.items[0].id).text
    assert "- Order_Type: Lab\n- Order_Subtype: None\n\n\n\n## Prescriptions" in text


# Candidates


def candidates_of(release: Path, text: str, **options: str) -> tuple[str, ...]:
    folder = release / "cache" / "similar_item"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "emar.csv").write_text(text, encoding="utf-8")
    dataset = read(release, {"task": "emar", "type": "decision_making"} | options)
    assert any("drawn here" in warning for warning in dataset.warnings)
    assert folder / "emar.csv" in dataset.files
    return dataset.items[0].choices


def test_a_small_vocabulary_is_shown_whole(release: Path) -> None:
    """The list has no header: the release loses its first item, and its ragged rows make items called nan only when drawn."""
    listed = "Heparin,a,b\nAspirin,c,\nInsulin,,\n"
    assert sorted(candidates_of(release, listed)) == ["Aspirin", "Furosemide", "Heparin", "Insulin"]
    assert sorted(candidates_of(release, listed, candidates="released")) == ["Aspirin", "Insulin"]


def test_from_a_large_vocabulary_what_is_similar_to_the_gold_is_drawn(release: Path) -> None:
    similar = [f"similar {n}" for n in range(150)]
    rows = ["first,x", ",".join(["Furosemide", *similar]), *(f"other {n},y" for n in range(120))]
    found = candidates_of(release, "\n".join(rows) + "\n")
    assert len(found) == 101 and "Furosemide" in found and set(found) <= {"Furosemide", *similar}
    assert found == candidates_of(release, "\n".join(rows) + "\n"), "the same draw each time"
    short = "first,x\nFurosemide,Torsemide,nan,\n" + "".join(f"other {n},y\n" for n in range(120))
    assert sorted(candidates_of(release, short)) == ["Furosemide", "Torsemide"]
    assert sorted(candidates_of(release, short, candidates="released")) == ["Furosemide", "Torsemide", "nan"]


# Preparing


def test_a_release_of_the_authors_is_never_replaced(synthetic: tuple[Mimic, Maps], tmp_path: Path) -> None:
    (tmp_path / "patients_ehr").mkdir()
    with pytest.raises(UsageError, match="patients_ehr, which .* did not write"):
        prepare(synthetic[0], tmp_path, Options("ref"))
    assert [path.name for path in tmp_path.iterdir()] == ["patients_ehr"]


def test_another_layout_replaces_ours(synthetic: tuple[Mimic, Maps], tmp_path: Path) -> None:
    mimic, maps = synthetic
    prepare(mimic, tmp_path, Options("fixed", layout="parquet"), maps)
    prepare(mimic, tmp_path, Options("fixed"), maps)
    assert not (tmp_path / "patients_ehr").exists() and not (tmp_path / "ehr_bench").exists()
    prepare(mimic, tmp_path, Options("fixed", layout="parquet"), maps)
    assert not list(tmp_path.glob("*.jsonl")) and not list(tmp_path.glob("*.csv"))
    with pytest.raises(EhrbenchError, match="did you mean 'parquet'"):
        prepare(mimic, tmp_path, Options("fixed", layout="parket"), maps)


# A release that was not written here: the checked example's own tables, cut into its own events


@pytest.fixture
def foreign(golden: dict[str, Any], tmp_path: Path) -> Path:
    """The synthetic patient's file as pandas and the authors' code leave it, and the authors' tables of names."""
    left = {name.split("/")[1]: list(csv.DictReader(text.splitlines())) for name, text in golden["raw_csv"].items()}
    left["discharge"] = [
        row | {"text": "Discharge text\nline2"} for row in csv.DictReader(golden["raw_csv"]["note/discharge"].splitlines()[:2])
    ]
    events = []
    for _, table, start, end, hadm, n in golden["expected_events"]["rows"]:
        rows, left[table] = left[table][:n], left[table][n:]
        items = [{key: value or "nan" for key, value in row.items()} for row in rows]
        for item in items:  # a column of digits is a number to pandas
            for name in {"ndc"} | ({"icd_code"} if table == "diagnosis" else set()):
                if name in item:
                    item[name] = str(int(item[name]))
        events.append((table, start, end, hadm, json.dumps(items)))
    columns = ("file_name", "starttime", "endtime", "hadm_id", "items")
    (tmp_path / "patients_ehr").mkdir()
    frame = pl.DataFrame(events, schema=dict.fromkeys(columns, pl.String()), orient="row")
    frame.write_parquet(tmp_path / "patients_ehr" / "90000001.parquet")
    for name, text in golden["index_mapping_csv"].items():
        path = tmp_path / "index_mapping" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "ehr_bench").mkdir()
    header = "subject_id,hadm_id,task,event,period_begin,period_end,admissions_id,last_discharge_id,target"
    lines = [
        '90000001,20000001,ED_Hospitalization,edstays,3,11,,,"""yes"""',
        '90000001,20000001,Inpatient_Mortality,admissions,9,26,9.0,,"""yes"""',
    ]
    (tmp_path / INDEX).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("task", ["ED_Hospitalization", "Inpatient_Mortality"])
def test_a_release_written_by_others_gives_the_checked_contexts(foreign: Path, golden: dict[str, Any], task: str) -> None:
    dataset = read(foreign, {"task": task, "type": "risk_prediction", "patient_block": "record"})
    assert dataset.load_record is not None
    assert dataset.load_record(dataset.items[0].id).text == golden["expected_inputs"][task]["input"]
    assert not dataset.open_data
    apart = read(foreign, {"task": task, "type": "risk_prediction"})
    assert apart.items[0].group == "90000001"
    assert apart.items[0].slots["patient"].startswith("## Patient Demographics [None]\n- Anchor_Age: 61")
