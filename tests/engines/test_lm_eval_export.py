"""Our tasks run by lm-eval itself: the prompts are ours, and so are the scores."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

from ehrbench.lm_eval_bridge.export import LIMITS, export_tasks
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.lm_eval
pytest.importorskip("lm_eval")


def test_prompts_and_scores_are_ours(tmp_path: Path) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    task = load_catalog(()).get("medalign", "clean")
    ours = ScriptedModel()
    folder, predictions = generate(
        prepare(task, ours, RunOptions(data_dir="sample", out=tmp_path / "out", context="full")), quiet=True
    )
    result = score_run(load_run(folder), ["rouge_l"], write=False)
    by_item = {p.item: p.answer or "" for p in predictions}
    (path,) = export_tasks([task], tmp_path / "exported", "sample", "clean")
    assert path.read_text("utf-8").startswith(f"# {LIMITS}")

    class Repeats(LM):
        def generate_until(self, requests: list[Any]) -> list[str]:
            return [by_item[json.loads(one.doc["scorable"])["item"]] for one in requests]

        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
            raise NotImplementedError

    manager = TaskManager(include_defaults=False, include_path=str(tmp_path / "exported"))
    theirs: Any = simple_evaluate(model=Repeats(), tasks=["ehrbench_medalign"], task_manager=manager, bootstrap_iters=0)
    prompts = {sample["arguments"][0][0] for sample in theirs["samples"]["ehrbench_medalign"]}
    assert prompts == {"\n".join(message.content for message in prompt) for prompt in ours.asked}
    assert theirs["results"]["ehrbench_medalign"]["rouge_l,none"] == pytest.approx(result.metrics[0].value)
