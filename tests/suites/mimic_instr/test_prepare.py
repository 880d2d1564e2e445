from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.errors import MissingError, UsageError
from ehrbench.mimic import portions, staging, stretches
from ehrbench.mimic.split import SPLITS, read_split, split_patients
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.mimic_instr.build.prepare import Options, prepare
from tests.conftest import GOLDEN
from tests.mimic.tiny_mimic import write_table


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def prepared(demo: Mimic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "mimic_instr"
    prepare(demo, out, Options(seed=1))
    return out


@pytest.mark.demo_data
def test_the_demo_gives_the_same_bytes_twice(demo: Mimic, prepared: Path, tmp_path: Path) -> None:
    summary = prepare(demo, tmp_path, Options(seed=1))
    names = sorted(p.relative_to(prepared).as_posix() for p in prepared.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    for name in names:
        assert (tmp_path / name).read_bytes() == (prepared / name).read_bytes(), name
    assert (summary.admissions, summary.patients, summary.questions) == (119, 95, 714)
    (tmp_path / ".preparing-x").mkdir()  # of a killed process
    (tmp_path / ".preparing-x" / "stage.parquet").touch()
    prepare(demo, tmp_path, Options(seed=2))  # over the old files
    assert (tmp_path / "qa_event.jsonl").read_bytes() != (prepared / "qa_event.jsonl").read_bytes()
    assert not list(tmp_path.glob(".preparing-*"))


@pytest.mark.demo_data
@pytest.mark.parametrize("held", [1000, 1])
def test_the_size_of_portions_decides_nothing(
    demo: Mimic, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(staging, "STRETCH", 17)
    monkeypatch.setattr(stretches, "HELD_ROWS", held)
    monkeypatch.setattr(portions, "AT_ONCE", 10)
    monkeypatch.setattr("ehrbench.suites.mimic_instr.build.prepare.PORTION", 40)
    prepare(demo, tmp_path, Options(seed=1))
    for path in prepared.glob("*.*"):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name
    assert len(list((tmp_path / "records").iterdir())) == 3
    again, lists = (pl.read_parquet(folder / "records" / "*.parquet") for folder in (tmp_path, prepared))
    assert again.equals(lists)


@pytest.mark.demo_data
def test_the_files(prepared: Path) -> None:
    questions = rows(prepared / "qa_event.jsonl")
    assert len({q["id"] for q in questions}) == len(questions) == 714
    subset = rows(prepared / "qa_test_subset.jsonl")
    assert len(subset) == len({q["subject_id"] for q in subset}) == 10
    assert all(q in questions and q["split"] == "test" for q in subset)
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert manifest["open_data"] is True
    assert "ODbL" in manifest["notice"]
    assert manifest["counts"]["events"]["labevents"] == 44_184
    assert (prepared / ".gitignore").read_text() == "*\n"
    assert prepared.stat().st_mode & 0o077 == 0
    assert "/" not in json.dumps([t["file"] for t in manifest["tables"].values()])
    cohort = pl.read_csv(prepared / "cohort.csv")
    assert cohort.columns[:5] == ["subject_id", "hadm_id", "stay_id", "hadm_intime", "hadm_outtime"]
    patients = {name: set(pl.read_csv(prepared / f"cohort_{name}.csv")["subject_id"]) for name in SPLITS}
    assert sum(map(len, patients.values())) == len(set.union(*patients.values())) == 95
    lists = pl.read_parquet(prepared / "records" / "*.parquet")
    assert dict(lists.select("hadm_id", pl.col("text").list.len()).iter_rows()) == dict(
        cohort.select("hadm_id", "len_selected").iter_rows()
    )


@pytest.mark.demo_data
def test_everything_about_one_admission(demo: Mimic, tmp_path: Path) -> None:
    summary = prepare(demo, tmp_path, Options(profile="released", everything=True, hadm_ids=(22675517,)))
    found = {(q["q"], q["a"]) for q in rows(tmp_path / "qa_all.jsonl")}
    goldens = [json.loads(line) for line in (GOLDEN / "mimic-instr-qa.jsonl").read_text().splitlines()]
    mine = {(g["q"], g["a"]) for g in goldens if g["hadm_id"] == 22675517}
    assert len(mine) == 2
    assert mine <= found
    assert summary.all_questions == len(rows(tmp_path / "qa_all.jsonl")) > 5000
    prepare(demo, tmp_path, Options())
    assert not (tmp_path / "qa_all.jsonl").exists()


@pytest.mark.demo_data
def test_options_that_cannot_be_met_are_refused(demo: Mimic, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--hadm-id: 1 is not in the cohort of 119"):
        prepare(demo, tmp_path, Options(everything=True, hadm_ids=(1,)))
    with pytest.raises(UsageError, match="more than 3 events"):
        prepare(demo, tmp_path, Options(max_events=3))
    assert [path.name for path in tmp_path.iterdir()] == [".gitignore"], "the folder is made private before anything is read"


@pytest.mark.demo_data
def test_a_list_that_is_too_long_is_counted(demo: Mimic, tmp_path: Path) -> None:
    summary = prepare(demo, tmp_path, Options(profile="released", max_events=1256))
    assert summary.too_long == 119 - summary.admissions > 0


@pytest.mark.demo_data
def test_the_triage_stands_in_for_the_chief_complaint(demo: Mimic, tmp_path: Path) -> None:
    prepare(demo, tmp_path, Options(chief_complaint="ed", n_questions=30))
    lists = pl.read_parquet(tmp_path / "records" / "*.parquet")
    assert sum("chief complaint: " in texts[1] for texts in lists["text"].to_list()) == 66
    assert any(q["template"] == "admission_info.complaint" for q in rows(tmp_path / "qa_event.jsonl"))
    assert json.loads((tmp_path / "manifest.json").read_text())["open_data"] is True


@pytest.mark.demo_data
def test_a_changed_table_is_not_open_data(demo: Mimic, shared_dir: Path, tmp_path: Path) -> None:
    source = shared_dir / "data" / "mimic-iv-demo"
    for module in ("hosp", "icu"):
        (tmp_path / "m" / module).mkdir(parents=True)
        for path in (source / module).iterdir():
            (tmp_path / "m" / module / path.name).symlink_to(path)
    changed = tmp_path / "m" / "hosp" / "transfers.csv.gz"
    rows = pl.read_csv(changed, infer_schema=False)
    changed.unlink()
    rows.filter(pl.col("eventtype") != "discharge").write_csv(changed.with_suffix(""))
    emptied = tmp_path / "m" / "hosp" / "prescriptions.csv.gz"
    header = gzip.decompress(emptied.read_bytes()).partition(b"\n")[0]
    emptied.unlink()
    emptied.with_suffix("").write_bytes(header + b"\n")
    summary = prepare(Mimic(tmp_path / "m"), tmp_path / "out", Options())
    assert not summary.open_data
    assert "credentialed" in json.loads((tmp_path / "out" / "manifest.json").read_text())["notice"]
    assert summary.warnings == [
        "no row of prescriptions makes an event of the cohort",
        "119 admissions have no discharge row in transfers, or several: nothing is asked about their discharge",
    ]


@given(st.sets(st.integers(0, 10**8), min_size=1, max_size=60), st.integers(0, 5))
def test_each_patient_is_in_one_split_whoever_else_is(patients: set[int], seed: int) -> None:
    split = split_patients(patients, seed)
    assert set(split) == patients
    assert split == split_patients(sorted(patients, reverse=True), seed)
    n = list(split.values())
    assert n.count("test") == n.count("val") <= max(1, -(-len(patients) // 10))


def test_a_split_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("hadm_id,split\n20,test\n21,test\n30,train\n99,val\n")
    assert read_split(path, {2: [20, 21], 3: [30], 4: [40]}) == {2: "test", 3: "train"}
    path.write_text("hadm_id,split\n20,test\n21,train\n")
    with pytest.raises(UsageError, match="row 3 puts a patient into 'train' whom an earlier row puts into 'test'"):
        read_split(path, {2: [20, 21]})
    path.write_text("hadm_id,split\n20,holdout\n")
    with pytest.raises(UsageError, match="row 2: 'split' must be one of train, val, test"):
        read_split(path, {2: [20]})
    path.write_text("hadm,split\n")
    with pytest.raises(UsageError, match="needs the columns"):
        read_split(path, {})


def test_a_missing_table_is_named_before_anything_is_written(tmp_path: Path) -> None:
    write_table(tmp_path / "m", "icustays", [])
    with pytest.raises(MissingError, match="no table 'admissions'") as caught:
        prepare(Mimic(tmp_path / "m"), tmp_path / "out", Options())
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out").exists()
