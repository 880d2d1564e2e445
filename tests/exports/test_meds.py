"""Predictions for ``meds-evaluation``, and the official extraction of MIMIC-IV, its labels and a run on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ehrbench.readers.meds.extract import open_meds
from tests.acceptance.chart import ehrbench, run_folders

TASK = """\
task: ward.mortality
version: 1
data:
  reader: meds
  path: ward
  policy: open
  options: {labels: labels, question: Will the patient die in hospital?}
record: {context: truncate, keep: end, cut: entries}
prompt: {user: "{{ record }}\\n\\n{{ question }}"}
output: choice_probabilities
generation: {max_tokens: 1}
metrics: [auroc, auprc, brier]
primary: auroc
"""


@pytest.fixture(scope="module")
def ward(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the extract and its labels."""
    root = tmp_path_factory.mktemp("data")
    (root / "ward").mkdir()
    for name in ("data", "metadata"):
        (root / "ward" / name).symlink_to(official / name)
    shutil.copytree(official / "labels" / "mortality_after_24h", root / "ward" / "labels")
    (root / "ward.yaml").write_text(TASK)
    return root


def run(ward: Path, out: Path) -> Path:
    """A classifier's run: the probability grows with the hour of the question, and one item has none."""
    from ehrbench.readers.meds.labels import read_labels

    labels = read_labels(ward / "ward", "labels", open_meds(ward / "ward").block_of).rows
    answers = [
        {"item": label.id, "answer": "", "probability": {"yes": p, "no": 1 - p}}
        for label in labels[1:]
        for p in [
            round(0.1 + 0.8 * ((label.subject * 7 + label.time.minute * 13) % 60) / 60 * (1 + (label.answer == "yes")) / 2, 6)
        ]
    ]
    file = out.parent / "answers.jsonl"
    file.write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    done = ehrbench(
        *("run", "--model", f"replay:{file}", "--tasks", "ward.mortality", "--include-path", ward / "ward.yaml"),
        *("--data-dir", ward, "--out", out, "--quiet"),
    )
    assert done.returncode in (0, 5), done.stderr
    (folder,) = run_folders(out)
    return folder


