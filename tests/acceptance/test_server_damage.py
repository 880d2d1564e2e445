"""What a damaged, strange or absent server comes to: one row per kind, with its outcomes and the command's exit code.

Each row asks four short questions (or the probabilities of two choices) through the command line. A row names how the stub
replies, what the items end as, the exit code, and words that the command must say. Replies are written from the servers' own
documentation and source unless the row says that the server itself was asked.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ehrbench.cli import main
from tests.acceptance.chart import rows, run_folders
from tests.support.server import Raw, Server

N = 4
TEXT_TASK = """\
task: damage
version: 1
data: {reader: jsonl, path: questions, policy: open}
prompt: {user: "{{ question }}"}
generation: {max_tokens: 16, temperature: 0}
metrics: [exact_match]
primary: exact_match
"""
CHOICE_TASK = TEXT_TASK.replace("generation:", "output: choice_probabilities\ngeneration:").replace("exact_match", "brier")


def chat(content: object, finish: str = "stop", **more: object) -> dict[str, Any]:
    """A reply with one message."""
    message, usage = {"role": "assistant", "content": content}, {"prompt_tokens": 12, "completion_tokens": 3}
    return {"choices": [{"index": 0, "finish_reason": finish, "message": {**message, **more}}], "usage": usage}


def listed(*pairs: tuple[object, object], **more: object) -> dict[str, Any]:
    """A reply with log-probabilities of first tokens."""
    top = [{"token": token, "logprob": value} for token, value in pairs]
    reply = chat("yes")
    reply["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    return {**reply, **more}


def error(message: object, status: int = 400, **fields: object) -> Raw:
    return Raw.of({"error": {"message": message, **fields}}, status)


@dataclass
class Row:
    name: str
    reply: Raw | str
    """To every call; a fault's name where the stub knows it."""
    outcomes: Mapping[str, int]
    code: int
    says: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    choice: bool = False
    long: bool = False
    """The questions begin with the same 6,000 characters."""
    first: tuple[Raw | str, ...] = ()
    """Replies to the first calls."""
    server: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    """Keys of ``result.json``'s ``answers`` with their values."""


def ok(n: int = N) -> dict[str, int]:
    return {"answered": n}


DEEP = b'{"choices": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
HUGE_COUNT = json.dumps(chat("yes")).replace('"prompt_tokens": 12', '"prompt_tokens": ' + "9" * 400).encode()
HUGE_NUMBER = json.dumps(chat("yes")).replace('"prompt_tokens": 12', '"prompt_tokens": ' + "9" * 5000).encode()
YES_NO = (("yes", math.log(0.6)), ("no", math.log(0.3)))

