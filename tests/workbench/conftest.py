"""Six runs on the synthetic sample, and a study planned on them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ehrbench.models.loading import load_model
from ehrbench.runs.execute import generate
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import find_runs, load_run
from ehrbench.scoring.run import score_run
from ehrbench.suites.demo import TASK, write_answers
from ehrbench.tasks.catalog import load_catalog
from ehrbench.workbench.rate.plan import Wish, plan_study
from ehrbench.workbench.rate.study import Rater, Study, write_study

RATERS = (Rater(name="Ada", specialty="Cardiology"), Rater(name="Ben", specialty="Oncology"))


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for the generated sample, so that it is made once."""
    return tmp_path_factory.mktemp("workbench-home")


@pytest.fixture(autouse=True)
def _sample_home(_own_home: None, sample_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EHRBENCH_HOME", str(sample_home))


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, sample_home: Path) -> Path:
    """The folder of the six imaginary systems' runs."""
    before = os.environ.get("EHRBENCH_HOME")
    os.environ["EHRBENCH_HOME"] = str(sample_home)
    try:
        folder = tmp_path_factory.mktemp("runs")
        for path in write_answers(folder / "answers"):
            model = load_model(f"replay:{path}", {}, None)
            options = RunOptions(data_dir="sample", out=folder / "results", model=f"replay:{path.name}")
            run, _ = generate(prepare(load_catalog().get(TASK), model, options), command="test")
            score_run(load_run(run), ["rouge_l", "chrf_pp"], processes=1)
        return folder / "results"
    finally:
        os.environ.pop("EHRBENCH_HOME") if before is None else os.environ.update(EHRBENCH_HOME=before)


@pytest.fixture
def runs(results: Path) -> list[RunFolder]:
    return find_runs([results])


def make_study(runs: list[RunFolder], folder: Path, raters: tuple[Rater, ...] = RATERS, **wish: Any) -> Study:
    planned = plan_study(runs, raters, Wish(**wish), folder, None)
    shutil.rmtree(folder, ignore_errors=True)
    write_study(folder, planned.study)
    return planned.study


@pytest.fixture(scope="session")
def looked(results: Path, sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs to look at: two systems, one baseline that saw the ends of records, one that went over them in parts, and a judge."""
    from ehrbench.judge.judging import judge_run
    from ehrbench.models.protocol import Request, Response
    from tests.support.scripted import ScriptedModel

    folder = tmp_path_factory.mktemp("looked")
    for name in ("juniper-32k", "alder-7b"):
        shutil.copytree(results / name, folder / "results" / name)
    before = os.environ.get("EHRBENCH_HOME")
    os.environ["EHRBENCH_HOME"] = str(sample_home)
    try:
        for context in ("truncate", "refine"):
            model = load_model("baseline:bm25", {}, None)
            window: dict[str, Any] = {"max_model_len": 4_000, "budget_tokenizer": "words", "limit": 12, "context": context}
            options = RunOptions(data_dir="sample", out=folder / "results", model="baseline:bm25", **window)
            run, _ = generate(prepare(load_catalog().get(TASK), model, options), command="test")
            score_run(load_run(run), ["rouge_l", "chrf_pp"], processes=1)

        def verdict(request: Request) -> Response:
            """The candidate is worth 8, the reference 4; one item cannot be judged."""
            text = request.messages[-1].content
            candidate = "8 4" if request.item.endswith("candidate_first") else "4 8"
            sentence = "I cannot say." if "statin" in text.partition("[Ground")[0] else f"{candidate}\nThe reason is plain."
            return Response(id=request.id, text=sentence)

        runs = {run.manifest["config"]["model"]["name"]: run for run in map(load_run, find_runs([folder / "results"]))}
        judge_run(runs["juniper-32k"], runs["alder-7b"], ScriptedModel(verdict), "clean", folder / "results")
        return folder / "results"
    finally:
        os.environ.pop("EHRBENCH_HOME") if before is None else os.environ.update(EHRBENCH_HOME=before)
