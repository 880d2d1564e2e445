"""A run made by batch files is the run made online; a damaged file of answers costs nothing that it holds."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from ehrbench.models import Message, Request
from ehrbench.models.loading import load_model
from ehrbench.runs.batch import FileModel, server_of
from tests.acceptance.chart import CANARIES, TOKENIZER, ehrbench, final_files, rows, run_folders, write_release
from tests.support.server import Server


def options(server: Server, data: Path, context: str) -> list[object]:
    return [
        *("--model", "openai:stub", "--tasks", "medalign", "--data-dir", data, "--context", context),
        *("--max-model-len", 2048, "--budget-tokenizer", TOKENIZER, "--metrics", "rouge_l", "--quiet"),
        *("--model-arg", f"base_url={server.url}"),
    ]


def asking(given: list[object]) -> list[object]:
    """The options of ``requests``, which scores nothing."""
    place = given.index("--metrics")
    return [*given[:place], *given[place + 2 :]]


def answer(server: Server, batch: Path, replies: Path) -> list[dict[str, Any]]:
    """What a batch service does: post every line to its server, in any order."""
    out = []
    for call in reversed(rows(batch)):
        assert call["method"] == "POST"
        request = urllib.request.Request(
            server.url.removesuffix("/v1") + call["url"], json.dumps(call["body"]).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request) as page:
                status, body = page.status, json.load(page)
        except urllib.error.HTTPError as error:
            status, body = error.code, json.load(error)
        response = {"status_code": status, "request_id": "x", "body": body}
        out.append({"id": "x", "custom_id": call["custom_id"], "response": response, "error": None})
    write(replies, out)
    return out


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize("context", ["refine", "truncate"])
def test_a_run_made_by_files_equals_the_run_made_online(tmp_path: Path, context: str) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=2, entries=40)
    with Server() as server:
        given = options(server, data, context)
        online = ehrbench("run", *given, "--out", tmp_path / "online", home=tmp_path / "home")
        assert online.returncode == 0, online.stderr
        asked_online = server.stats()["requests"]
        rounds = 0
        while True:
            rounds += 1
            batch, replies = tmp_path / f"{rounds}.jsonl", tmp_path / f"{rounds}.out.jsonl"
            wrote = ehrbench("requests", *asking(given), "--results", tmp_path / "files", "--out", batch, home=tmp_path / "home")
            assert wrote.returncode == 0, wrote.stderr
            assert batch.stat().st_mode & 0o777 == 0o600
            assert not any(canary in wrote.stdout + wrote.stderr for canary in CANARIES)
            answer(server, batch, replies)
            took = ehrbench("ingest", replies, *given, "--results", tmp_path / "files", home=tmp_path / "home")
            if took.returncode == 0:
                break
            assert took.returncode == 5, took.stderr
            assert "wait for answers" in took.stderr
            assert rounds < 40
        assert rounds > 1 if context == "refine" else rounds == 1
        assert {key: 2 * n for key, n in asked_online.items()} == server.stats()["requests"], "both asked the same, once"
        nothing = ehrbench(
            "requests", *asking(given), "--results", tmp_path / "files", "--out", tmp_path / "none", home=tmp_path / "home"
        )
        assert nothing.returncode == 0
        assert "every item is finished" in nothing.stderr
        assert not (tmp_path / "none").exists()
    (one,), (other,) = run_folders(tmp_path / "online"), run_folders(tmp_path / "files")
    assert one.name == other.name, "the same model and the same settings, so the same run"
    assert final_files(one) == final_files(other)


def test_a_damaged_file_of_answers(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=3, entries=4)
    with Server() as server:
        given = [*options(server, data, "truncate"), "--results", tmp_path / "out"]
        batch, replies = tmp_path / "calls.jsonl", tmp_path / "replies.jsonl"
        assert ehrbench("requests", *asking(given), "--out", batch, home=tmp_path / "home").returncode == 0
        again = ehrbench("requests", *asking(given), "--out", batch, home=tmp_path / "home")
        assert again.returncode == 2
        assert "is there already" in again.stderr
        good = answer(server, batch, replies)
        failed = {**good[1], "response": {"status_code": 500, "body": {"error": {"message": f"on {CANARIES[0]}"}}}}
        broken = {"custom_id": good[2]["custom_id"], "response": None, "error": {"code": "batch_expired", "message": CANARIES[1]}}
        write(replies, [good[0], failed, broken, {**good[0], "custom_id": "0" * 40}, good[0], good[3]])
        with replies.open("a") as file:
            file.write('{"custom_id": "torn')
        took = ehrbench("ingest", replies, *given, home=tmp_path / "home")
        assert took.returncode == 5, took.stderr
        for said in (
            "line 7: not a reply",
            "line 5: a custom_id that an earlier line has",
            "line 4: no open call of this run",
            "line 2: item ",
            "HTTP 500",
            "line 3: item ",
            "batch batch_expired",
            "no reply to the calls of 2 items",
            "2 items wait for answers",
        ):
            assert said in took.stderr, took.stderr
        assert not any(canary in took.stderr for canary in CANARIES)
        (folder,) = run_folders(tmp_path / "out")
        outcomes = [row["outcome"] for row in rows(folder / "private" / "predictions.jsonl")]
        assert sorted(outcomes) == ["answered", "answered", "api_error", "api_error"]
        rest = tmp_path / "rest.jsonl"
        assert ehrbench("requests", *asking(given), "--out", rest, home=tmp_path / "home").returncode == 0
        open_calls = {line["custom_id"] for line in good} - {good[0]["custom_id"], good[3]["custom_id"]}
        assert {line["custom_id"] for line in rows(rest)} == open_calls
        write(replies, good)
        assert ehrbench("ingest", replies, *given, home=tmp_path / "home").returncode == 0
        calls_file = ehrbench("ingest", batch, *given, home=tmp_path / "home")
        assert calls_file.returncode == 2
        assert "not the one that `ehrbench requests` wrote" in calls_file.stderr


def test_credentialed_prompts_stay_out_of_a_checkout(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=1, questions=1, entries=4)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    subprocess.run(["git", "init", "--quiet", str(checkout)], check=True)
    with Server() as server:
        given = [*asking(options(server, data, "truncate")), "--results", tmp_path / "out"]
        refused = ehrbench("requests", *given, "--out", checkout / "calls.jsonl", home=tmp_path / "home")
        assert refused.returncode == 4, refused.stderr
        assert not list(checkout.glob("*.jsonl")) + list(checkout.glob(".*partial"))
        (checkout / ".gitignore").write_text("*.jsonl\n")
        assert ehrbench("requests", *given, "--out", checkout / "calls.jsonl", home=tmp_path / "home").returncode == 0
        assert server.stats()["calls"] == 0
        assert not server.paths, "the server is not even asked what it serves"


def test_only_models_behind_the_api_take_files(tmp_path: Path) -> None:
    refused = ehrbench(
        *("requests", "--model", "baseline:newest", "--tasks", "medalign", "--data-dir", "sample", "--out", tmp_path / "x")
    )
    assert refused.returncode == 2
    assert "takes no batch files" in refused.stderr


ASKED = Request("q#0", (Message("user", "Is the sodium low?"),), 16, stop=("END",), seed=7)
CHOSEN = Request("q#0", ASKED.messages, 16, choices=("yes", "no"), spellings=(("yes",), ("no",)))


@pytest.mark.parametrize(
    ("request_", "name"),
    [(ASKED, "089a4bb8d891752df72627f53dc3b5ea71d79314"), (CHOSEN, "6ba3b7fac311435fad037c6d8007111c4f0cc5e5")],
)
def test_a_call_keeps_its_name_between_versions(request_: Request, name: str) -> None:
    """A batch may be away for days: replies to a file that 0.1 wrote belong to the same calls. The names were made with 0.1."""
    model = load_model("openai:stub", {"base_url": "http://127.0.0.1:8000/v1"}, None)
    found, body = FileModel(server_of(model)).call(request_)
    assert found == name
    assert b"stream" not in body


CHOICES = """\
task: ward
version: 1
data: {reader: jsonl, path: ward, policy: open}
prompt: {user: "Question: {{ question }}"}
output: choice_probabilities
metrics: [auroc]
primary: auroc
"""


def test_probabilities_of_choices_travel_by_file(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "ward.yaml").write_text(CHOICES)
    (tmp_path / "ward").mkdir()
    items = [{"id": str(n), "question": f"q {n}", "choices": ["yes", "no"], "answer": "yes" if n else "no"} for n in range(3)]
    write(tmp_path / "ward" / "items.jsonl", items)
    with Server(logprobs={"yes": -0.1, "no": -2.5, "perhaps": -4.0}) as server:
        given = ["--model", "openai:stub", "--model-arg", f"base_url={server.url}", "--tasks", "ward", "--quiet"]
        given += ["--include-path", tmp_path / "tasks", "--data-dir", tmp_path]
        online = ehrbench("run", *given, "--out", tmp_path / "online")
        assert online.returncode == 0, online.stderr
        batch, replies = tmp_path / "calls.jsonl", tmp_path / "replies.jsonl"
        wrote = ehrbench("requests", *given, "--results", tmp_path / "files", "--out", batch)
        assert wrote.returncode == 0, wrote.stderr
        good = answer(server, batch, replies)
        for line in (bare := json.loads(json.dumps(good))):
            del line["response"]["body"]["choices"][0]["logprobs"]
        write(replies, bare)
        took = ehrbench("ingest", replies, *given, "--results", tmp_path / "files")
        assert took.returncode == 5
        assert "NoLogProbabilities" in took.stderr
        write(replies, good)
        took = ehrbench("ingest", replies, *given, "--results", tmp_path / "files")
        assert took.returncode == 0, took.stderr
    (one,), (other,) = run_folders(tmp_path / "online"), run_folders(tmp_path / "files")
    assert final_files(one) == final_files(other)
    assert rows(one / "private" / "predictions.jsonl")[0]["probabilities"]["yes"] > 0.8