ROWS = [
    # Counts of prompt tokens
    Row("only uncached tokens counted", "ok", ok(), 0, ("in its cache",),
        ("--model-arg", "concurrency=1"), long=True, server={"uncached": True}, result={"doubts": {"prompt_count": N - 1}}),
    Row("a prompt cut in silence", "ok", {"overflow": N}, 5, ("cuts prompts in silence", "--max-model-len"), long=True,
        server={"window": 300}),
    # An empty answer with everything in the reasoning field
    Row("reasoning field only, stop", Raw.of(chat("", reasoning_content="hm")), {"unparsed": N}, 0, result={"empty": N}),
    Row("reasoning field only, null", Raw.of(chat(None, reasoning_content="hm")), {"unparsed": N}, 0, result={"empty": N}),
    Row("reasoning only, length", Raw.of(chat("", "length", reasoning="hm")), {"reasoning_truncated": N}, 0),
    Row("a thought that never ended", Raw.of(chat("<think>hm")), {"reasoning_truncated": N}, 0),
    Row("an empty answer", Raw.of(chat("")), ok(), 0, result={"empty": N}, says=("4 empty answers",)),
    # Context overflow
    Row("llama.cpp", error("the request exceeds the available context size", type="exceed_context_size_error"),
        {"overflow": N}, 5, ("--max-model-len",)),
    Row("a 500 of the same meaning", error("Requested tokens (3000) exceed context window of 2048", 500), {"overflow": N}, 5),
    Row("a detail body", Raw.of({"detail": "Input is too long for requested model."}, 400), {"overflow": N}, 5),
    Row("request too large", error("Request too large for model", 413, type="request_too_large"), {"overflow": N}, 5),
    # A field that the server refuses
    Row("seed, a 422 list", Raw.of({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "no"}]}, 422),
        {}, 2, ("'seed'", "omit=seed")),
    Row("temperature, in words", error("Unsupported value: 'temperature' does not support 0 with this model."), {}, 2,
        ("'temperature'", "omit=temperature")),
    Row("chat_template_kwargs", error("Unrecognized request argument supplied: chat_template_kwargs"), {}, 2,
        ("omit=chat_template_kwargs",), ("--model-arg", "thinking=off")),
    Row("an unknown refusal of all", error("nope"), {}, 2, ("the first 3 calls", "HTTP 400"), ("--model-arg", "stop_after=3")),
    Row("a flagged first item", "ok", {"refused": 1, "answered": N - 1}, 5,
        first=(error("Your input was flagged", 403, metadata={"reasons": ["violence"]}),), args=("--model-arg", "concurrency=1")),
    Row("a forbidden first item", "ok", {"api_error": 1, "answered": N - 1}, 5, first=("403",),
        args=("--model-arg", "concurrency=1")),
    # 200 with an error, streams, finish reasons
    Row("200 with a passing error", "ok", ok(), 0, first=(Raw.of({"error": {"code": 429, "message": "slow down"}}),)),
    Row("200 with an overflow", Raw.of({"error": {"code": 400, "message": "maximum context length is 9"}}), {"overflow": N}, 5),
    Row("200 with a refused key", Raw.of({"error": {"code": 401, "message": "no"}}), {}, 2, ("OPENAI_API_KEY",)),
    Row("MAX_TOKENS", Raw.of(chat("a b", "MAX_TOKENS")), ok(), 0, result={"at_limit": N}),
    Row("model_length", Raw.of(chat("a b", "model_length")), ok(), 0, result={"at_limit": N}),
    Row("SAFETY", Raw.of(chat(None, "SAFETY")), {"refused": N}, 5),
    Row("length without content", Raw.of(chat(None, "length")), {"reasoning_truncated": N}, 0),
    Row("length without a token", Raw.of({**chat("", "length"), "usage": {"prompt_tokens": 9, "completion_tokens": 0}}),
        {"overflow": N}, 5),
    # Waiting
    Row("loading", "ok", ok(), 0, ("answers again",), ("--model-arg", "max_retries=2"), server={"loading": 4.0}),
    Row("gone and back", "ok", ok(), 0, ("answers again",), ("--model-arg", "max_retries=1", "--model-arg", "concurrency=1"),
        server={"outage": (2, 4.0)}),
    Row("gone for good", "ok", {}, 3, ("the same command continues",),
        ("--model-arg", "retry_seconds=3", "--model-arg", "concurrency=1"), server={"outage": (2, 60.0)}),
    # Bodies
    Row("a bomb", "bomb", {"api_error": N}, 5, ("TooLarge",), ("--model-arg", "stop_after=0")),
    Row("200 MB", Raw(200, b'{"a": "' + b"x" * (1 << 20), repeat=200), {"api_error": N}, 5, ("TooLarge",)),
    Row("nested 200,000 deep", Raw(200, DEEP), {"api_error": N}, 5, ("NotJSON",)),
    Row("a count of 400 digits", Raw(200, HUGE_COUNT), ok(), 0),
    Row("a count of 5,000 digits", Raw(200, HUGE_NUMBER), {"api_error": N}, 5),
    Row("log-probabilities", Raw.of(listed(*YES_NO)), ok(), 0, choice=True, result={"choice_mass_median": pytest.approx(0.9)}),
    *(
        Row(f"log-probabilities, {name}", Raw.of(listed(("yes", value), ("no", -1.0))), {"api_error": N}, 5,
            ("BadLogProbs",), choice=True)
        for name, value in {"text": "-0.5", "huge": 1e308, "digits": 10**400, "list": [-0.5], "null": None, "true": True}.items()
    ),
    # Found with a real model on llama.cpp's server
    Row("a choice that is not listed", Raw.of(listed(("yes", math.log(0.8)), ("perhaps", math.log(0.1)))), ok(), 0,
        choice=True, result={"doubts": {"choice_not_listed": N}}),
    Row("no choice is listed", Raw.of(listed(("a", -0.1), ("b", -3.0))), {"api_error": N}, 5, ("top_logprobs",), choice=True),
    Row("little mass", Raw.of(listed(("a", math.log(0.9)), ("yes", math.log(0.02)), ("no", math.log(0.02)))), ok(), 0,
        ("4 %",), choice=True),
    Row("another model's name", "ok", ok(), 0, ("'other'",), server={"models": [{"id": "other"}]}),
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    (folder / "tasks").mkdir()
    (folder / "tasks" / "damage.yaml").write_text(TEXT_TASK)
    (folder / "choices").mkdir()
    (folder / "choices" / "damage.yaml").write_text(CHOICE_TASK)
    for data, shared in (("short", ""), ("long", "sodium 128 mmol/L " * 333)):
        (folder / data / "questions").mkdir(parents=True)
        with (folder / data / "questions" / "items.jsonl").open("w") as file:
            for i in range(N):
                gold = "yes" if i % 2 else "no"
                item = {"id": f"q{i}", "question": f"{shared}CANARY question {i}", "choices": ["yes", "no"], "answer": gold}
                file.write(json.dumps(item) + "\n")
    return folder


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_damage(
    row: Row, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Server(script=[*row.first, *[row.reply] * 200], **row.server) as server:
        command = [
            *(
                "run",
                "--model",
                "openai:stub",
                "--tasks",
                "damage",
                "--data-dir",
                place / ("long" if row.long else "short"),
                "--out",
                tmp_path,
                "--quiet",
            ),
            *("--include-path", place / ("choices" if row.choice else "tasks")),
            *("--model-arg", f"base_url={server.url}", "--model-arg", "first_wait=0.2", "--model-arg", "max_retries=2"),
            *row.args,
        ]
        monkeypatch.setattr(sys, "argv", ["ehrbench", *map(str, command)])
        with pytest.raises(SystemExit) as left:
            main()
    said = "".join(capsys.readouterr())
    assert "this is a bug" not in said
    assert "CANARY" not in said
    folders = run_folders(tmp_path)
    outcomes = Counter(one["outcome"] for folder in folders for one in rows(folder / "private" / "predictions.jsonl"))
    assert (dict(outcomes) if row.outcomes else {}, left.value.code or 0) == (row.outcomes, row.code), said
    for words in row.says:
        assert words in said
    if row.result:
        answers = json.loads((folders[0] / "result.json").read_text())["answers"]
        assert {name: answers[name] for name in row.result} == row.result
