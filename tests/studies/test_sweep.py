"""A sweep over windows and policies: its numbers are those of the runs, of ``compare`` and of scoring each step by hand."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

import ehrbench
from ehrbench.correlation.compare import compare
from ehrbench.correlation.run_pairs import match_runs
from ehrbench.errors import UsageError
from ehrbench.jsonl import read_rows
from ehrbench.readers.data_dir import open_dataset
from ehrbench.scoring.loaded import find_runs
from ehrbench.studies.sweep import Sweep, read_sweeps
from ehrbench.studies.sweep_tables import sweep_figure, sweep_tables
from ehrbench.studies.tables import csv as to_csv
from tests.acceptance.chart import ehrbench as command

SETTINGS = [("truncate", 1024), ("truncate", 4096), ("truncate", 64), ("refine", 2048)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline on ten items of the sample under three windows, of which one holds no prompt, and by refinement."""
    out = tmp_path_factory.mktemp("sweep")
    for context, window in SETTINGS:
        ehrbench.evaluate(
            "baseline:newest",
            "medalign",
            data_dir="sample",
            limit=10,
            out=out,
            context=context,
            max_model_len=window,
            budget_tokenizer="words",
            metrics=["rouge_l"],
        )
    return out


@pytest.fixture(scope="module")
def swept(runs: Path) -> Sweep:
    (found,) = read_sweeps([runs], "rouge_l")
    return found


def folder_of(runs: Path, context: str, window: int) -> Path:
    for folder in find_runs([runs]):
        config = json.loads((folder.path / "manifest.json").read_text())["config"]["context"]
        if (config["context"], config["window"]) == (context, window):
            return folder.path
    raise AssertionError((context, window))


def test_points_are_the_results(runs: Path, swept: Sweep) -> None:
    assert [(p.line.policy, p.window) for p in swept.points] == [
        ("refine", 2048),
        ("truncate-end", 64),
        ("truncate-end", 1024),
        ("truncate-end", 4096),
    ]
    for point in swept.points:
        result = json.loads((point.run.folder.path / "result.json").read_text())
        (metric,) = (m for m in result["metrics"] if m["name"] == "rouge_l")
        assert point.metric.value == metric["value"]
    rows = list(csv.DictReader(io.StringIO(to_csv(sweep_tables(swept)[0]))))
    assert [row["window"] for row in rows] == ["2048", "64", "1024", "4096"]
    assert float(rows[0]["calls_per_item"]) > 1 == float(rows[2]["calls_per_item"])


def test_a_window_that_holds_no_prompt_is_a_named_gap(swept: Sweep) -> None:
    gap = swept.points[1]
    assert gap.metric.value is None and gap.reason == "10 items overflow"
    table = sweep_tables(swept)[0]
    assert table.rows[1][3] == "–"
    assert any("64: no value (10 items overflow)" in note for note in table.notes)
    assert all(gap not in (one.first, one.second) for one in swept.differences)


def test_differences_are_those_of_compare(runs: Path, swept: Sweep) -> None:
    sides = [(one.first.line.policy, one.first.window, one.second.line.policy, one.second.window) for one in swept.differences]
    assert sides == [("truncate-end", 4096, "refine", 2048), ("truncate-end", 1024, "truncate-end", 4096)]
    for one, names in zip(
        swept.differences, [(("refine", 2048), ("truncate", 4096)), (("truncate", 4096), ("truncate", 1024))], strict=True
    ):
        (alone,) = compare(match_runs(*(folder_of(runs, *name) for name in names)), ["rouge_l"]).rows
        assert (one.found.difference, one.found.low, one.found.high) == (alone.difference, alone.low, alone.high)
        assert one.found.p == alone.p and one.found.p_holm >= alone.p
    assert not [note for note in swept.notes if "window" in note], "what a sweep varies is no surprise"


def test_revisions_are_each_step_scored_by_itself(runs: Path, swept: Sweep) -> None:
    folder = folder_of(runs, "refine", 2048)
    task = ehrbench.load_tasks("medalign")[0]
    items = {item.id: item for item in open_dataset(task, "sample").items}
    rouge = ehrbench.metric("rouge_l")
    first, last, second = [], [], []
    for row in read_rows(folder / "private" / "predictions.jsonl"):
        texts = [step["text"].strip() for step in row["steps"]]
        scores = [rouge.score([text], [list(items[row["item"]].references)]).value for text in texts]
        if len(scores) > 1:
            second.append(scores[1] - scores[0])
            first.append(scores[0])
            last.append(scores[-1])
    assert first
    (table,) = (one for one in sweep_tables(swept) if "revisions" in one.name)
    rows = {row["parts"]: row for row in csv.DictReader(io.StringIO(to_csv(table)))}
    gains = [after - before for before, after in zip(first, last, strict=True)]
    whole = rows["first to last"]
    assert int(whole["n"]) == len(gains)
    assert float(whole["mean_change"]) == pytest.approx(sum(gains) / len(gains))
    assert (int(whole["better"]), int(whole["worse"])) == (sum(g > 0 for g in gains), sum(g < 0 for g in gains))
    assert int(rows["2"]["n"]) == len(second)
    assert float(rows["2"]["mean_change"]) == pytest.approx(sum(second) / len(second))


def test_the_figure_has_a_mark_for_each_value(swept: Sweep) -> None:
    figure = sweep_figure(swept)
    assert figure is not None and figure.startswith("<?xml")
    assert len(re.findall("<circle", figure)) == 3
    assert "refine" in figure and "window, tokens" in figure


def test_the_command_writes_tables_and_figure(runs: Path, tmp_path: Path) -> None:
    finished = command("sweep", runs, "--metric", "rouge_l", "--out", tmp_path / "out")
    assert finished.returncode == 0, finished.stderr
    assert "does more of the record help?" in finished.stdout and "What refinement changed" in finished.stdout
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert "medalign-clean.svg" in names and "medalign-clean-differences.tex" in names
    rows = json.loads(command("sweep", runs, "--metric", "rouge_l", "--json").stdout)
    assert {row["window"] for row in rows if "cost" in row} == {64, 1024, 2048, 4096}


def test_what_is_no_sweep_is_said(runs: Path) -> None:
    one = folder_of(runs, "truncate", 1024)
    with pytest.raises(UsageError, match="under two windows or policies"):
        read_sweeps([one])
    with pytest.raises(UsageError, match="has no 'bleu'"):
        read_sweeps([runs], "bleu")
