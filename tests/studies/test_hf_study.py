"""A checkpoint is loaded once for all its windows, and each cell has the numbers of a run with that window alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ehrbench import Study, evaluate
from ehrbench.models.loading import load_model
from ehrbench.studies import running
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.hf

STUDY = """
study: hf
data_dir: sample
models: {{tiny: "hf:{checkpoint}"}}
settings: {{limit: 2, max_tokens: 6}}
questions:
  q: {{tasks: medalign, settings: {{max_model_len: [768, 1024, 8192]}}, metrics: chrf_pp}}
report: {{leaderboard: false}}
"""


def test_several_windows_of_one_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = tiny_llama(tmp_path / "tiny", context=2048, eos_scale=1.5)
    loaded: list[int | None] = []

    def load(spec: str, args: Any, window: int | None) -> Any:
        model = load_model(spec, args, window)
        loaded.append(window)
        return model

    monkeypatch.setattr(running, "load_model", load)
    (tmp_path / "study.yaml").write_text(STUDY.format(checkpoint=checkpoint), encoding="utf-8")
    study = Study.load(tmp_path / "study.yaml")
    states = {one.settings["max_model_len"]: one for one in study.run()}
    assert loaded == [1024], "the largest window that it holds, once"
    assert states[8192].state == "failed" and "8192 is more than the 2048 tokens" in states[8192].said
    by_folder = dict(zip(study.results().folders(), study.results(), strict=True))
    for window in (768, 1024):
        single = evaluate(
            f"hf:{checkpoint}",
            "medalign",
            data_dir="sample",
            limit=2,
            max_tokens=6,
            max_model_len=window,
            metrics=["chrf_pp"],
            out=tmp_path / "one",
        )
        folder = states[window].folder
        assert folder is not None and folder.name == single.folders()[0].name, "the same run"
        assert by_folder[folder].metrics == single[0].metrics
