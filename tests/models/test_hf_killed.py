"""A transformers run killed in the middle: the same command asks for what is missing, once, and its logs hold no text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.acceptance.chart import CANARIES, final_files, rows, run_folders, write_release
from tests.campaign.commands import end, kill, start
from tests.support.libraries import torch
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.hf


def test_sigkill_while_generating(tmp_path: Path) -> None:
    torch.set_num_threads(1)  # the commands are copies of this process, which must have no other threads
    checkpoint = tiny_llama(tmp_path / "tiny", context=2048, eos_scale=1.5)
    write_release(tmp_path / "data", patients=2, questions=4, entries=3)

    def arguments(out: str) -> list[object]:
        asked = ["--metrics", "rouge_l", "--max-tokens", 64, "--model-arg", "batch_size=1", "--context", "truncate"]
        given = ["--model", f"hf:{checkpoint}", "--tasks", "medalign", "--data-dir", tmp_path / "data", "--out", tmp_path / out]
        return ["run", *given, *asked, "--verbose", "--log-file", tmp_path / f"{out}.log"]

    whole = end(start(tmp_path, arguments("whole")))
    assert whole.code == 0, whole.said
    (one,) = run_folders(tmp_path / "whole")
    asked = {row["item"] for row in rows(one / "private/predictions.jsonl")}
    assert len(asked) == 8

    killed = start(tmp_path, arguments("killed"))
    seen = b""
    while sum(item.encode() in seen for item in asked) < 2 and (part := os.read(killed.said, 4096)):
        seen += part
    kill(killed)
    (other,) = run_folders(tmp_path / "killed")
    stored = {row["item"] for row in rows(other / "private/predictions.jsonl")}
    assert 2 <= len(stored) < 8, "killed within the work"

    again = end(start(tmp_path, arguments("killed")))
    assert again.code == 0, again.said
    assert {item for item in asked if item in again.said} == asked - stored, "what was stored is not asked again, all else is"
    assert final_files(one) == final_files(other)
    said = (
        whole.said + seen.decode() + again.said + "".join((tmp_path / f"{name}.log").read_text() for name in ("whole", "killed"))
    )
    assert not [canary for canary in CANARIES if canary in said]
