"""``--executor ray`` over two local nodes: the answers of a local run, also when a node or an actor is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ehrbench.models.capabilities import GivesLikelihoods, LikelihoodRequest
from ehrbench.runs.ray_executor import Layout, RayModel, Spec
from tests.acceptance.chart import CANARIES, ROOT, command, final_files, rows, run_folders, write_release
from tests.support.scripted import ScriptedModel
from tests.support.slow import ENTRY_POINT
from tests.support.slow import load as load_slow

pytestmark = pytest.mark.ray


@pytest.fixture(autouse=True)
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process, the nodes and the command find: the checkout, and the backend of another package."""
    package = tmp_path / "plugin" / "slow-1.dist-info"
    package.mkdir(parents=True)
    (package / "entry_points.txt").write_text(ENTRY_POINT)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{package.parent}")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("EHRBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture
def ray_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where Ray writes its logs. Its sockets are there, too, whose names may not be long."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="r", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def cluster(paths: None) -> Iterator[Any]:
    from ray import cluster_utils

    options = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 128 << 20}
    made = cluster_utils.Cluster(initialize_head=True, head_node_args=options)
    made.second = made.add_node(num_cpus=1, object_store_memory=128 << 20)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def arguments(data: Path, out: Path, *more: object) -> list[object]:
    return ["run", "--tasks", "medalign", "--data-dir", data, "--out", out, "--metrics", "rouge_l", "--quiet", *more]


def ended(*given: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*given), capture_output=True, text=True, timeout=180, check=False)


def test_two_nodes_give_the_answers_of_a_local_run(tmp_path: Path, cluster: Any) -> None:
    data = write_release(tmp_path / "data", patients=4, questions=3, entries=60)
    model = ["--model", "slow:x", "--context", "refine", "--max-model-len", 2048, "--budget-tokenizer", "words"]
    local = ended(*arguments(data, tmp_path / "local", *model))
    assert local.returncode == 0, local.stderr
    spread = ended(*arguments(data, tmp_path / "ray", *model, "--executor", "ray", "--ray-address", cluster.address))
    assert spread.returncode == 0, spread.stderr
    (one,), (other,) = run_folders(tmp_path / "local"), run_folders(tmp_path / "ray")
    assert one.name == other.name
    assert final_files(one) == final_files(other)
    assert len(rows(one / "private" / "predictions.jsonl")[0]["steps"]) > 1


def test_a_node_that_is_killed_costs_no_answer(tmp_path: Path, cluster: Any) -> None:
    data = write_release(tmp_path / "data", patients=8, questions=10, entries=2)
    marks = tmp_path / "marks"
    marks.mkdir()
    model = ["--model", "slow:x", "--model-arg", "seconds=0.2", "--model-arg", f"marks={marks}", "--context", "truncate"]
    given = arguments(data, tmp_path / "ray", *model, "--executor", "ray", "--ray-address", cluster.address)
    process = subprocess.Popen(command(*given), stderr=subprocess.PIPE, text=True)
    while process.poll() is None and len(list(marks.iterdir())) < 2:
        time.sleep(0.05)
    assert process.poll() is None, "killed within the work"
    cluster.remove_node(cluster.second, allow_graceful=False)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    (folder,) = run_folders(tmp_path / "ray")
    outcomes = [row["outcome"] for row in rows(folder / "private" / "predictions.jsonl")]
    assert outcomes == ["answered"] * 80
    assert "an actor was lost" in errors


def test_a_call_that_kills_its_actors_fails_alone(tmp_path: Path, ray_files: Path) -> None:
    data = write_release(tmp_path / "data", patients=1, questions=4, entries=2)
    model = ["--model", "slow:x", "--model-arg", "dies_at=tangent 2", "--context", "truncate"]
    run = ended(*arguments(data, tmp_path / "ray", *model, "--executor", "ray"))
    assert run.returncode == 5, run.stderr
    assert "ActorLost" in run.stderr
    (folder,) = run_folders(tmp_path / "ray")
    outcomes = {row["item"]: row["outcome"] for row in rows(folder / "private" / "predictions.jsonl")}
    assert sorted(outcomes.values()) == ["answered", "answered", "answered", "api_error"]
    assert outcomes["9000000002"] == "api_error"
    logs = [path for path in (ray_files / "ray").rglob("*") if path.is_file()]
    assert logs
    assert not [path for path in logs if any(canary.encode() in path.read_bytes() for canary in CANARIES)]


def test_likelihoods_come_from_the_actors(cluster: Any) -> None:
    texts = {f"item {n}": (("context", "x" * n), ("whole text",)) for n in range(200)}
    spread = RayModel(load_slow("x", {}, None), Spec("slow:x", {}, None), Layout(cluster.address, actors=2))
    try:
        assert isinstance(spread, GivesLikelihoods)
        found = {r.id: r for r in spread.log_likelihoods(LikelihoodRequest(id_, asked) for id_, asked in texts.items())}
    finally:
        spread.close()
    assert {id_: [value for value, _ in r.likelihoods] for id_, r in found.items()} == {
        f"item {n}": [-7.0 - n, -10.0] for n in range(200)
    }


def test_an_actor_killed_while_it_scores_costs_no_likelihood(cluster: Any, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    given = {"seconds": "0.02", "marks": str(marks)}
    spread = RayModel(load_slow("x", {}, None), Spec("slow:x", given, None), Layout(cluster.address, actors=2))
    asked = [LikelihoodRequest(f"item {n}", (("context", "x" * n),)) for n in range(300)]
    found = {}
    killed: list[int] = []
    assert isinstance(spread, GivesLikelihoods)
    try:
        for response in spread.log_likelihoods(asked):
            found[response.id] = response.likelihoods[0][0]
            if not killed:
                killed.append(int(next(marks.iterdir()).name))
                os.kill(killed[0], signal.SIGKILL)
    finally:
        spread.close()
    assert found == {f"item {n}": -7.0 - n for n in range(300)}
    assert len(list(marks.iterdir())) >= 2


def test_a_model_without_likelihoods_has_none_on_a_cluster(cluster: Any) -> None:
    spread = RayModel(ScriptedModel(), Spec("slow:x", {}, None), Layout(cluster.address))
    try:
        assert not isinstance(spread, GivesLikelihoods)
    finally:
        spread.close()


def test_more_gpus_than_there_are(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=1, questions=1, entries=2)
    run = ended(*arguments(data, tmp_path / "ray", "--model", "slow:x", "--executor", "ray", "--ray-gpus", 64))
    assert run.returncode == 2
    assert "--ray-gpus 64: the cluster has" in run.stderr
