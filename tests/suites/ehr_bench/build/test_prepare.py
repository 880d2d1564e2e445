"""The prepared folder: the same bytes for the same seed, readable as the release is, with every sample's patient and window."""

from __future__ import annotations

import csv
import json
from collections import Counter
from math import log
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.choose import Choice
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.prepare import Options, Summary, prepare
from ehrbench.suites.ehr_bench.build.rows import TASKS, metric_tag
from ehrbench.suites.ehr_bench.build.sample import Sample
from ehrbench.suites.ehr_bench.reader import read
from ehrbench.tasks.catalog import load_catalog

FILES = ("ehr_bench_decision_making", "ehr_bench_risk_prediction")


@pytest.fixture(scope="module")
def demo(shared_dir: Path) -> Mimic:
    return Mimic(shared_dir / "data" / "mimic-iv-demo", ed=shared_dir / "data" / "mimic-iv-ed-demo")


@pytest.fixture(scope="module")
def prepared(demo: Mimic, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    out = tmp_path_factory.mktemp("prepared")
    return out, prepare(demo, out, Options("ref", per_task=40))


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    demo: Mimic, prepared: tuple[Path, Summary], tmp_path: Path
) -> None:
    out, _ = prepared
    prepare(demo, tmp_path / "again", Options("ref", per_task=40))
    prepare(demo, tmp_path / "other", Options("ref", seed=1, per_task=40))
    for path in out.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    name = f"{FILES[0]}.jsonl"
    assert (out / name).read_bytes() != (tmp_path / "other" / name).read_bytes()


def test_rows_have_the_releases_form_and_their_windows(prepared: tuple[Path, Summary]) -> None:
    out, summary = prepared
    for name in FILES:
        rows = rows_of(out, name)
        assert [row["idx"] for row in rows] == list(range(len(rows)))
        with (out / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            index = list(csv.DictReader(file))
        assert len(index) == len(rows)
        for row, entry in zip(rows, index, strict=True):
            info = row["task_info"]
            assert str(info["subject_id"]) == entry["subject_id"] and info["target"] == entry["target"]
            assert 10 < int(entry["period_end"]) - int(entry["period_begin"]) < 100
            assert info["window"][0] <= info["window"][1]
            gold = json.loads(entry["target"])
            assert row["output"] == (gold if isinstance(gold, str) else "\n".join(gold))
    assert summary.written["labevents"] == summary.written["next_event"] == 40
    assert (summary.written["LengthOfStay_3day"], summary.positives["LengthOfStay_3day"]) == (40, 20)
    assert (summary.written["ED_Inpatient_Mortality"], summary.positives["ED_Inpatient_Mortality"]) == (23, 3)


def test_the_reader_groups_by_patient_and_knows_open_data(prepared: tuple[Path, Summary], tmp_path: Path) -> None:
    out, _ = prepared
    dataset = read(out, {"task": "labevents", "type": "decision_making"})
    owners = [row["task_info"]["subject_id"] for row in rows_of(out, FILES[0]) if row["task_info"]["task"] == "labevents"]
    assert [item.group for item in dataset.items] == [str(owner) for owner in owners]
    assert dataset.open_data
    assert dataset.load_record is not None
    text = dataset.load_record(dataset.items[0].record_id or "").text
    assert text.startswith("## ") and "Patient Demographics" not in text
    changed = tmp_path / "changed"
    changed.mkdir()
    (changed / "manifest.json").write_bytes((out / "manifest.json").read_bytes())
    content = (out / f"{FILES[0]}.jsonl").read_bytes()
    (changed / f"{FILES[0]}.jsonl").write_bytes(content + b"\n")
    assert not read(changed, {"task": "labevents", "type": "decision_making"}).open_data


def test_what_cannot_be_made_is_said_in_a_sentence(prepared: tuple[Path, Summary]) -> None:
    _, summary = prepared
    assert any("--ccs" in sentence for sentence in summary.skipped)
    assert any("--atc" in sentence for sentence in summary.skipped)
    assert not {"procedures_ccs", "prescriptions_atc", "Readmission_30day"} & set(summary.raw)


def test_maps_make_the_mapped_tasks(synthetic: tuple[Mimic, Maps], tmp_path: Path) -> None:
    mimic, maps = synthetic
    summary = prepare(mimic, tmp_path / "out", Options("fixed"), maps)
    assert summary.skipped == [] and not summary.open_data
    assert {"procedures_ccs", "diagnoses_ccs", "diagnosis_ccs", "prescriptions_atc", "medrecon_atc"} <= set(summary.raw)
    with pytest.raises(MissingError, match="d_ccs_diagnoses"):
        prepare(mimic, tmp_path / "none", Options("fixed"), Maps(ccs=tmp_path))
    with pytest.raises(UsageError, match="did you mean"):
        prepare(mimic, tmp_path / "none", Options("cleen"))


def test_the_builder_and_the_task_files_agree_on_every_task() -> None:
    tasks = {task.facts["released_name"]: task for task in load_catalog().select("ehr_bench")}
    assert sorted(name for names in TASKS.values() for name in names) == sorted(tasks) and len(tasks) == 45
    for name, task in tasks.items():
        assert metric_tag(name) == task.facts.get("metric_tag", "aucroc"), name
        assert task.data.options["task"] == name and name in TASKS[task.data.options["type"]]


def sample(task: str, subject: int, target: str | tuple[str, ...]) -> Sample:
    return Sample(subject, 1, task, "labevents", 1, 20, target)


def test_the_draw_does_not_depend_on_the_order_of_the_patients() -> None:
    samples = [sample("labevents", n, ("Sodium",)) for n in range(200)]
    draws = []
    for order in (samples, samples[::-1]):
        choice = Choice(7, 20)
        for one in order:
            choice.add(one)
        draws.append([s.subject for s in choice.chosen()["labevents"]])
    assert draws[0] == draws[1] and len(set(draws[0])) == 20


def test_few_samples_are_held_and_the_draw_is_that_of_all_at_once() -> None:
    """Against the weighted draw over the whole list: each waits -log(u) times its labels' mean frequency."""
    labels = [("labevents",)] * 300 + [("emar",)] * 60 + [("omr", "emar")] * 30 + [("omr",)] * 5
    samples = [sample("emar", n, one) for n, one in enumerate(labels)]
    choice = Choice(3, 20)
    for one in samples:
        choice.add(one)
    frequency = Counter(label for one in samples for label in one.labels)

    def waits(one: Sample) -> float:
        return -log(choice._number(one)) * sum(frequency[label] for label in one.labels) / len(one.labels)

    assert {s.subject for s in choice.chosen()["emar"]} == {s.subject for s in sorted(samples, key=waits)[:20]}
    assert max(len(heap) for heap in choice._by_labels["emar"].values()) == 20


def test_rare_labels_are_drawn_first_where_the_release_does() -> None:
    """One in a hundred is the rare label; by weight it has even odds at every draw, so twenty draws take all ten of it."""
    choice = Choice(0, 100)
    for n in range(1000):
        choice.add(sample("next_event", n, "omr" if n < 10 else "labevents"))
    assert sum(s.target == "omr" for s in choice.chosen()["next_event"]) == 10
