"""``--log-to`` with the services' own packages, on this machine: their own readers find each run, and no text in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ehrbench.results.schema import Result
from ehrbench.results.store import read_result
from tests.acceptance.chart import CANARIES, ehrbench, run_folders, write_release
from tests.support.server import Server

pytestmark = pytest.mark.inspect

IDS = ("9000000000", "9000000001", "9000000100")
TO = ("--log-to", "mlflow", "--log-to", "wandb:offline", "--log-to", "trackio")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A credentialed task, answered with what is private and logged to all three services, twice."""
    folder = tmp_path_factory.mktemp("logged")
    data = write_release(folder / "data", patients=2, entries=4)
    with pytest.MonkeyPatch.context() as patch, Server(answer=lambda body: body["messages"][-1]["content"][-900:]) as server:
        for name in [name for name in os.environ if name.startswith(("TRACKIO_", "WANDB_", "MLFLOW_"))]:
            patch.delenv(name)
        patch.setenv("TRACKIO_DIR", str(folder / "trackio"))
        for name in ("first", "second"):
            done = ehrbench(
                *("run", "--tasks", "medalign", "--metrics", "rouge_l,chrf_pp", "--data-dir", data, "--out", folder / "out"),
                *("--model", "openai:stub", "--model-arg", f"base_url={server.url}", "--max-model-len", 4000, "--seed", 3),
                *("--budget-tokenizer", "words", "--samples", ",".join(IDS), *TO),
                home=folder / "home",
            )
            assert done.returncode == 0, done.stderr
            (folder / f"{name}.txt").write_text(done.stderr)
    yield folder


def result(folder: Path) -> Result:
    (run,) = run_folders(folder / "out")
    return read_result(run / "result.json")


def expected(folder: Path) -> dict[str, float]:
    found = {}
    for metric in result(folder).metrics:
        ends = (("", metric.value), ("_low", metric.low), ("_high", metric.high))
        found |= {metric.name + suffix: value for suffix, value in ends if value is not None}
    return {**found, "progress/items": 3.0, "outcomes/answered": 3.0, "n_items": 3.0}


def test_mlflow_reads_its_run_and_the_second_command_went_on_in_it(folder: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'out' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("medalign")
    (run,) = client.search_runs([experiment.experiment_id])
    assert expected(folder).items() <= run.data.metrics.items()
    assert (run.info.status, run.data.params["seed"], run.data.params["context.window"]) == ("FINISHED", "3", "4000")
    assert (run.info.run_name, run.data.tags["protocol"]) == ("stub", "clean")
    assert len(client.get_metric_history(run.info.run_id, "rouge_l")) == 2
    assert f"as run {run.info.run_id}, continued" in (folder / "second.txt").read_text()


def records(file: Path) -> Iterator[Any]:
    """The records of a file of W&B's, by its package's schema; its reader of the LevelDB log that holds them is compiled."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, parts = file.read_bytes(), 7, b""
    assert data.startswith(b":W&B")
    while at + 7 <= len(data):
        if 0x8000 - at % 0x8000 < 7:  # too little of the block is left for a header
            at += 0x8000 - at % 0x8000
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def test_wandb_finds_two_runs_with_the_numbers(folder: Path) -> None:
    files = sorted((folder / "out" / "wandb").glob("offline-run-*/*.wandb"))
    sync = [sys.executable, "-m", "wandb", "beta", "sync", "--dry-run", str(folder / "out" / "wandb")]
    said = subprocess.run(sync, capture_output=True, text=True, check=True)
    assert "Would sync 2 run(s)" in said.stdout + said.stderr and len(files) == 2
    for file in files:
        history, config = {}, {}
        for record in records(file):
            if record.HasField("run"):
                assert (record.run.project, record.run.run_group, record.run.display_name) == ("ehrbench", "medalign", "stub")
                assert not record.run.host and not record.run.git.remote_url
                config |= {one.key: json.loads(one.value_json) for one in record.run.config.update}
            assert not any(record.HasField(name) for name in ("output", "output_raw", "files", "stats"))
            history |= {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        assert expected(folder).items() <= history.items() and history["items"] == 3
        assert config["seed"] == 3 and [name for name, value in config.items() if isinstance(value, str)] == ["protocol"]
    assert "a new one" in (folder / "second.txt").read_text(), "offline, each command has a file of its own"


def test_trackio_reads_its_run_and_the_second_command_went_on_in_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trackio import Api, sqlite_storage, utils

    for module in (sqlite_storage, utils):
        monkeypatch.setattr(module, "TRACKIO_DIR", folder / "trackio")
    (run,) = Api().runs("ehrbench")
    assert run.name.startswith("stub medalign ") and run.config["seed"] == 3
    logs: list[dict[str, Any]] = sqlite_storage.SQLiteStorage.get_logs("ehrbench", run.name, run_id=run.id)
    assert expected(folder).items() <= {name: value for row in logs for name, value in row.items()}.items()
    assert sum("rouge_l" in row for row in logs) == 2 and "trackio (local) as run" in (folder / "second.txt").read_text()


def test_no_byte_that_was_written_for_them_is_private(folder: Path) -> None:
    places = [folder / "out" / "mlflow.db", *(folder / "out" / "wandb").rglob("*"), *(folder / "trackio").rglob("*")]
    written = [path for path in places if path.is_file()]
    assert len(written) > 5
    (run,) = run_folders(folder / "out")
    private = (run / "private" / "predictions.jsonl").read_text()
    assert CANARIES[0] in private and IDS[0] in private
    for path in written:
        content = path.read_bytes()
        for secret in (*CANARIES, *IDS, "700000001", str(folder / "data")):
            assert secret.encode() not in content, f"{secret} in {path}"


def test_a_server_that_is_not_there_costs_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = ehrbench(
        *("run", "--model", "baseline:bm25", "--tasks", "medalign,mimic_instr.schema", "--data-dir", "sample", "--limit", "3"),
        *("--out", tmp_path / "out", "--log-to", "mlflow:http://127.0.0.1:9", "--quiet"),
        home=tmp_path / "home",
    )
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "mlflow" in line]
    assert len(warnings) == 2 and "MlflowException" in warnings[0] and "not all was logged" in warnings[1]
    assert len(run_folders(tmp_path / "out")) == 2
