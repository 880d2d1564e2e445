"""A run through a provider's batch service is the run made online; whatever goes wrong, nothing is lost or sent twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import EhrbenchError
from ehrbench.runs.options import RunOptions
from ehrbench.runs.submissions import kept_options
from tests.acceptance.chart import (
    CANARIES,
    TOKENIZER,
    command,
    environment,
    final_files,
    rows,
    run_folders,
    write_release,
)
from tests.support.server import Server

ITEMS = 6


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def here(*arguments: object, home: Path, **env: str) -> Done:
    """A command in this process, which a test of a kill cannot do with."""
    result = CliRunner().invoke(app, list(map(str, arguments)), env={"EHRBENCH_HOME": str(home), **env})
    if isinstance(result.exception, EhrbenchError):
        return Done(result.exception.exit_code, result.stdout, result.stderr + str(result.exception))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Done(result.exit_code, result.stdout, result.stderr)


class Place:
    """A server with a batch service, data, and a folder for results."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        self.home, self.out = folder / "home", folder / "out"
        self.data = write_release(folder / "data", patients=2, questions=ITEMS // 2, entries=6)

    def options(self, *more: object) -> list[object]:
        return [
            *("--model", "openai:stub", "--tasks", "medalign", "--data-dir", self.data, "--context", "truncate", "--quiet"),
            *("--max-model-len", 2048, "--budget-tokenizer", TOKENIZER),
            *("--model-arg", f"base_url={self.server.url}", "--model-arg", "first_wait=0.01", *more),
        ]

    def submit(self, *more: object) -> Done:
        return here("requests", *self.options("--results", self.out, "--submit", *more), home=self.home)

    def ingest(self, *more: object) -> Done:
        return here("ingest", self.out, "--every", 0.02, *more, home=self.home)

    def online(self) -> Path:
        done = here("run", *self.options("--out", self.folder / "online"), home=self.home)
        assert done.returncode == 0, done.stderr
        (run,) = run_folders(self.folder / "online")
        return run

    def outcomes(self) -> list[str]:
        (run,) = run_folders(self.out)
        return sorted(row["outcome"] for row in rows(run / "private" / "predictions.jsonl"))


@pytest.fixture
def place(tmp_path: Path) -> Any:
    with Server() as server:
        yield Place(tmp_path, server)


def test_a_run_through_the_service_equals_the_run_made_online(place: Place) -> None:
    batches = place.server.with_batches(pending=2)
    done = place.submit("--wait", "--every", 0.02, "--calls-per-file", 4)
    assert done.returncode == 0, done.stderr
    assert batches.made == {"upload": 2, "batch": 2}
    assert "6 calls: 6 answered, 0 failed, 0 without a reply" in done.stderr
    assert not any(canary in done.stdout + done.stderr for canary in CANARIES)
    (run,) = run_folders(place.out)
    online = place.online()
    assert run.name == online.name
    assert final_files(run) == final_files(online), "scores, answers and settings"
    assert not batches.files, "neither prompts nor answers stay at the service"
    (kept,) = (place.out / "stub" / "batches").glob("*/submission.json")
    assert not list(kept.parent.glob("[0-9].jsonl")), "prompts do not stay here either"
    assert {path.stat().st_mode & 0o777 for path in kept.parent.glob("*.jsonl")} == {0o600}
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    again = place.submit("--wait")
    assert again.returncode == 0, again.stderr
    assert "every item is finished" in again.stderr
    assert batches.made == {"upload": 2, "batch": 2}


def test_another_day(place: Place) -> None:
    batches = place.server.with_batches(states=("validating", "in_progress", "in_progress", "in_progress", "completed"))
    left = place.out / "stub" / "batches" / "x" / "1.jsonl"  # of a process that was killed while it wrote its calls
    left.parent.mkdir(parents=True)
    left.write_text("a prompt")
    sent = place.submit()
    assert sent.returncode == 0, sent.stderr
    assert not left.exists()
    assert "--wait` takes the answers" in sent.stderr
    twice = place.submit()
    assert "6 calls are under way already" in twice.stderr
    wider = here(
        *("requests", *place.options("--results", place.out, "--submit", "--prompt", "default", "--limit", 2)), home=place.home
    )
    assert "2 calls are under way already" in wider.stderr, "whatever the options, a call is a call"
    assert batches.made == {"upload": 1, "batch": 1}
    early = place.ingest()
    assert early.returncode == 5
    assert "in_progress" in early.stderr
    (run,) = (run for run in run_folders(place.out) if json.loads((run / "manifest.json").read_text())["config"]["limit"] is None)
    done = here("ingest", run, "--wait", "--every", 0.02, "--metrics", "rouge_l", "--keep-remote", home=place.home)
    assert done.returncode == 0, done.stderr
    scored = {metric["name"] for metric in json.loads((run / "result.json").read_text())["metrics"]}
    assert "rouge_l" in scored
    assert "meteor" not in scored
    assert "2 files with prompts or answers stay" in done.stderr
    assert len(batches.files) == 2
    cleared = place.ingest()
    assert cleared.returncode == 0, cleared.stderr
    assert not batches.files
    assert "every batch is in the run already" in place.ingest().stderr


FAULTS = {
    "busy": {step: ["429", "429"] for step in ("upload", "create", "look", "about", "content", "delete")},
    "down": {step: ["500", "500"] for step in ("upload", "create", "look", "about", "content", "delete")},
    "made, and not said so": {"upload": ["made-500"], "create": ["made-500"], "delete": ["made-500"]},
    "made, and cut off": {step: ["made-reset"] for step in ("upload", "create", "look", "content", "delete")},
    "lists are down, too": {
        **{"upload": ["500", "made-reset"], "create": ["made-500"]},
        **{"files": ["500", "429"], "batches": ["500"]},
    },
    "cut off": {"content": ["truncated", "short"], "look": ["truncated"], "upload": ["truncated"], "create": ["truncated"]},
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_the_service(name: str, place: Place) -> None:
    batches = place.server.with_batches(faults=FAULTS[name])
    done = place.submit("--wait", "--every", 0.02, "--calls-per-file", 3)
    assert done.returncode == 0, done.stderr
    assert batches.made == {"upload": 2, "batch": 2}, "nothing is made twice"
    assert set(batches.sent.values()) == {1}
    assert not any(batches.faults.values()), "every fault was met"
    assert not batches.files
    assert place.outcomes() == ["answered"] * ITEMS


def test_options_are_the_same_when_they_are_read_again(tmp_path: Path) -> None:
    """Else a submission would not know the command that made it."""
    options = RunOptions(out=tmp_path, stop=("END",), samples=("a", "b"), include_paths=(tmp_path,), model_args={"n": "1"})
    kept = kept_options(options, "http://127.0.0.1/v1")
    assert json.loads(json.dumps(kept)) == kept
    assert {field.name for field in fields(RunOptions)} - kept.keys() == {"shard", "log_to"}


def test_a_kill_at_each_step(place: Place) -> None:
    running: list[subprocess.Popen[bytes]] = []
    killed: list[tuple[str, str]] = []

    def watch(step: str, when: str) -> None:
        if (step, when) not in killed:
            killed.append((step, when))
            os.kill(running[-1].pid, signal.SIGKILL)

    batches = place.server.with_batches(watch=watch)
    first = command(
        "requests", *place.options("--results", place.out, "--submit", "--calls-per-file", 4, "--wait", "--every", 0.02)
    )
    later = command("ingest", place.out, "--wait", "--every", 0.02)
    for attempt in range(60):
        sending = batches.made["batch"] < 2
        log = place.folder / f"{attempt}.log"
        with log.open("wb") as written:
            running.append(
                subprocess.Popen(first if sending else later, env=environment(place.home), stdout=written, stderr=written)
            )
            code = running[-1].wait(120)
        if code != -signal.SIGKILL:
            break
    assert code == 0, log.read_text()
    assert {step for step, _ in killed} == {"upload", "files", "create", "batches", "look", "about", "content", "delete"}
    assert len(killed) == 16, "before and after each"
    assert batches.made == {"upload": 2, "batch": 2}, "nothing was sent twice"
    assert set(batches.sent.values()) == {1}
    assert not batches.files
    (run,) = run_folders(place.out)
    online = place.online()
    assert final_files(run) == final_files(online)


def test_what_comes_back_in_part(place: Place) -> None:
    bad: list[str] = []

    def fails(call: dict[str, Any]) -> int | None:
        bad.append(call["custom_id"])
        return 400 if bad.index(call["custom_id"]) == 1 and len(bad) <= ITEMS else None

    def spoil(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*lines[:3], lines[0], {"custom_id": "0" * 40, "response": None}, *lines[4:]] if len(lines) > 3 else lines

    batches = place.server.with_batches(fails=fails, spoil=spoil)
    done = place.submit("--wait", "--every", 0.02)
    assert done.returncode == 5, done.stderr
    assert "6 calls: 4 answered, 1 failed (1 HTTP 400), 1 without a reply" in done.stderr
    assert "a custom_id that an earlier line has" in done.stderr
    assert "no open call of this run" in done.stderr
    assert "2 items wait for answers: `ehrbench requests … --submit` asks for these and for no others" in done.stderr
    assert "CANARY" not in done.stderr + done.stdout
    rest = place.submit("--wait", "--every", 0.02)
    assert rest.returncode == 0, rest.stderr
    assert "2 calls: 2 answered" in rest.stderr
    assert sorted(batches.sent.values()) == [1, 1, 1, 1, 2, 2]
    assert place.outcomes() == ["answered"] * ITEMS


@pytest.mark.parametrize(
    ("states", "undone", "said"),
    [
        (("in_progress", "expired"), 2, "expired: the service did not finish it in time"),
        (("in_progress", "cancelling", "cancelled"), 2, "was cancelled"),
        (("validating", "failed"), ITEMS, "failed: invalid_json_line (line 3)"),
    ],
)
def test_batches_that_do_not_complete(states: tuple[str, ...], undone: int, said: str, place: Place) -> None:
    batches = place.server.with_batches(states=states, undone=undone)
    done = place.submit("--wait", "--every", 0.02)
    assert done.returncode == 5, done.stderr
    assert said in done.stderr
    assert f"{undone} items wait for answers" in done.stderr
    assert "CANARY" not in done.stderr
    assert not batches.files
    batches.states = ("validating", "completed")
    rest = place.submit("--wait", "--every", 0.02)
    assert rest.returncode == 0, rest.stderr
    assert f"{undone} calls: {undone} answered" in rest.stderr
    assert final_files(run_folders(place.out)[0]) == final_files(place.online())


def test_a_batch_that_the_service_forgot(place: Place) -> None:
    batches = place.server.with_batches()
    assert place.submit().returncode == 0
    batches.batches.clear()
    done = place.ingest("--wait")
    assert done.returncode == 5, done.stderr
    assert "is no longer known to the service" in done.stderr
    assert not batches.files
    assert place.submit("--wait", "--every", 0.02).returncode == 0


def test_cancel(place: Place) -> None:
    batches = place.server.with_batches(states=("in_progress",), undone=4, faults={"upload": [], "create": ["made-500"] * 20})
    place.submit("--calls-per-file", 3)
    done = place.ingest("--cancel", "--wait")
    assert done.returncode == 5, done.stderr
    assert "was cancelled" in done.stderr
    assert not batches.files
    batches.states, batches.faults = ("completed",), {}
    assert "6 calls are at" in place.submit().stderr, "what was given up is asked again"


def test_azure(place: Place) -> None:
    batches = place.server.with_batches(pending=1)
    base = place.server.url.removesuffix("/v1")
    for version, prefix, ending, url in (
        ("2024-10-21", "/openai/", "?api-version=2024-10-21", "/chat/completions"),
        ("v1", "/openai/v1/", "", "/v1/chat/completions"),
    ):
        batches.paths.clear()
        given = ["--model", "azure:gpt", "--model-arg", f"base_url={base}", "--model-arg", f"api_version={version}"]
        options = [*given, *place.options()[2:13]]
        out = place.folder / version
        sending = ["--results", out, "--submit", "--wait", "--every", 0.02]
        done = here("requests", *options, *sending, home=place.home, AZURE_OPENAI_API_KEY="k")
        assert done.returncode == 0, done.stderr
        assert batches.paths[0] == f"POST {prefix}files{ending}"
        assert f"POST {prefix}batches{ending}" in batches.paths
        assert list(batches.batches.values())[-1]["endpoint"] == url
        assert any(path.startswith(f"DELETE {prefix}files/file-") and path.endswith(ending) for path in batches.paths)


def test_tokens_that_end(place: Place) -> None:
    batches = place.server.with_batches()
    counter = place.folder / "count"
    script = place.folder / "token.py"
    script.write_text(
        f"import pathlib\np = pathlib.Path({str(counter)!r})\nn = int(p.read_text()) + 1 if p.exists() else 1\n"
        "p.write_text(str(n))\nprint(f'token-{n}')\n"
    )
    used: list[str] = []

    def admit(headers: Any) -> bool:
        used.append(headers["authorization"])
        return used.count(used[-1]) <= 5

    place.server.admit = admit
    done = place.submit(
        *("--wait", "--every", 0.02, "--calls-per-file", 2, "--model-arg", f"token_command={sys.executable} {script}")
    )
    assert done.returncode == 0, done.stderr
    assert len(set(used)) > 2
    assert batches.made == {"upload": 3, "batch": 3}


def test_the_data_policy_comes_before_any_socket(place: Place) -> None:
    batches = place.server.with_batches()
    away = ["--model-arg", "forwards_to=https://api.example.org"]
    refused = place.submit(*away)
    assert refused.returncode == 4, refused.stderr
    assert not batches.paths
    assert not list((place.out / "stub" / "batches").glob("*/*.jsonl"))
    allow = ["approve", "https://api.example.org", "--tasks", "medalign", "--by", "A", "--agreement", "B"]
    assert here(*allow, home=place.home).returncode == 0
    assert place.submit(*away).returncode == 0
    n = len(batches.paths)
    assert here(*allow[:4], "--revoke", home=place.home).returncode == 0
    late = place.ingest("--wait")
    assert late.returncode == 4, late.stderr
    assert len(batches.paths) == n


def test_a_server_without_a_batch_service(place: Place) -> None:
    done = place.submit()
    assert done.returncode == 2
    assert "has no batch service" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["requests"], "give --out FILE, or --submit"),
        (["requests", "--out", "x.jsonl", "--submit"], "leave --out out, or --submit"),
        (["requests", "--out", "x.jsonl", "--wait"], "only with --submit"),
        (["ingest", "x.jsonl", "--wait"], "are for a run's folder"),
    ],
)
def test_options_that_do_not_go_together(given: list[str], said: str, tmp_path: Path) -> None:
    more = ["--model", "openai:x", "--tasks", "medalign", "--data-dir", "sample"]
    done = here(given[0], *given[1:], *more, home=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_options_of_a_folder_are_settled(place: Place) -> None:
    place.server.with_batches()
    assert place.submit().returncode == 0
    assert "--limit was settled" in place.ingest("--limit", 3).stderr
    assert "--model was settled" in place.ingest("--model", "openai:x").stderr
    assert "no batches were submitted" in here("ingest", place.data, home=place.home).stderr


def test_dry_run_at_batch_prices(place: Place) -> None:
    batches = place.server.with_batches()
    prices = place.folder / "prices.json"
    prices.write_text(json.dumps({"stub": {"input": 10, "output": 10}}))
    given = ["--dry-run", "--model-arg", f"prices={prices}"]
    unknown = place.submit(*given)
    assert unknown.returncode == 0, unknown.stderr
    assert "6 items, 6 calls" in unknown.stdout
    assert "cost unknown" in unknown.stdout
    prices.write_text(json.dumps({"stub": {"input": 10, "output": 10, "batch": {"input": 1000, "output": 0}}}))
    known = place.submit(*given)
    tokens = int(known.stdout.split(" prompt tokens")[0].rsplit(" ", 1)[1].replace(",", ""))
    assert f"about ${tokens / 1000:.2f}" in known.stdout
    assert not batches.paths
    assert not place.out.exists()
    assert place.submit("--wait", "--every", 0.02, *given[1:]).returncode == 0
    (run,) = run_folders(place.out)
    steps = [step for row in rows(run / "private" / "predictions.jsonl") for step in row["steps"]]
    assert sum(step["cost"] for step in steps) == pytest.approx(sum(step["prompt_tokens"] for step in steps) / 1000)
