"""Results of lm-eval, Inspect and HELM as rows: their numbers and provenance, no text, and never beside ours."""

from __future__ import annotations

import json
import math
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.exports.foreign.read import read_foreign
from ehrbench.results.store import find_results
from ehrbench.results.validate import validate_paths
from tests.acceptance.chart import ehrbench

LM_EVAL: dict[str, Any] = {
    "results": {
        "quiz": {
            "name": "quiz",
            "alias": "quiz",
            "sample_len": 8,
            "acc,none": 0.5,
            "acc_stderr,none": 0.189,
            "acc_norm,none": 0.25,
        },
        "translate": {"alias": " - translate", "ter,strict": 61.2, "ter_stderr,strict": "N/A"},
    },
    "groups": {"all": {"alias": "all", "acc,none": 0.4, "acc_stderr,none": 0.1}},
    "configs": {"quiz": {"doc_to_text": "CANARY prompt"}},
    "versions": {"quiz": 2.0, "translate": "Yaml"},
    "n-samples": {"quiz": {"original": 8, "effective": 8}},
    "higher_is_better": {"quiz": {"acc": True}, "translate": {"ter": False}},
    "config": {"model": "hf", "model_args": {"pretrained": "/models/llama-3"}},
    "date": 1795967283.02,
    "lm_eval_version": "0.4.13",
    "model_name": "/models/llama-3",
}
INSPECT: dict[str, Any] = {
    "version": 2,
    "status": "success",
    "eval": {
        "created": "2026-11-29T15:48:21+00:00", "task": "quiz", "task_version": 1, "model": "openai/gpt-4o", "run_id": "r1",
        "dataset": {"samples": 2}, "packages": {"inspect_ai": "0.3.285"}, "config": {},
    },
    "results": {
        "total_samples": 2, "completed_samples": 2,
        "scores": [
            {"name": "match", "scorer": "match", "scored_samples": 2, "metrics": {
                "accuracy": {"name": "accuracy", "value": 0.5}, "stderr": {"name": "stderr", "value": 0.35}}},
        ],
    },
    "samples": [{"input": "CANARY question", "output": {"completion": "CANARY answer"}}],
}  # fmt: skip
SPEC = {
    "name": "medalign:max_length=2048,model=openai_gpt-4o",
    "adapter_spec": {"model": "openai/gpt-4o", "method": "generation"},
}


def stat(name: str, mean: float, **more: Any) -> dict[str, Any]:
    return {"name": {"name": name, "split": "test", **more}, "count": 1, "sum": mean, "mean": mean}


STATS = [
    stat("exact_match", 0.25),
    stat("exact_match", 0.1, perturbation={"name": "typos"}),
    stat("exact_match", 0.9, split="valid"),
    stat("num_instances", 100.0),
    stat("inference_runtime", 3.0),
    stat("medalign_accuracy", 4.2),
]


def written(folder: Path, which: str) -> Path:
    if which == "helm":
        (folder / "run").mkdir()
        (folder / "run" / "run_spec.json").write_text(json.dumps(SPEC))
        (folder / "run" / "stats.json").write_text(json.dumps(STATS))
        return folder / "run"
    if which == "eval":
        with zipfile.ZipFile(folder / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("samples/1_epoch_1.json", json.dumps(INSPECT["samples"][0]))
            archive.writestr("header.json", json.dumps({key: value for key, value in INSPECT.items() if key != "samples"}))
        return folder / "log.eval"
    path = folder / f"{which}.json"
    path.write_text(json.dumps({"lm-eval": LM_EVAL, "inspect": INSPECT}[which]))
    return path


def test_lm_eval(tmp_path: Path) -> None:
    quiz, translate, group = read_foreign([written(tmp_path, "lm-eval")])
    assert (quiz.task, quiz.task_version, quiz.model.name, quiz.n_items, quiz.date) == (
        "lm_eval.quiz",
        2,
        "llama-3",
        8,
        "2026-11-29",
    )
    assert [(m.name, m.value) for m in quiz.metrics] == [("acc", 0.5), ("acc_norm", 0.25)] and quiz.primary == "acc"
    assert quiz.metrics[0].low == pytest.approx(0.5 - 1.96 * 0.189, abs=1e-4) and "of items" in quiz.metrics[0].interval
    assert quiz.metrics[1].low is None
    ter = translate.metrics[0]
    assert (ter.name, ter.label, ter.value, ter.higher_is_better, ter.range) == (
        "ter_strict_",
        "ter (strict)",
        61.2,
        False,
        (0, 62),
    )
    assert group.task == "lm_eval.all" and {row.protocol for row in (quiz, translate, group)} == {"foreign"}
    assert quiz.source is not None and (quiz.source.title, quiz.source.where) == ("lm-eval 0.4.13", "lm-eval.json")


@pytest.mark.parametrize("form", ["inspect", "eval"])
def test_inspect(form: str, tmp_path: Path) -> None:
    (row,) = read_foreign([written(tmp_path, form)])
    assert (row.task, row.model.name, row.n_items, row.date) == ("inspect.quiz", "openai/gpt-4o", 2, "2026-11-29")
    (found,) = row.metrics
    assert (found.name, found.value, found.n) == ("match_accuracy", 0.5, 2)
    assert found.high == pytest.approx(0.5 + 1.96 * 0.35, abs=1e-4)
    assert "CANARY" not in row.model_dump_json()


def test_helm(tmp_path: Path) -> None:
    (row,) = read_foreign([written(tmp_path, "helm")])
    assert (row.task, row.model.name, row.n_items) == ("helm.medalign:max_length=2048", "openai/gpt-4o", 100)
    assert {m.name: (m.value, m.range) for m in row.metrics} == {
        "exact_match": (0.25, (0, 1)),
        "medalign_accuracy": (4.2, (0, 5)),
    }
    assert read_foreign([tmp_path / "run" / "stats.json"]) == [row]


def change(data: dict[str, Any], *path: str, value: Any) -> dict[str, Any]:
    data = deepcopy(data)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (change(INSPECT, "version", value=3), "a log of version 3; up to 2 is known: update ehrbench"),
        (change(INSPECT, "version", value="x"), "a log of version x"),
        (change(INSPECT, "status", value="error"), "the run ended with status 'error'; expected a log with status 'success'"),
        (change(INSPECT, "results", value=None), "the log has no results"),
        (change(INSPECT, "results", "scores", value=[]), "no number of task 'quiz'"),
        (change(INSPECT, "eval", "model", value=None), "the model is missing"),
        (change(INSPECT, "eval", "task", value="CANARY " * 90), "the task has 629 characters"),
        (
            change(LM_EVAL, "lm_eval_version", value="0.5.0"),
            "written by lm-eval 0.5.0; files of up to 0.4 are known: update ehrbench",
        ),
        (change(LM_EVAL, "lm_eval_version", value="1.0"), "written by lm-eval 1.0"),
        (change(LM_EVAL, "results", value={"quiz": {"alias": "quiz"}}) | {"groups": {}}, "no task has a number"),
        (change(LM_EVAL, "results", value={"quiz": [1]}), "results of task 'quiz' are not an object"),
        ({"a": 1}, "JSON of none of lm-eval"),
        ([1], "holds a list; expected a JSON object"),
    ],
)
def test_what_cannot_be_taken_is_one_sentence(data: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=message) as caught:
        read_foreign([path])
    assert str(caught.value).startswith(str(path)) and "CANARY" not in str(caught.value)


