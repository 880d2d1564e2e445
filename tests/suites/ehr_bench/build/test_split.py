"""Patients to ask about and patients to train on share nobody, and every row tells its part."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import UsageError
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.prepare import Options, Summary, prepare
from ehrbench.suites.ehr_bench.reader import read

BENCH = ("ehr_bench_decision_making", "ehr_bench_risk_prediction")


@pytest.fixture(scope="module")
def demo(shared_dir: Path) -> Mimic:
    return Mimic(shared_dir / "data" / "mimic-iv-demo", ed=shared_dir / "data" / "mimic-iv-ed-demo")


@pytest.fixture(scope="module")
def halves(demo: Mimic, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    out = tmp_path_factory.mktemp("split")
    return out, prepare(demo, out, Options(per_task=20, test_share=0.25, train_rows=30))


def infos(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["task_info"] for line in path.read_text(encoding="utf-8").splitlines()]


def parts_of(out: Path) -> dict[str, str]:
    with (out / "split.csv").open(encoding="utf-8", newline="") as file:
        return {row["subject_id"]: row["split"] for row in csv.DictReader(file)}


def test_no_patient_is_in_both_parts(halves: tuple[Path, Summary]) -> None:
    out, summary = halves
    parts = parts_of(out)
    assert summary.splits == {"test": 25, "train": 75}
    assert sorted(parts.values()).count("test") == 25 and len(parts) == 100
    for name, part, most in ((BENCH[0], "test", 20), (BENCH[1], "test", 20), ("ehr_ins", "train", 30)):
        rows = infos(out / f"{name}.jsonl")
        assert rows
        with (out / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            index = list(csv.DictReader(file))
        assert [row["subject_id"] for row in index] == [str(row["subject_id"]) for row in rows]
        assert {row["split"] for row in index} == {row["split"] for row in rows} == {part}
        assert {parts[row["subject_id"]] for row in index} == {part}
        largest = max(Counter(row["task"] for row in rows).values())
        assert largest <= most and (largest == most or name == BENCH[1])
    assert sum(summary.training.values()) == len(infos(out / "ehr_ins.jsonl"))
    train_tasks = {row["task"] for row in infos(out / "ehr_ins.jsonl")}
    assert {"labevents", "ICU_Readmission"} <= train_tasks, "both types are trained on"
    owners = {item.group for item in read(out, {"task": "labevents", "type": "decision_making"}).items}
    assert owners and {parts[str(owner)] for owner in owners} == {"test"}


def test_seed_and_layout(demo: Mimic, halves: tuple[Path, Summary], tmp_path: Path) -> None:
    out, _ = halves
    prepare(demo, tmp_path / "again", Options(per_task=20, test_share=0.25, train_rows=30, layout="parquet"))
    assert (tmp_path / "again" / "split.csv").read_bytes() == (out / "split.csv").read_bytes()
    task = {"task": "labevents", "type": "decision_making"}
    assert list(read(tmp_path / "again", task).items) == list(read(out, task).items)
    with (tmp_path / "again" / "ehr_ins" / "ehr_ins.csv").open(encoding="utf-8", newline="") as file:
        trained = {row["subject_id"] for row in csv.DictReader(file)}
    written = {path.stem for path in (tmp_path / "again" / "patients_ehr").iterdir()}
    assert trained < written


def test_another_seed_splits_otherwise_and_a_file_as_it_says(
    synthetic: tuple[Mimic, Maps], demo: Mimic, halves: tuple[Path, Summary], tmp_path: Path
) -> None:
    out, _ = halves
    file = tmp_path / "split.csv"
    file.write_text("split,subject_id\ntrain,90000001\n", encoding="utf-8")
    summary = prepare(synthetic[0], tmp_path / "train", Options("ref", split_file=file))
    assert summary.splits == {"train": 1} and sum(summary.written.values()) == 0 < sum(summary.training.values())
    file.write_text("split,hadm_id\ntest,20000001\n", encoding="utf-8")
    summary = prepare(synthetic[0], tmp_path / "test", Options("ref", split_file=file))
    assert summary.splits == {"test": 1} and sum(summary.training.values()) == 0 < sum(summary.written.values())
    again = prepare(demo, tmp_path / "file", Options(per_task=20, split_file=out / "split.csv", train_rows=30))
    assert again.splits == {"test": 25, "train": 75}
    for name in (*BENCH, "ehr_ins"):
        assert (tmp_path / "file" / f"{name}.jsonl").read_bytes() == (out / f"{name}.jsonl").read_bytes()
    other = prepare(demo, tmp_path / "other", Options(seed=1, per_task=2, test_share=0.25, train_rows=2))
    assert other.splits == {"test": 25, "train": 75}
    assert parts_of(tmp_path / "other") != parts_of(out)


def test_without_a_split_nothing_is_told(synthetic: tuple[Mimic, Maps], tmp_path: Path) -> None:
    summary = prepare(synthetic[0], tmp_path, Options("ref"))
    assert not summary.splits and not summary.training
    assert not (tmp_path / "split.csv").exists() and not (tmp_path / "ehr_ins.jsonl").exists()
    rows = infos(tmp_path / f"{BENCH[0]}.jsonl")
    assert rows and not any("split" in row for row in rows)


@pytest.mark.parametrize("options", [Options(test_share=0.0), Options(test_share=1.0)])
def test_shares_that_split_nothing_are_refused(synthetic: tuple[Mimic, Maps], tmp_path: Path, options: Options) -> None:
    with pytest.raises(UsageError, match="above 0 and below 1"):
        prepare(synthetic[0], tmp_path / "out", options)
    with pytest.raises(UsageError, match="not by both"):
        prepare(synthetic[0], tmp_path / "out", Options(test_share=0.5, split_file=tmp_path / "split.csv"))
