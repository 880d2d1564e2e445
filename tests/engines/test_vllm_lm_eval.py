"""lm-eval's tasks of log-likelihoods with vLLM: item by item what transformers gives, whose scores are lm-eval's own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

from ehrbench.models.loading import load_model
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog
from tests.engines.foreign_tasks import OUTPUT_TYPES, write_tasks
from tests.engines.vllm_server import ENGINE, WINDOW

pytestmark = [pytest.mark.vllm, pytest.mark.lm_eval]

LIKELIHOODS = {name for name, kind in OUTPUT_TYPES.items() if kind != "generate_until"}


def run(
    spec: str, args: dict[str, str], window: int, tasks: Path, out: Path
) -> dict[str, tuple[dict[str, Any], dict[str, float | None]]]:
    """Of each task the stored likelihoods by item, and the metrics."""
    model = load_model(spec, args, window)
    found = {}
    try:
        for task in load_catalog((tasks,)).select(",".join(f"lm_eval:{name}" for name in sorted(LIKELIHOODS)), "clean"):
            options = RunOptions(data_dir=None, out=out, include_paths=(tasks,))
            folder, predictions = generate(prepare(task, model, options))
            assert {p.outcome for p in predictions} == {"answered"}
            result = score_run(load_run(folder))
            stored = {p.item: json.loads(p.answer or "") for p in predictions}
            found[task.task] = stored, {metric.name: metric.value for metric in result.metrics}
    finally:
        model.close()
    return found


def test_tasks_of_likelihoods_give_what_transformers_gives(served_checkpoint: Path, tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks")
    ours = run(f"vllm:{served_checkpoint}", ENGINE, WINDOW, tasks, tmp_path / "vllm")
    # A text has two tokens less with vLLM: the rolling task's are cut at the same places only where the windows are equal.
    theirs = run(f"hf:{served_checkpoint}", {"dtype": "float32"}, WINDOW - 2, tasks, tmp_path / "hf")
    assert set(ours) == set(theirs) == {f"lm_eval.{name}" for name in LIKELIHOODS}
    for name, (stored, metrics) in ours.items():
        reference, scores = theirs[name]
        assert set(stored) == set(reference) and len(stored) == 12
        for item, likelihoods in stored.items():
            assert [greedy for _, greedy in likelihoods] == [greedy for _, greedy in reference[item]]
            values = [value for value, _ in likelihoods]
            assert values == pytest.approx([value for value, _ in reference[item]], abs=1e-3)
        assert metrics == pytest.approx(scores, rel=1e-3)
