"""A record that fills the window leaves room for the longest spelling of a choice, whatever ``max_tokens`` says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from ehrbench.models.loading import load_model
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.tasks.catalog import load_catalog
from tests.readers.test_meds import NOON, shard
from tests.support.libraries import torch
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.hf

TASK = """\
task: ward
version: 1
data:
  reader: meds
  path: ward
  policy: open
  options: {labels: labels.parquet, question: "Will it be mild or severe?"}
record: {context: truncate, keep: end}
prompt: {user: "{{ record }}\\n\\n{{ question }}"}
output: choice_probabilities
generation: {max_tokens: 1}
metrics: [choice_accuracy]
primary: choice_accuracy
"""


def test_long_choices_fit(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    root = tmp_path / "data" / "ward"
    rows = [(n, NOON + timedelta(hours=h), f"LAB//{h}//mg/dL", 1.5 * h, None) for n in (1, 2) for h in range(200)]
    shard(root, "0.parquet", rows)  # type: ignore[arg-type]
    answers = ["mild, without any consequence", "mild, with lasting consequences for the patient"]
    times = [NOON + timedelta(hours=190)] * 2
    pl.DataFrame({"subject_id": [1, 2], "prediction_time": times, "categorical_value": answers}).write_parquet(
        root / "labels.parquet"
    )
    (tmp_path / "ward.yaml").write_text(TASK)
    (task,) = load_catalog((tmp_path / "ward.yaml",)).select("ward")
    model = load_model(f"hf:{tiny_llama(tmp_path / 'tiny', context=512)}", {}, None)
    options = RunOptions(data_dir=str(tmp_path / "data"), out=tmp_path / "out")
    _, predictions = generate(prepare(task, model, options))
    assert [(p.outcome, p.error) for p in predictions] == [("answered", None)] * 2
    for prediction in predictions:
        assert set(prediction.probabilities or ()) == set(answers)
        assert 0 < (prediction.record_tokens_seen or 0) < (prediction.record_tokens or 0)