def exported(folder: Path, out: Path) -> dict[str, Any]:
    done = ehrbench("export", folder, "--to", "meds", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_predictions_and_their_scores(ward: Path, tmp_path: Path) -> None:
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    folder = run(ward, tmp_path / "out")
    done = exported(folder, tmp_path / "predictions.parquet")
    frame = pl.read_parquet(tmp_path / "predictions.parquet")
    assert (done["rows"], done["unanswered"]) == (frame.height, 1) == (244, 1)
    assert (tmp_path / "predictions.parquet").stat().st_mode & 0o077 == 0
    labels, scores = frame["boolean_value"].to_numpy(), frame["predicted_boolean_probability"].cast(pl.Float64).to_numpy()
    weights = 1 / frame.select(pl.len().over("subject_id")).to_series().to_numpy()
    for kind, weighted in (("per_item", np.ones(frame.height)), ("per_subject", weights)):
        assert done[kind]["AUROC"] == pytest.approx(roc_auc_score(labels, scores, sample_weight=weighted), abs=1e-9)
        expected = average_precision_score(labels, scores, sample_weight=weighted)
        assert done[kind]["average precision"] == pytest.approx(expected, abs=1e-9)
        assert done[kind]["Brier"] == pytest.approx(brier_score_loss(labels, scores, sample_weight=weighted), abs=1e-9)
    result = json.loads((folder / "result.json").read_text())
    ours = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert ours["auroc"] == pytest.approx(done["per_item"]["AUROC"], abs=1e-7)
    assert ours["auprc"] == pytest.approx(done["per_item"]["average precision"], abs=1e-7)
    assert ours["brier"] == pytest.approx(done["per_item"]["Brier"], abs=1e-7)


def test_other_runs_have_no_row(tmp_path: Path) -> None:
    done = ehrbench("run", "--model", "baseline:empty", "--tasks", "medalign", "--data-dir", "sample", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (folder,) = run_folders(tmp_path / "out")
    done = ehrbench("export", folder, "--to", "meds", "--out", tmp_path / "p.parquet")
    assert done.returncode == 2
    assert "not a label of a MEDS subject" in done.stderr
    assert not (tmp_path / "p.parquet").exists()


@pytest.mark.meds
def test_meds_evaluation_agrees(ward: Path, tmp_path: Path) -> None:
    from meds_evaluation.evaluate import evaluate_binary_classification

    done = exported(run(ward, tmp_path / "out"), tmp_path / "predictions.parquet")
    theirs = evaluate_binary_classification(pl.read_parquet(tmp_path / "predictions.parquet"), samples_per_subject=400)
    names = {"AUROC": "roc_auc_score", "average precision": "average_precision_score", "Brier": "brier_score"}
    for ours, name in names.items():
        assert done["per_item"][ours] == pytest.approx(theirs["samples_equally_weighted"][name], abs=1e-6)
        # Theirs draws 400 items of each subject; ours is what that tends to.
        assert done["per_subject"][ours] == pytest.approx(theirs["subjects_equally_weighted"][name], abs=0.01)


@pytest.mark.meds
def test_the_official_extraction_made_anew(shared_dir: Path, official: Path, tmp_path: Path) -> None:
    """As SOURCE.md beside the shared copy says: the package's own specification without the table that the demo lacks."""
    import MIMIC_IV_MEDS
    import yaml

    package = Path(MIMIC_IV_MEDS.__file__).parent
    spec = yaml.safe_load((package / "event_configs.yaml").read_text())
    del spec["icu/chartevents"]
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False, width=10_000))
    raw = tmp_path / "raw"
    shutil.copytree(shared_dir / "data" / "mimic-iv-demo", raw)
    for path in (shared_dir / "data" / "mimic-code-concept-map").glob("*.csv"):
        shutil.copy(path, raw)
    for path in [raw, *raw.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = [folder / "meds-extract-run", f"spec={tmp_path / 'spec.yaml'}", "do_download=false"]
    done = subprocess.run(
        [*command, f"input_dir={raw}", f"output_dir={tmp_path / 'out'}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    columns = ["subject_id", "time", "code", "numeric_value", "text_value"]
    made, shared = (
        pl.concat([pl.read_parquet(path) for path in sorted((root / "data").rglob("*.parquet"))], how="diagonal_relaxed")
        for root in (tmp_path / "out", official)
    )
    assert made.select(columns).sort(columns, nulls_last=True).equals(shared.select(columns).sort(columns, nulls_last=True))
    anew, copy = open_meds(tmp_path / "out"), open_meds(official)
    assert anew.told == copy.told
    for subject in list(copy.block_of)[:20]:
        assert sorted(anew.record(subject).text.split("\n")) == sorted(copy.record(subject).text.split("\n"))

    labels = official / "labels" / "mortality_after_24h.aces.yaml"
    for shard in sorted((official / "data").rglob("*.parquet")):
        part = shard.parent.name
        done = subprocess.run(
            [folder / "aces-cli", "cohort_name=mortality", f"cohort_dir={tmp_path}", "data=sharded", "data.standard=meds"]
            + [f"data.root={official / 'data'}", f"data.shard={part}/0", f"config_path={labels}"]
            + [f"output_filepath={tmp_path / 'labels' / part / '0.parquet'}"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        kept = ["subject_id", "prediction_time", "boolean_value"]
        ours = pl.read_parquet(tmp_path / "labels" / part / "0.parquet").select(kept).sort(kept)
        assert ours.equals(
            pl.read_parquet(official / "labels" / "mortality_after_24h" / part / "0.parquet").select(kept).sort(kept)
        )
