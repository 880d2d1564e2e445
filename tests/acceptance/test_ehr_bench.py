"""EHR-Bench from the command line: all 45 tasks and their averages, and a build that runs alike in both of its forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app

GROUPS = {
    "Decision making, the paper's 24": (24, "F1"),
    "Decision making, all 26 list tasks": (26, "F1"),
    "Decision making, all 27": (27, "F1 or accuracy"),
    "Golds from: admissions and moves": (3, "F1"),
    "Golds from: diagnoses": (4, "F1"),
    "Golds from: procedures": (3, "F1"),
    "Golds from: laboratory": (2, "F1"),
    "Golds from: medicines": (8, "F1"),
    "Golds from: orders and imaging": (2, "F1"),
    "Golds from: bedside and clinic": (4, "F1"),
    "Risk prediction, 18": (18, "AUROC"),
}


def run(*arguments: str | Path) -> list[dict[str, Any]]:
    """What ``ehrbench run --json`` prints: the tasks' results, then the groups'."""
    done = CliRunner().invoke(app, ["run", *map(str, arguments), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def check_all_45(found: list[dict[str, Any]], items: int | None) -> dict[str, dict[str, Any]]:
    """Every task has its metric, every group its average over its tasks; returns the averages by title."""
    tasks = [one for one in found if one["kind"] == "run"]
    assert len(tasks) == len({one["task"] for one in tasks}) == 45
    for one in tasks:
        primary = one["metrics"][0]
        assert one["outcomes"] == {"answered": one["n_items"]}
        assert primary["n"] == one["n_items"] and (items is None or one["n_items"] == items)
        assert primary["name"] == (
            "auroc" if ".risk." in one["task"] else "first_line_match" if "next_event" in one["task"] else "set_f1"
        )
        assert primary["value"] is not None, one["task"]
        bounded = primary["low"] is not None and primary["low"] <= primary["value"] <= primary["high"]
        assert bounded or (primary["low"] is None and primary["interval"].startswith("none: ")), one["task"]
    groups = {one["title"]: one for one in found if one["kind"] == "group" and one["n_tasks"]}
    assert {title: (one["n_tasks"], one["scores"][0]["label"]) for title, one in groups.items()} == GROUPS
    values = {one["task"]: one["metrics"][0]["value"] for one in tasks}
    for one in groups.values():
        (score,) = one["scores"]
        members = [values[member["task"]] for member in one["members"]]
        assert score["value"] == pytest.approx(sum(members) / len(members)), "unweighted over tasks"
        assert score["n"] == one["n_items"]
    return {title: one["scores"][0] for title, one in groups.items()}


def test_all_45_tasks_and_their_averages(tmp_path: Path) -> None:
    found = run("--tasks", "ehr_bench", "--data-dir", "sample", "--model", "baseline:majority", "--out", tmp_path)
    averages = check_all_45(found, None)
    assert averages["Decision making, all 27"]["value"] > 0
    for score in averages.values():
        assert score["low"] is None or score["low"] <= score["value"] <= score["high"]
        assert "jackknife" in score["interval"] or score["interval"].startswith("Wilson") or score["interval"].startswith("none")


TASKS = ",".join(
    f"ehr_bench.{task}"
    for task in ("decision.prescriptions", "decision.next_event", "risk.LengthOfStay_3day", "risk.ICU_Readmission")
)


def test_a_build_runs_alike_in_both_forms(tmp_path: Path) -> None:
    numbers, answers = [], []
    for layout in ("jsonl", "parquet"):
        data, out = tmp_path / layout / "data" / "ehr_bench", tmp_path / layout / "out"
        done = CliRunner().invoke(
            app, ["data", "prepare", "ehr_bench", "--mimic", "sample", "--profile", "ref", "--layout", layout, "--out", str(data)]
        )
        assert done.exit_code == 0, done.output
        found = run("--tasks", TASKS, "--data-dir", data.parent, "--model", "baseline:bm25", "--out", out)
        results = [one for one in found if one["kind"] == "run"]
        assert any(one["n_groups"] < one["n_items"] for one in results), "intervals draw patients"
        numbers.append([(one["task"], one["n_items"], one["n_groups"], one["metrics"]) for one in results])
        rows = [
            json.loads(line) for path in sorted(out.rglob("predictions.jsonl")) for line in path.read_text("utf-8").splitlines()
        ]
        answers.append({row["item"]: (row["answer"], row["record_tokens"], row["first_date"]) for row in rows})
    assert numbers[0] == numbers[1]
    assert answers[0] == answers[1] and len(answers[0]) > 100


@pytest.mark.hf
def test_a_model_that_knows_some_answers_scores_them(tmp_path: Path) -> None:
    from tests.tiny.taught import ANSWER, WINDOW, knows_ehr_bench

    checkpoint = knows_ehr_bench(tmp_path / "taught")
    size = ("--limit", "2", "--max-model-len", str(WINDOW), "--max-tokens", str(ANSWER))
    found = run("--tasks", "ehr_bench", "--data-dir", "sample", "--model", f"hf:{checkpoint}", "--out", tmp_path / "out", *size)
    averages = check_all_45(found, 2)
    assert averages["Decision making, all 27"]["value"] > 0.4, "the first of two items of each task was learnt by heart"