def test_damaged_and_unended_files(tmp_path: Path) -> None:
    broken = tmp_path / "x.json"
    broken.write_text('{"a": ')
    with pytest.raises(UsageError, match="neither JSON nor an .eval file"):
        read_foreign([broken])
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as archive:
        archive.writestr("_journal/start.json", "{}")
    with pytest.raises(UsageError, match="has no header.json: the run of Inspect did not end"):
        read_foreign([tmp_path / "x.eval"])
    with pytest.raises(MissingError, match="is not there"):
        read_foreign([tmp_path / "no"])
    with pytest.raises(UsageError, match="not the folder of a run of HELM"):
        read_foreign([tmp_path])
    (written(tmp_path, "helm") / "stats.json").unlink()
    with pytest.raises(MissingError, match="has no stats.json"):
        read_foreign([tmp_path / "run"])


def test_a_number_that_is_none_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(change(INSPECT, "results", "scores", value=[
        {"name": "s", "metrics": {"mean": {"value": math.nan}, "max": {"value": 1.0}}}])))  # fmt: skip
    (row,) = read_foreign([path])
    assert row.metrics[0].value is None and row.metrics[0].missing and row.primary == "s_max"


def test_rows_stand_on_the_site_unranked_and_apart(tmp_path: Path) -> None:
    files = [written(tmp_path, which) for which in ("lm-eval", "inspect", "helm")]
    out = tmp_path / "results" / "others.results.json"
    done = ehrbench("import", *files, "--out", out)
    assert done.returncode == 0 and "5 rows of helm, inspect, lm_eval" in done.stdout, done.stderr
    again = ehrbench("import", files[0], "--out", out)
    assert again.returncode == 2 and "is there already" in again.stderr
    assert ehrbench("import", *files, "--out", out, "--force").returncode == 0
    assert "is called NAME.results.json" in ehrbench("import", files[0], "--out", tmp_path / "x.json").stderr
    twice = ehrbench("import", files[0], files[0], "--out", tmp_path / "y.results.json")
    assert twice.returncode == 2 and "name each file once" in twice.stderr and not (tmp_path / "y.results.json").exists()
    assert validate_paths([out]) == (5, [])
    stored, problems = find_results([tmp_path / "results"])
    assert len(stored) == 5 and not problems and "CANARY" not in out.read_text() and str(tmp_path) not in out.read_text()
    done = ehrbench("leaderboard", "build", tmp_path / "results", "--out", tmp_path / "site", "--no-published")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "index.html").read_text()
    assert "Nobody ran them here and they are not ranked" in page
    assert "lm-eval 0.4.13" in "".join(p.read_text() for p in (tmp_path / "site").rglob("*.html"))


def test_a_run_cannot_be_foreign() -> None:
    from tests.results.factory import make_result

    with pytest.raises((ValueError, EhrbenchError), match="foreign"):
        type(make_result("m", 0.5)).model_validate(make_result("m", 0.5).model_dump() | {"protocol": "foreign"})


@pytest.mark.inspect
@pytest.mark.parametrize("form", ["eval", "json"])
def test_a_log_that_inspect_wrote(form: str, tmp_path: Path) -> None:
    from inspect_ai.log import EvalLog, write_eval_log

    samples = [{"id": 1, "epoch": 1, "input": "CANARY", "target": "a"}]
    log = EvalLog.model_validate(INSPECT | {"samples": samples})
    write_eval_log(log, str(tmp_path / f"log.{form}"))
    (row,) = read_foreign([tmp_path / f"log.{form}"])
    (bare,) = read_foreign([written(tmp_path, "inspect")])
    assert row.metrics == bare.metrics and row.config_hash == bare.config_hash and "CANARY" not in row.model_dump_json()
