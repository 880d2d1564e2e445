"""MedS-Bench from the command line on its sample: all tasks, the columns, a submission there and back, what is missing."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ehrbench.cli import app
from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.readers.samples import write_sample
from ehrbench.results.groups import read_group_results

COLUMNS = [
    *("MCQA", "Text summarization", "Information extraction", "Concept explanation", "Rationale", "NER", "Diagnosis"),
    *("Treatment planning", "Clinical outcome prediction", "Text classification"),
]


def call(*arguments: object, fails: type[EhrbenchError] | None = None) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    else:
        assert result.exit_code == 0, (result.output, result.exception)
    return result


def run(out: Path, tasks: str, *more: object, model: str = "baseline:majority", data: object = "sample") -> Result:
    return call("run", "--model", model, "--tasks", tasks, "--data-dir", data, "--out", out, "-q", *more)


@pytest.fixture(scope="module")
def all_tasks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("all")
    monkey = pytest.MonkeyPatch()
    monkey.setenv("EHRBENCH_HOME", str(tmp_path_factory.mktemp("home")))
    shown = run(out, "meds_bench").stdout
    monkey.undo()
    return out, shown


def test_all_53_run_and_the_columns_are_printed(all_tasks: tuple[Path, str]) -> None:
    out, shown = all_tasks
    assert len(list(out.rglob("result.json"))) == 53
    table = shown[shown.index("meds_bench · majority") :].splitlines()
    for name in COLUMNS:
        line = next(line for line in table if line.startswith(name + "  "))
        assert "0." in line or "1.0000" in line, line
    assert sum(line.startswith("Fact verification: ") for line in table) == 3
    assert sum(line.startswith("NLI: ") for line in table) == 2


def groups_of(out: Path) -> dict[str, Any]:
    (path,) = out.rglob("*.groups.json")
    return {group.group: group for group in read_group_results(path)}


def test_group_results_are_written_with_coverage(all_tasks: tuple[Path, str]) -> None:
    groups = groups_of(all_tasks[0])
    assert [g.title for g in groups.values() if g.column and g.combine == "mean"] == COLUMNS
    assert all(g.n_tasks == g.n_tasks_expected and not g.partial for g in groups.values())
    assert groups["meds_bench.text_summarization"].n_tasks == 4
    assert groups["meds_bench.text_summarization.six"].n_tasks == 16
    assert groups["meds_bench.text_summarization.ct"].n_items == 36
    mcqa = groups["meds_bench.mcqa"]
    values = [member.metrics[0].value for member in mcqa.members]
    assert mcqa.scores[0].value == pytest.approx(sum(values) / 8)
    assert mcqa.scores[0].low is not None


def test_the_majority_scores_what_stands_beside_it_as_the_baseline(all_tasks: tuple[Path, str]) -> None:
    n = 0
    for path in all_tasks[0].rglob("result.json"):
        for metric in json.loads(path.read_text())["metrics"]:
            if metric["baseline"] is not None:
                assert metric["baseline"] == pytest.approx(metric["value"]), (path, metric["name"])
                n += 1
    assert n >= 20


def test_golds_of_the_sample_score_in_every_task(tmp_path: Path) -> None:
    """Identical answers: every accuracy and F1 is 1, but for the exceptions that the protocol documents."""
    from ehrbench.suites.meds_bench.reader import read
    from ehrbench.tasks.catalog import load_catalog

    root = write_sample("meds_bench", tmp_path / "data" / "meds_bench")
    answers = tmp_path / "golds.jsonl"
    with answers.open("w") as file:
        for spec in load_catalog().select("meds_bench"):
            for item in read(root, spec.data.options).items:
                file.write(json.dumps({"item": item.id, "answer": item.references[0]}) + "\n")
    run(tmp_path / "out", "meds_bench", model=f"replay:{answers}")
    for path in (tmp_path / "out").rglob("result.json"):
        result = json.loads(path.read_text())
        primary = next(metric for metric in result["metrics"] if metric["name"] == result["primary"])
        if result["task"].endswith("hoc"):
            continue  # a hallmark that stands on neither side counts 0 or is left out, as the protocol says
        assert primary["value"] == pytest.approx(1.0), result["task"]


@pytest.mark.parametrize("protocol", ["clean", "paper"])
def test_a_submission_scores_as_the_run_it_came_from(tmp_path: Path, protocol: str) -> None:
    tasks = "meds_bench.ner,meds_bench.information_extraction,meds_bench.mcqa.headqa,meds_bench.fact_verification,meds_bench.nli"
    run(tmp_path / "run", tasks, "--protocol", protocol)
    call("results", "export-meds-bench", tmp_path / "run", "--out", tmp_path / "csv")
    files = sorted((tmp_path / "csv").glob("*.csv"))
    assert [path.name for path in files] == [
        "eval_results_Fact_verication_1_context_1_oriINS_majority.csv",
        "eval_results_Information_extraction_1_context_1_oriINS_majority.csv",
        "eval_results_MCQA_0_context_1_oriINS_majority.csv",
        "eval_results_NER_1_context_1_oriINS_majority.csv",
        "eval_results_NLI_1_context_1_oriINS_majority.csv",
    ]
    with files[3].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["task_id", "input", "GT", "output"]
    assert rows[0]["task_id"] == "task125"
    assert rows[0]["input"].endswith("Output:\n")
    options = [part for path in files for part in ("--submission", path)]
    call("score", *options, "--protocol", protocol, "--data-dir", "sample", "--out", tmp_path / "scored", "-q")

    def numbers(out: Path) -> dict[tuple[str, str], tuple[Any, ...]]:
        found = {}
        for path in out.rglob("result.json"):
            result = json.loads(path.read_text())
            for metric in result["metrics"]:
                found[result["task"], metric["name"]] = tuple(metric[key] for key in ("value", "low", "high", "n", "baseline"))
        return found

    assert numbers(tmp_path / "run") == numbers(tmp_path / "scored")
    for folder in (path.parent for path in (tmp_path / "scored").rglob("manifest.json")):
        assert call("verify", folder).exit_code == 0


def test_a_submission_without_the_release_is_scored_by_its_own_golds(tmp_path: Path) -> None:
    path = tmp_path / "eval_results_Fact_verication_1_context_1_oriINS_Toy.csv"
    path.write_text("task_id,input,GT,output\ntask16,a,0,0\ntask16,b,2,It is 1.\ntask100,c,None,None\ntask100,d,nan,\n")
    call("score", "--submission", path, "--out", tmp_path / "out", "--data-dir", tmp_path, "-q")
    results = {r["task"]: r for r in (json.loads(p.read_text()) for p in (tmp_path / "out").rglob("result.json"))}
    fact = results["meds_bench.fact_verification.health_fact"]
    assert fact["model"]["name"] == "Toy"
    assert fact["track"] == "submission"
    assert fact["metrics"][0]["value"] == 0.5
    evidence = {metric["name"]: metric["value"] for metric in results["meds_bench.fact_verification.ebms"]["metrics"]}
    assert evidence["rouge_1"] == 0.5  # None and nan are words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task_id,input,output\ntask16,a,0\n", ":1: no column GT"),
        ("task_id,input,GT,output\ntask16,a,0\n", r":2: row 1 has 3 fields"),
        ("task_id,input,GT,output\ntask16,a,0,0\ntask999,a,0,0\n", r"row 2: unknown task id 'task999'"),
        ("task_id,input,GT,output\ntask16,a,0,0\ntask16,a,\0,0\n", r":3: a NUL byte"),
        ('task_id,input,GT,output\ntask16,a,0,0\ntask16,"a,0,0\n', r":3: row 2 is not a row of a CSV"),
        ("task_id,input,GT,output\n", "no rows"),
        ("", ":1: no column task_id"),
        ("task_id,input,GT,output\n,a,0,0\n", "row 1 has no task_id"),
    ],
)
def test_broken_submissions_name_file_and_row(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a_Toy.csv"
    path.write_text(text)
    result = call("score", "--submission", path, "--out", tmp_path / "out", "-q", fails=UsageError)
    assert str(path) in str(result.exception)
    with pytest.raises(UsageError, match=message):
        raise result.exception  # type: ignore[misc]


def test_missing_tasks_give_no_average_unless_asked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_sample("meds_bench", data / "meds_bench")
    next((data / "meds_bench" / "NER").glob("task127*")).unlink()
    shutil.rmtree(data / "meds_bench" / "NLI")
    tasks = "meds_bench.ner,meds_bench.nli"
    arguments = ("run", "--model", "baseline:empty", "--tasks", tasks, "--data-dir", data, "--out", tmp_path / "out", "-q")
    refused = call(*arguments, fails=MissingError)
    assert "3 of 6 tasks have no data" in str(refused.exception)
    shown = call(*arguments, "--allow-partial").stdout
    line = next(line for line in shown.splitlines() if line.startswith("NER  "))
    assert "3/4" in line
    assert "partial" in line
    ner = groups_of(tmp_path / "out")["meds_bench.ner"]
    assert (ner.n_tasks, ner.n_tasks_expected, ner.partial) == (3, 4, True)
    run(tmp_path / "three", "meds_bench.ner.bc4chem,meds_bench.ner.bc5chem")
    ner = groups_of(tmp_path / "three")["meds_bench.ner"]
    assert ner.scores[0].value is None
    assert ner.scores[0].missing == "2 of 4 tasks have it; --allow-partial combines them"
