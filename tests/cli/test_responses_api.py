"""The Responses API from the command line: effort, usage, thoughts and refusals of a run, online and by the batch service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from tests.acceptance.chart import rows, run_folders
from tests.support.server import Server, prompt_of

TASK = """\
task: ward
version: 1
data: {reader: jsonl, path: ward, policy: open}
prompt: {user: "Question: {{ question }}"}
generation: {max_tokens: 8, max_reasoning_tokens: 200}
metrics: [rouge_l]
primary: rouge_l
"""


def answer(body: dict[str, Any]) -> dict[str, Any]:
    if "q 2" in prompt_of(body):
        return {"content": None, "refusal": "I cannot help with that"}
    return {"content": "yes", "reasoning_content": "hm hm", "reasoning_tokens": 30}


@pytest.mark.parametrize("way", ["online", "batch service"])
def test_effort_usage_and_refusals(way: str, tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "ward.yaml").write_text(TASK)
    (tmp_path / "ward").mkdir()
    items = [{"id": str(n), "question": f"q {n}", "answer": "yes"} for n in range(3)]
    (tmp_path / "ward" / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    with Server(answer=answer) as server:
        batches = server.with_batches()
        given = ["--model", "openai:stub", "--tasks", "ward", "--include-path", tmp_path / "tasks", "--data-dir", tmp_path]
        for pair in (f"base_url={server.url}", "api=responses", "reasoning_effort=high"):
            given += ["--model-arg", pair]
        sending = ["run", "--out"] if way == "online" else ["requests", "--submit", "--wait", "--every", "0.02", "--results"]
        done = CliRunner().invoke(app, [*map(str, (*sending, tmp_path / "out", *given)), "--quiet"])
    assert done.exit_code == 5, done.output
    assert "1 items ended without an answer: refused" in done.output
    if way == "online":
        assert all(body["reasoning"] == {"effort": "high"} and body["store"] is False for body in server.bodies)
        assert {body["max_output_tokens"] for body in server.bodies} == {208}
    else:
        (batch,) = batches.batches.values()
        assert batch["endpoint"] == "/v1/responses"
        assert not server.bodies
    (folder,) = run_folders(tmp_path / "out")
    result = json.loads((folder / "result.json").read_text())
    assert result["outcomes"] == {"answered": 2, "refused": 1}
    assert (result["usage"]["calls"], result["usage"]["reasoning_tokens"]) == (3, 60)
    assert {row["steps"][0].get("reasoning") for row in rows(folder / "private" / "predictions.jsonl")} == {"hm hm", None}
