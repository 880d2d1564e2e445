from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ehrbench.mimic.cohort import build_cohort
from ehrbench.mimic.events import EVENT_TABLES, event_rows
from ehrbench.mimic.schema import TABLES
from ehrbench.mimic.tables import Mimic
from ehrbench.readers.data_dir import open_dataset
from ehrbench.readers.samples import write_sample
from ehrbench.suites.mimic_instr.prediction.cohort import outcomes
from ehrbench.tasks.catalog import load_catalog


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample("mimic", tmp_path_factory.mktemp("sample") / "mimic")


def test_it_is_small_marked_and_the_same_each_time(sample: Path, tmp_path: Path) -> None:
    again = write_sample("mimic", tmp_path / "mimic")
    files = [path for path in sorted(sample.rglob("*")) if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 100_000
    assert all(path.read_bytes() == (again / path.relative_to(sample)).read_bytes() for path in files)
    assert (sample / "README-SYNTHETIC.txt").read_text().startswith("SYNTHETIC DATA")


def test_it_has_the_releases_layout_and_nobody_of_the_release(sample: Path) -> None:
    mimic = Mimic(sample)
    for path in sample.rglob("*.csv.gz"):
        table = TABLES[path.name.split(".")[0]]
        assert path.parent.name == table.module
        assert gzip.decompress(path.read_bytes()).decode().splitlines()[0].split(",") == list(table.columns)
        rows = mimic.collect(mimic.scan(table.name))
        assert rows.height > 0
        if "subject_id" in rows.columns:
            assert rows["subject_id"].min() > 90_000_000  # MIMIC-IV's are below 20,000,000
        if "hadm_id" in rows.columns:
            assert rows["hadm_id"].min() > 90_000_000


def test_every_kind_of_event_and_oddity_is_there(sample: Path) -> None:
    mimic = Mimic(sample)
    cohort = build_cohort(mimic, chief_complaint="ed")
    assert cohort.admissions.height == cohort.n_patients == 12
    events = {event_type: event_rows(mimic, cohort, event_type) for event_type in EVENT_TABLES}
    assert all(rows.height > 0 for rows in events.values())
    assert mimic.collect(mimic.scan("labevents"))["value"].eq("___").any()
    assert events["labevents"]["text"].str.contains("  (", literal=True).any()  # a blank unit
    assert events["prescriptions"]["dose_val_rx"].is_null().any()
    assert events["transfers"]["at_us"].min() < 0  # the emergency department
    assert events["microbiologyevents"]["org_name"].n_unique() == 3
    assert sum("chief complaint" in text for text in events["admission_info"]["text"]) == 8
    assert [outcomes(mimic, cohort, task)["label"].sum() for task in ("mortality", "los", "readmission")] == [1, 5, 2]


@pytest.mark.parametrize("task", ["mimic_instr.schema", "mimic_instr.reasoning"])
def test_both_tasks_run_on_it(task: str) -> None:
    data = open_dataset(load_catalog().get(task), "sample")
    assert len(data.items) == len({item.group for item in data.items}) == 10
    assert data.load_record is not None
    record = data.load_record(data.items[0].record_id or "")
    assert record.text.startswith("0.00 hour, patient_demographics, gender: ")
    assert len(record.entries) > 50
    assert not data.open_data


@pytest.mark.parametrize("task", ["mortality", "los", "readmission", "diagnosis"])
def test_prediction_runs_on_it(task: str) -> None:
    data = open_dataset(load_catalog().get(f"mimic_instr.{task}"), "sample")
    assert {item.references[0] for item in data.items} == {"yes", "no"}
    assert len({item.group for item in data.items}) >= 9
    if task == "diagnosis":
        phenotypes = {item.meta["phenotype"] for item in data.items if item.references[0] == "yes"}
        assert len(phenotypes) >= 15
