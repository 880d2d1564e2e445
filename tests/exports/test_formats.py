"""Results in other people's formats: what stands in the files, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import polars as pl
import pytest
import yaml

from ehrbench.results.published import published_results
from ehrbench.results.store import write_result
from tests.acceptance.chart import ehrbench
from tests.leaderboard.invented import invented

FORMATS = ("csv", "parquet", "every-eval-ever", "inspect", "lm-eval", "model-index")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for result in invented(3, 6):
        write_result(folder / result.model.name / result.task / result.config_hash / "result.json", result)
    write_result(folder / "medalign.results.json", published_results("medalign"))
    return folder


def export(results: Path, name: str, out: Path, *more: object) -> list[Path]:
    done = ehrbench("export", results, "--to", name, "--out", out, "--json", *more)
    assert done.returncode == 0, done.stderr
    return [Path(path) for path in json.loads(done.stdout)["files"]]


def values(results: Path) -> set[float]:
    from ehrbench.results.store import find_results

    stored, _ = find_results([results])
    return {metric.value for one in stored for metric in one.result.metrics if metric.value is not None}


@pytest.mark.parametrize("name", FORMATS)
def test_every_number_stands_in_the_files(results: Path, tmp_path: Path, name: str) -> None:
    files = export(results, name, tmp_path / "out")
    found: set[float] = set()
    for file in files:
        if name in ("csv", "parquet"):
            frame = pl.read_csv(file) if name == "csv" else pl.read_parquet(file)
            found |= set(frame["value"].drop_nulls())
        elif name == "every-eval-ever":
            found |= {one["score_details"]["score"] for one in json.loads(file.read_text())["evaluation_results"]}
        elif name == "inspect":
            with zipfile.ZipFile(file) as archive:
                scores = json.loads(archive.read("header.json"))["results"]["scores"]
            found |= {score["metrics"]["value"]["value"] for score in scores}
        elif name == "lm-eval":
            tables = json.loads(file.read_text())["results"].values()
            found |= {value for table in tables for key, value in table.items() if key.endswith(",none") and "_stderr" not in key}
        else:
            (card,) = yaml.safe_load(file.read_text())["model-index"]
            found |= {metric["value"] for entry in card["results"] for metric in entry["metrics"]}
    assert found == values(results)
    again = export(results, name, tmp_path / "again")
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in again]


def test_an_interval_stands_beside_its_number(results: Path, tmp_path: Path) -> None:
    for file in export(results, "every-eval-ever", tmp_path / "out"):
        record = json.loads(file.read_text())
        for one in record["evaluation_results"]:
            interval = one["score_details"].get("uncertainty", {}).get("confidence_interval")
            assert interval is None or interval["lower"] <= interval["upper"]
            assert interval is None or interval["confidence_level"] == 0.95


def test_names_that_look_alike_have_files_of_their_own() -> None:
    from ehrbench.exports.formats import FORMATS
    from tests.results.factory import make_result

    results = [make_result(name, 0.5, task="s.t", config_hash=digit * 16) for name, digit in (("a/b", "1"), ("a b", "2"))]
    for name, form in FORMATS.items():
        files = form.files(results)
        assert len(files) == (1 if name in ("csv", "parquet") else 2), name


def test_what_the_registry_knows_of_a_model_is_told(results: Path, tmp_path: Path) -> None:
    records = [json.loads(file.read_text()) for file in export(results, "every-eval-ever", tmp_path / "out")]
    known = [record["model_info"] for record in records if record["model_info"].get("developer")]
    assert {model["additional_details"]["model_availability"] for model in known} >= {"open_weights", "closed_weights"}


def test_what_is_there_is_kept(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("x")
    done = ehrbench("export", results, "--to", "csv", "--out", out)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert (out / "mine").read_text() == "x"
    export(results, "csv", out, "--force")
    assert [path.name for path in out.iterdir()] == ["results.csv"]
    file = tmp_path / "file"
    file.write_text("x")
    assert "is a file" in ehrbench("export", results, "--to", "csv", "--out", file, "--force").stderr


def test_unknown_formats_and_empty_folders(results: Path, tmp_path: Path) -> None:
    done = ehrbench("export", results, "--to", "every-eval", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "every-eval-ever" in done.stderr
    done = ehrbench("export", tmp_path, "--to", "csv", "--out", tmp_path / "out")
    assert done.returncode == 3
    assert "no result at or below" in done.stderr
    done = ehrbench("export", results, results, "--to", "meds", "--out", tmp_path / "out")
    assert "predictions of one run; 2 were named" in done.stderr


@pytest.mark.every_eval_ever
def test_every_eval_ever_accepts_its_files(results: Path, tmp_path: Path) -> None:
    from every_eval_ever.validate import validate_file

    for file in export(results, "every-eval-ever", tmp_path / "out"):
        report = validate_file(file)
        assert report.valid, report.errors


@pytest.mark.lm_eval
def test_lm_evals_table_code_prints_its_files(results: Path, tmp_path: Path) -> None:
    from lm_eval.utils import make_table

    for file in export(results, "lm-eval", tmp_path / "out"):
        data = json.loads(file.read_text())
        table = make_table(data)
        for task in data["results"]:
            assert task in table


@pytest.mark.inspect
def test_inspect_opens_its_files(results: Path, tmp_path: Path) -> None:
    from inspect_ai.log import list_eval_logs, read_eval_log

    files = export(results, "inspect", tmp_path / "out")
    assert {Path(info.name).name for info in list_eval_logs(str(tmp_path / "out"))} == {file.name for file in files}
    found: set[float] = set()
    for file in files:
        for log in (read_eval_log(str(file), header_only=True), read_eval_log(str(file))):
            assert log.status == "success" and log.results is not None and not log.samples
            found |= {float(score.metrics["value"].value) for score in log.results.scores}
    assert found == values(results)


@pytest.mark.inspect
def test_inspects_table_of_runs_has_them(results: Path, tmp_path: Path) -> None:
    from inspect_ai.analysis import evals_df

    files = export(results, "inspect", tmp_path / "out")
    frame = evals_df(str(tmp_path / "out"))
    assert len(frame) == len(files) and set(frame["status"]) == {"success"}


@pytest.mark.datasets
def test_datasets_and_the_hub_read_their_files(results: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from huggingface_hub.repocard_data import model_index_to_eval_results

    (parquet,) = export(results, "parquet", tmp_path / "parquet")
    table = load_dataset("parquet", data_files=str(parquet), split="train", cache_dir=str(tmp_path / "cache"))
    assert {value for value in table["value"] if value is not None} == values(results)
    found: set[float] = set()
    for file in export(results, "model-index", tmp_path / "cards"):
        name, entries = model_index_to_eval_results(yaml.safe_load(file.read_text())["model-index"])
        assert name and entries
        found |= {entry.metric_value for entry in entries}
    assert found == values(results)


@pytest.mark.inspect
def test_mlflow_opens_its_runs(results: Path, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    (file,) = export(results, "mlflow", tmp_path / "out")
    client = MlflowClient(f"sqlite:///{file}")
    experiments = {one.experiment_id: one.name for one in client.search_experiments() if one.name != "Default"}
    runs = client.search_runs(list(experiments), max_results=500)
    found = {
        value
        for run in runs
        for name, value in run.data.metrics.items()
        if "/" not in name and not name.endswith(("_low", "_high", "n_items"))
    }
    assert found == values(results) and {run.info.status for run in runs} == {"FINISHED"}
    assert {"protocol", "model"} <= set(runs[0].data.params) and str(tmp_path).encode() not in file.read_bytes()
    again = ehrbench("export", results, "--to", "mlflow", "--out", tmp_path / "out")
    assert again.returncode == 2 and "is there already" in again.stderr
