"""Three tasks on the official extract, a baseline and a tiny model, over refine and retrieve, in ``meds-evaluation``'s hands."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ehrbench.readers.meds.extract import open_meds
from tests.acceptance.chart import ehrbench, run_folders

EACH = 4
"""Labels of each answer that a task asks, those with the shortest records."""
QUESTIONS = {
    "mortality": "Will the patient die in hospital?",
    "long_stay": "Will the hospital stay last longer than seven days?",
    "readmission": "Will the patient be admitted again within 30 days of discharge?",
}
TASKS = """\
defaults:
  version: 1
  data: {reader: meds, path: ward, policy: open}
  record: {context: truncate, keep: end, cut: entries, chunk_tokens: 3000}
  prompt: {user: "{{ record }}\\n\\n{{ question }} Answer yes or no."}
  output: choice_probabilities
  generation: {max_tokens: 4}
  metrics: [auroc, auprc, brier]
  primary: auroc
tasks:
"""


@pytest.fixture(scope="module")
def ward(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extract with ACES's labels and two further sets at the same times, and a task for each."""
    root = tmp_path_factory.mktemp("data")
    (root / "ward").mkdir()
    for name in ("data", "metadata"):
        (root / "ward" / name).symlink_to(official / name)
    shards = official.glob("data/*/*.parquet")
    events = pl.concat([pl.read_parquet(path, columns=["subject_id", "time", "code"]) for path in shards])
    labels = pl.concat([pl.read_parquet(path) for path in (official / "labels" / "mortality_after_24h").rglob("*.parquet")])
    asked = pl.DataFrame([_asked(events.filter(subject_id=row["subject_id"]), row) for row in labels.iter_rows(named=True)])
    tasks = TASKS
    for name, question in QUESTIONS.items():
        few = asked.sort("len").group_by(name, maintain_order=True).head(EACH)
        assert few[name].sum() == EACH
        (root / "ward" / "labels" / name).mkdir(parents=True)
        rows = few.select("subject_id", "prediction_time", boolean_value=name)
        rows.write_parquet(root / "ward" / "labels" / name / "0.parquet")
        tasks += f'  - {{task: ward.{name}, data: {{options: {{labels: labels/{name}, question: "{question}"}}}}}}\n'
    (root / "ward.yaml").write_text(tasks)
    return root


def _asked(events: pl.DataFrame, label: dict[str, Any]) -> dict[str, Any]:
    """A label's answers to the three questions, and how many events its record has."""
    now = label["prediction_time"]
    came, left = (
        sorted(events.filter(pl.col("code").str.starts_with(f"HOSPITAL_{name}"))["time"].to_list())
        for name in ("ADMISSION", "DISCHARGE")
    )
    admitted = max(time for time in came if time <= now)
    discharged = min((time for time in left if time > now), default=datetime.max)
    again = min((time for time in came if time > discharged), default=datetime.max)
    return {
        "subject_id": label["subject_id"],
        "prediction_time": now,
        "mortality": label["boolean_value"],
        "long_stay": discharged - admitted > timedelta(days=7),
        "readmission": again - discharged <= timedelta(days=30) if again < datetime.max else False,
        "len": events.filter(pl.col("time") <= now).height,
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny.models import tiny_llama

    return tiny_llama(tmp_path_factory.mktemp("checkpoint") / "tiny", context=4096)


@pytest.mark.meds
@pytest.mark.parametrize("policy", ["refine", "retrieve"])
@pytest.mark.parametrize("model", ["baseline", "tiny"])
def test_meds_evaluation_agrees_on_three_tasks(ward: Path, tiny: Path, tmp_path: Path, model: str, policy: str) -> None:
    from meds_evaluation.evaluate import evaluate_binary_classification

    spec = f"hf:{tiny}" if model == "tiny" else "baseline:majority"
    window = ("--max-model-len", "4096") if model == "tiny" else ()
    done = ehrbench(
        *("run", "--model", spec, "--tasks", "ward.*", "--include-path", ward / "ward.yaml", "--data-dir", ward),
        *("--context", policy, *window, "--out", tmp_path, "--quiet"),
        seconds=1800,
    )
    assert done.returncode == 0, done.stderr
    folders = run_folders(tmp_path)
    assert {folder.parent.name for folder in folders} == {f"ward.{name}" for name in QUESTIONS}
    for folder in folders:
        done = ehrbench("export", folder, "--to", "meds", "--out", folder / "predictions.parquet", "--json")
        assert done.returncode == 0, done.stderr
        frame = pl.read_parquet(folder / "predictions.parquet")
        labels = pl.read_parquet(ward / "ward" / "labels" / folder.parent.name.removeprefix("ward."))
        key = ["subject_id", "prediction_time", "boolean_value"]
        assert frame.select(key).sort(key).equals(labels.select(key).sort(key))
        if model == "tiny":
            assert frame["predicted_boolean_probability"].n_unique() > EACH
        theirs = evaluate_binary_classification(frame, samples_per_subject=50)["samples_equally_weighted"]
        result = json.loads((folder / "result.json").read_text())
        ours = {metric["name"]: metric["value"] for metric in result["metrics"]}
        exported = json.loads(done.stdout)["per_item"]
        for name, told, score in (
            ("auroc", "AUROC", "roc_auc_score"),
            ("auprc", "average precision", "average_precision_score"),
            ("brier", "Brier", "brier_score"),
        ):
            assert exported[told] == pytest.approx(theirs[score], abs=1e-6)
            assert ours[name] == pytest.approx(theirs[score], abs=1e-6)
        usage = result["usage"]["calls"]
        assert usage > len(frame) if (policy, model) == ("refine", "tiny") else usage == len(frame)


@pytest.mark.meds
def test_the_records_are_longer_than_the_window(ward: Path) -> None:
    data = open_meds(ward / "ward")
    labels = pl.read_parquet(ward / "ward" / "labels" / "mortality")
    texts = [data.record(subject, time).text for subject, time in labels.select("subject_id", "prediction_time").iter_rows()]
    assert sum(len(text) > 2 * 4096 for text in texts) > len(texts) / 2
