"""Credentialed text stays in ``private/`` on this machine."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.chart import CANARIES, ehrbench, environment, run_folders, write_release
from tests.support.published import contents
from tests.support.server import Server

RUN = ("run", "--tasks", "medalign", "--metrics", "rouge_l,chrf_pp", "--quiet")


def test_a_remote_endpoint_is_refused_without_opening_a_socket(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", entries=3)
    # Any use of a socket in the process ends it with code 77, before anything could be sent.
    guard = (
        "import socket, os\n"
        "def refuse(*a, **k): os._exit(77)\n"
        "socket.socket.connect = socket.socket.connect_ex = refuse\n"
        "socket.getaddrinfo = socket.create_connection = refuse\n"
        "import sys; sys.argv[0] = 'ehrbench'\n"
        "from ehrbench.cli import main; main()\n"
    )
    command = [
        sys.executable,
        "-c",
        guard,
        *RUN,
        "--model",
        "openai:gpt",
        "--data-dir",
        str(data),
        "--out",
        str(tmp_path / "out"),
    ]
    finished = subprocess.run(
        [*command, "--model-arg", "base_url=https://models.example.org/v1"],
        env={**environment(tmp_path / "home"), "OPENAI_API_KEY": "not-a-key"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 4, finished.stderr
    assert "ehrbench approve https://models.example.org:443" in finished.stderr
    assert not (tmp_path / "out").exists(), "and nothing is written"


def test_after_an_approval_it_runs_and_the_manifest_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.0.0.0 leads to this machine and is no loopback address, so for the gate it is remote.

    A proxy that the environment names was approved by nobody and sees nothing, neither before the approval nor after it.
    """
    data = write_release(tmp_path / "data", entries=3)
    home = tmp_path / "home"
    with Server() as server, Server() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        endpoint = f"http://0.0.0.0:{server.port}"
        arguments = (*RUN, "--model", "openai:stub", "--data-dir", data, "--out", tmp_path / "out")
        arguments += ("--budget-tokenizer", "words", "--model-arg", f"base_url={endpoint}/v1")
        refused = ehrbench(*arguments, home=home)
        assert refused.returncode == 4, refused.stderr
        assert server.stats()["connections"] == 0
        approved = ehrbench("approve", endpoint, "--tasks", "medalign", "--by", "A. Officer", "--agreement", "DUA 7", home=home)
        assert approved.returncode == 0, approved.stderr
        finished = ehrbench(*arguments, home=home)
        assert finished.returncode == 0, finished.stderr
        assert proxy.stats()["connections"] == 0
    away = ehrbench(*arguments, "--seed", 2, home=home)
    assert away.returncode == 3, away.stderr
    assert "the proxy that HTTPS_PROXY names is not used unless --model-arg proxy=URL" in away.stderr
    (folder,) = run_folders(tmp_path / "out")
    for name in ("manifest.json", "result.json"):
        approval = json.loads((folder / name).read_text())["approval"]
        assert (approval["approved_by"], approval["agreement"]) == ("A. Officer", "DUA 7")
    assert ehrbench("approve", endpoint, "--tasks", "medalign", "--revoke", home=home).returncode == 0
    assert ehrbench(*arguments, home=home).returncode == 4


def test_an_approval_is_for_one_endpoint_and_its_tasks(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", entries=3)
    home = tmp_path / "home"
    arguments = (*RUN, "--model", "openai:gpt", "--data-dir", data, "--out", tmp_path / "out", "--model-arg")
    ehrbench("approve", "https://a.example.org", "--tasks", "medalign", "--by", "x", "--agreement", "y", home=home)
    ehrbench("approve", "https://b.example.org", "--tasks", "mimic_instr*", "--by", "x", "--agreement", "y", home=home)
    for base_url in ("https://a.example.org:8443/v1", "http://a.example.org/v1", "https://b.example.org/v1", "https://c.org/v1"):
        assert ehrbench(*arguments, f"base_url={base_url}", home=home).returncode == 4, base_url


@pytest.mark.parametrize("context", ["truncate", "refine", "retrieve"])
def test_canaries_are_found_in_private_and_nowhere_else(tmp_path: Path, context: str) -> None:
    data = write_release(tmp_path / "data")
    with Server(
        answer=lambda body: body["messages"][-1]["content"][-900:], poison="tangent 1", script=["500", "garbage"]
    ) as server:
        finished = ehrbench(
            *(*RUN, "--model", "openai:stub", "--data-dir", data, "--out", tmp_path / "out", "--context", context),
            *("--max-model-len", 1500, "--budget-tokenizer", "words", "--model-arg", f"base_url={server.url}"),
            *("--model-arg", "first_wait=0.01"),
            home=tmp_path / "home",
        )
    assert finished.returncode == 5, finished.stderr
    (folder,) = run_folders(tmp_path / "out")
    private = b"".join(p.read_bytes() for p in (folder / "private").iterdir())
    assert all(canary.encode() in private for canary in CANARIES[:2]), "the answers quote the record and the question"
    site = ehrbench(
        "leaderboard", "build", tmp_path / "out", "--out", tmp_path / "site", "--data-dir", data, home=tmp_path / "home"
    )
    assert site.returncode == 0, site.stderr
    said = (finished.stdout + finished.stderr + site.stdout + site.stderr).encode()
    public = [p for p in tmp_path.rglob("*") if p.is_file() and "private" not in p.parts and data not in p.parents]
    assert {"manifest.json", "result.json", "index.html"} <= {p.name for p in public}
    for canary in CANARIES:
        assert canary.encode() not in said
        for path, content in contents(public):
            assert canary.encode() not in content, f"{canary} in {path}"
            assert b"700000001" not in content, f"a patient's id in {path}"


def test_private_is_for_its_owner_and_ignored_by_git(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", entries=3)
    assert (
        ehrbench(*RUN, "--model", "baseline:bm25", "--data-dir", data, "--out", tmp_path / "out", home=tmp_path).returncode == 0
    )
    (folder,) = run_folders(tmp_path / "out")
    assert stat.S_IMODE((folder / "private").stat().st_mode) == 0o700
    subprocess.run(["git", "init", "-q", tmp_path / "out"], check=True)
    shown = subprocess.run(
        ["git", "-C", tmp_path / "out", "status", "--porcelain", "-uall"], capture_output=True, text=True, check=True
    )
    assert "result.json" in shown.stdout
    assert "private" not in shown.stdout


def test_a_bug_is_reported_without_its_message(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", entries=3)
    broken = (
        "import ehrbench.tasks.answers as answers\n"
        "def bad(text, item, steps): raise RuntimeError(text + item.question)\n"
        "answers.clean = bad\n"
        "import ehrbench.runs.plan as plan\n"
        "plan.clean = bad\n"
        "from ehrbench.cli import main; main()\n"
    )
    command = [
        sys.executable,
        "-c",
        broken,
        *RUN,
        "--model",
        "baseline:bm25",
        "--data-dir",
        str(data),
        "--out",
        str(tmp_path / "out"),
    ]
    finished = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 1
    assert "RuntimeError" in finished.stderr
    assert not any(canary in finished.stderr for canary in CANARIES)
