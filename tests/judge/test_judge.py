"""The judge against a scripted server on loopback: formula, orders, failures and resume."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.chart import command, ehrbench, environment, rows, run_folders, write_release
from tests.support.server import Raw, Server

SCORES = {"r": 8, "c0": 4, "c1": 8, "c2": 10}


def answers(folder: Path, name: str, kind: str, n: int = 4) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"item": str(9000000000 + i), "answer": f"{kind}{i}"}) + "\n" for i in range(n)))
    return path


def judge_answer(body: dict[str, Any]) -> str:
    """Scores each answer by its name, wherever it stands; ``c3`` cannot be rated."""
    text = body["messages"][-1]["content"]
    first, second = (re.search(rf"\[Assistant {k} Answer\]\n(.*?)\n", text).group(1) for k in (1, 2))  # type: ignore[union-attr]
    if "c3" in (first, second):
        return "I would rather not say."
    return " ".join(str(SCORES.get(x, SCORES["r"])) for x in (first, second)) + "\nBecause."


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path, Path]:
    data = write_release(tmp_path / "data", patients=1, questions=4, entries=2)
    for name, kind in (("candidate", "c"), ("reference", "r")):
        finished = ehrbench(
            *("run", "--model", f"replay:{answers(tmp_path, name, kind)}", "--tasks", "medalign", "--data-dir", data),
            *("--out", tmp_path / name, "--metrics", "exact_match", "--quiet"),
            home=tmp_path / "home",
        )
        assert finished.returncode == 0, finished.stderr
    return tmp_path, run_folders(tmp_path / "candidate")[0], run_folders(tmp_path / "reference")[0]


def arguments(server: Server, runs: tuple[Path, Path, Path], *more: object) -> list[object]:
    folder, candidate, reference = runs
    return [
        *("judge", candidate, "--judge", "openai:stub", "--reference", reference, "--out", folder / "judge", "--quiet", "--json"),
        *("--judge-arg", f"base_url={server.url}", "--judge-arg", "concurrency=2", *more),
    ]


def metrics(stdout: str) -> dict[str, dict[str, Any]]:
    return {m["name"]: m for m in json.loads(stdout)["results"][0]["metrics"]}


def test_paper_order_and_formula(runs: tuple[Path, Path, Path]) -> None:
    with Server(answer=judge_answer) as server:
        finished = ehrbench(*arguments(server, runs, "--protocol", "paper"), home=runs[0] / "home")
        assert finished.returncode == 0, finished.stderr
        assert server.stats()["calls"] == 4, "one order, one try"
        assert all("[Assistant 1 Answer]\nr" in body["messages"][-1]["content"] for body in server.bodies)
        assert all(body["messages"][0]["role"] == "system" for body in server.bodies)
        assert all(body["max_tokens"] == 512 and body["temperature"] == 0 for body in server.bodies)
    found = metrics(finished.stdout)["judge_relative"]
    # Ratios 50, 100 and 125 (the fourth verdict cannot be read): s = sqrt(2916.67 / 2), half width 1.96 s / sqrt(3).
    assert found["n"] == 3
    assert found["value"] == pytest.approx(275 / 3)
    assert found["high"] - found["value"] == pytest.approx(1.96 * (2916.6666667 / 2 / 3) ** 0.5)
    assert metrics(finished.stdout)["judge_ratio_of_sums"]["value"] == pytest.approx(100 * 22 / 24)
    (result,) = json.loads(finished.stdout)["results"]
    assert "1 verdicts could not be read and are not imputed" in result["caveats"]


def test_clean_asks_in_both_orders_and_asks_unreadable_verdicts_again(runs: tuple[Path, Path, Path]) -> None:
    with Server(answer=judge_answer) as server:
        finished = ehrbench(*arguments(server, runs), home=runs[0] / "home")
        assert finished.returncode == 0, finished.stderr
        assert server.stats()["calls"] == 8 + 2 * 2, "both orders, and two more tries for the unreadable pair"
    found = metrics(finished.stdout)
    assert found["judge_relative"]["value"] == pytest.approx(275 / 3)
    assert found["judge_consistency"]["value"] == 1.0
    assert found["judge_first_preferred"]["value"] == 0.5


def test_a_judge_that_prefers_what_it_sees_first(runs: tuple[Path, Path, Path]) -> None:
    with Server(answer=lambda body: "9 3") as server:
        finished = ehrbench(*arguments(server, runs), home=runs[0] / "home")
    found = metrics(finished.stdout)
    assert found["judge_consistency"]["value"] == 0.0
    assert found["judge_first_preferred"]["value"] == 1.0
    # The candidate has 9 + 3 points, the reference as many: a preference for a place is no preference for an answer.
    assert found["judge_ratio_of_sums"]["value"] == found["judge_relative"]["value"] == pytest.approx(100)
    assert json.loads(finished.stdout)["results"][0]["primary"] == "judge_ratio_of_sums"


def test_verdicts_are_counted_by_the_way_they_were_written(runs: tuple[Path, Path, Path]) -> None:
    written = iter(["8 7", "Assistant 1: 8, Assistant 2: 7", '{"assistant_1": 8, "assistant_2": 7}'] * 99)
    with Server(answer=lambda body: next(written)) as server:
        finished = ehrbench(*arguments(server, runs, "--judge-arg", "concurrency=1"), home=runs[0] / "home")
    assert finished.returncode == 0, finished.stderr
    (result,) = json.loads(finished.stdout)["results"]
    assert result["answers"]["verdicts"] == {"json": 2, "labelled": 3, "line": 3}


def test_structured_output_is_asked_for_and_a_plain_answer_read_all_the_same(runs: tuple[Path, Path, Path]) -> None:
    with Server(answer=lambda body: "8 7") as server:
        finished = ehrbench(*arguments(server, runs, "--structured"), home=runs[0] / "home")
        assert {body["response_format"]["type"] for body in server.bodies} == {"json_schema"}
    assert finished.returncode == 0, finished.stderr
    written = json.dumps({"assistant_1": 8, "assistant_2": 7, "explanation": "x"})
    with Server(answer=lambda body: written) as server:
        finished = ehrbench(*arguments(server, runs, "--structured", "--judge-arg", "api=responses"), home=runs[0] / "home")
        (form,) = {json.dumps(body["text"]["format"]) for body in server.bodies}
    assert finished.returncode == 0, finished.stderr
    assert json.loads(form)["name"] == "verdict"
    assert json.loads(finished.stdout)["results"][0]["answers"]["verdicts"] == {"json": 8}
    refusal = {"error": {"message": "Unrecognized request argument supplied: response_format"}}
    with Server(script=[Raw.of(refusal, 400)] * 9) as server:
        finished = ehrbench(*arguments(server, runs, "--structured"), home=runs[0] / "home")
    assert finished.returncode == 2
    assert "without --structured" in finished.stderr


@pytest.mark.parametrize(("verdict", "ratio"), [("8 0", 0), ("8 100", 1250), ("8 -4", -50), ("1 1e30", None)])
def test_the_paper_s_reading_keeps_what_it_bought(verdict: str, ratio: float | None, runs: tuple[Path, Path, Path]) -> None:
    with Server(answer=lambda body: verdict) as server:
        finished = ehrbench(*arguments(server, runs, "--protocol", "paper"), home=runs[0] / "home")
    assert finished.returncode == 0, finished.stderr
    found = metrics(finished.stdout)["judge_relative"]
    assert found["value"] == (None if ratio is None else pytest.approx(ratio))
    assert bool(found["missing"]) == (ratio is None)


def test_verdicts_that_never_come_are_counted(runs: tuple[Path, Path, Path]) -> None:
    with Server(answer=judge_answer, poison="c1") as server:
        finished = ehrbench(*arguments(server, runs, "--protocol", "paper"), home=runs[0] / "home")
    assert finished.returncode == 5
    assert metrics(finished.stdout)["judge_relative"]["n"] == 2
    assert any("never came" in caveat for caveat in json.loads(finished.stdout)["results"][0]["caveats"])


def test_killed_and_resumed_no_verdict_is_bought_twice(runs: tuple[Path, Path, Path]) -> None:
    with Server(answer=judge_answer, latency=0.3) as server:
        process = subprocess.Popen(
            command(*arguments(server, runs)), env=environment(runs[0] / "home"), stdout=subprocess.DEVNULL
        )
        while server.stats()["calls"] < 4:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        stored = sum(len(rows(f / "private" / "predictions.jsonl")) for f in run_folders(runs[0] / "judge"))
        assert stored >= 2
        before = server.stats()["calls"]
        finished = ehrbench(*arguments(server, runs), home=runs[0] / "home")
        assert finished.returncode == 0, finished.stderr
        assert server.stats()["calls"] - before == 12 - stored
        again = ehrbench(*arguments(server, runs), home=runs[0] / "home")
        assert server.stats()["calls"] - before == 12 - stored, "and a finished judgement costs nothing"
    assert metrics(again.stdout) == metrics(finished.stdout)


def test_two_judges_agree_or_not(runs: tuple[Path, Path, Path]) -> None:
    with Server(answer=judge_answer) as server:
        finished = ehrbench(*arguments(server, runs, "--judge", "openai:other"), home=runs[0] / "home")
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["agreement_alpha"] == pytest.approx(1.0)


def test_runs_that_do_not_belong_together_are_refused(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    other = write_release(tmp_path / "other", patients=1, questions=3, entries=2)
    ehrbench(
        *("run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", other, "--out", tmp_path / "b", "--quiet"),
        *("--metrics", "exact_match"),
        home=runs[0] / "home",
    )
    with Server() as server:
        finished = ehrbench(*arguments(server, (runs[0], runs[1], run_folders(tmp_path / "b")[0])), home=runs[0] / "home")
        assert server.stats()["calls"] == 0
    assert finished.returncode == 2
    assert "data_hash" in finished.stderr


def test_a_remote_judge_is_gated_like_any_model(runs: tuple[Path, Path, Path]) -> None:
    folder, candidate, reference = runs
    finished = ehrbench(
        *("judge", candidate, "--judge", "openai:gpt", "--reference", reference, "--out", folder / "judge"),
        *("--judge-arg", "base_url=https://judge.example.org/v1"),
        home=folder / "home",
    )
    assert finished.returncode == 4
    assert "judge.example.org" in finished.stderr
