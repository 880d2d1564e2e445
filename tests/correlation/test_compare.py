"""Two runs: what a comparison says, on which items, and when it refuses."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from ehrbench.correlation.compare import compare
from ehrbench.correlation.run_pairs import match_runs
from ehrbench.errors import MissingError, UsageError
from ehrbench.stats.paired import paired_test
from tests.correlation.test_commands import ehrbench

ARGUMENTS = ("--tasks", "medalign", "--data-dir", "sample", "--metrics", "rouge_l,chrf_pp,bleu", "--quiet")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    for name in ("bm25", "newest"):
        ehrbench("run", "--model", f"baseline:{name}", "--out", out, *ARGUMENTS)
    ehrbench("run", "--model", "baseline:newest", "--protocol", "paper", "--out", out / "paper", *ARGUMENTS)
    return out


@pytest.fixture
def copy(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def only(folder):
    (found,) = (p.parent for p in folder.rglob("manifest.json"))
    return found


def rows(folder):
    return [json.loads(line) for line in (only(folder) / "private" / "scores.jsonl").read_text().splitlines()]


def edit(folder, change):
    path = only(folder) / "private" / "scores.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in map(change, rows(folder)) if row))


def test_a_comparison(runs, tmp_path):
    result = ehrbench(
        "compare", runs / "bm25", runs / "newest", "--metrics", "rouge_l,bleu", "--out", tmp_path, "--resamples", 500
    )
    assert "A: bm25" in result.stdout
    found = json.loads((tmp_path / "comparison.json").read_text())["comparisons"]
    assert [row["metric"] for row in found] == ["rouge_l", "bleu"]
    rouge = found[0]
    a, b = ({r["item"]: r["score"] for r in rows(runs / name) if r["metric"] == "rouge_l"} for name in ("bm25", "newest"))
    assert rouge["difference"] == pytest.approx(np.mean([a[i] - b[i] for i in a]))
    assert rouge["value_a"] - rouge["value_b"] == pytest.approx(rouge["difference"])
    assert rouge["low"] <= rouge["difference"] <= rouge["high"]
    assert (rouge["n"], rouge["unit"], rouge["n_only_a"], rouge["n_only_b"]) == (44, "patients", 0, 0)
    assert rouge["n_groups"] < 44
    stored = json.loads((only(runs / "bm25") / "result.json").read_text())
    assert found[1]["value_a"] == pytest.approx(next(m["value"] for m in stored["metrics"] if m["name"] == "bleu"))
    for row in found:
        assert row["p"] <= row["p_holm"] <= 1
    assert (tmp_path / "comparison.csv").read_text().count("\n") == 3


def test_turned_round_it_says_the_opposite(runs):
    one, two = (
        compare(match_runs(runs / a, runs / b), ["chrf_pp"], resamples=400).rows[0]
        for a, b in (("bm25", "newest"), ("newest", "bm25"))
    )
    assert two.difference == pytest.approx(-one.difference)
    assert two.p == one.p
    assert (two.low, two.high) == pytest.approx((-one.high, -one.low))


def test_only_common_items_count(copy):
    lost = {row["item"] for row in rows(copy / "bm25")[:5]}
    edit(copy / "bm25", lambda row: row | {"score": None} if row["item"] in lost else row)
    row = compare(match_runs(copy / "bm25", copy / "newest"), ["rouge_l"], resamples=200).rows[0]
    assert (row.n, row.n_only_a, row.n_only_b) == (39, 0, 5)
    assert (
        "A lacks 5 that B has"
        in ehrbench("compare", copy / "bm25", copy / "newest", "--metrics", "rouge_l", "--resamples", 100).stdout
    )


def test_right_and_wrong_answers_are_counted_and_tested_by_patient(copy):
    for name, digit in (("bm25", 3), ("newest", 5)):
        edit(copy / name, lambda row, digit=digit: row | {"score": float(int(row["item"][-1]) < digit)})
    row = compare(match_runs(copy / "bm25", copy / "newest"), ["rouge_l"]).rows[0]
    between = sum(int(r["item"][-1]) in (3, 4) for r in rows(copy / "bm25") if r["metric"] == "rouge_l")
    assert (row.only_a_right, row.only_b_right) == (0, between)
    # McNemar's test for single items would say 2 * 0.5 ** between; the patients are fewer than the items.
    assert row.p >= 2 * 0.5 ** min(between, row.n_groups)
    assert row.low is None or (row.low <= 0 <= row.high) == (row.p > 0.05)


def test_without_the_data_items_stand_alone(runs, tmp_path):
    report = compare(match_runs(runs / "bm25", runs / "newest"), ["rouge_l"], data_dir=str(tmp_path), resamples=2000)
    (row,) = report.rows
    assert (row.unit, row.n_groups) == ("items", 44)
    assert any("patients are not known here" in warning for warning in report.warnings)
    a, b = ({r["item"]: r["score"] for r in rows(runs / name) if r["metric"] == "rouge_l"} for name in ("bm25", "newest"))
    plain = paired_test([a[i] for i in sorted(a)], [b[i] for i in sorted(a)], [None] * 44)
    assert row.p == pytest.approx(plain.p, abs=0.04)


def test_unlike_settings_are_named(copy):
    ehrbench(
        "run",
        "--model",
        "baseline:newest",
        "--out",
        copy / "small",
        "--max-model-len",
        900,
        "--budget-tokenizer",
        "words",
        *ARGUMENTS,
    )
    warnings = compare(match_runs(copy / "bm25", copy / "small"), ["rouge_l"], resamples=100).warnings
    assert any("window differs" in w for w in warnings)
    assert any("share of records cut differs" in w for w in warnings)


def test_refusals(copy):
    a, b = copy / "bm25", copy / "newest"
    with pytest.raises(UsageError, match=r"different protocols .*clean.*paper.* never compared"):
        match_runs(a, copy / "paper")
    with pytest.raises(UsageError, match="both sides are the same run"):
        match_runs(a, a)
    with pytest.raises(UsageError, match="no run at or below"):
        match_runs(a, copy / "bm25" / "medalign" / "nothing")
    with pytest.raises(UsageError, match="holds two runs of task 'medalign'"):
        match_runs(copy, b)
    with pytest.raises(UsageError, match="has no scores of 'meteor'"):
        compare(match_runs(a, b), ["meteor"])
    manifest = only(b) / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace(json.loads(text)["config"]["data_hash"], "0" * 64))
    with pytest.raises(UsageError, match="different data"):
        match_runs(a, b)
    manifest.write_text(text)
    result = only(b) / "result.json"
    whole = result.read_text()
    result.write_text(whole.replace("rouge_l|v:1", "rouge_l|v:0"))
    with pytest.raises(UsageError, match="computed in two ways"):
        compare(match_runs(a, b), ["rouge_l"])
    result.write_text(whole.replace('"task": "medalign"', '"task": "other"'))
    with pytest.raises(UsageError, match="different tasks"):
        match_runs(a, b)
    result.unlink()
    with pytest.raises(MissingError, match="is not scored"):
        match_runs(a, b)


def test_several_tasks_are_adjusted_together(copy):
    for name in ("bm25", "newest"):
        for place in ("one", "two"):
            shutil.copytree(only(copy / name), copy / "sides" / name / place)
            for file in ("manifest.json", "result.json"):
                path = copy / "sides" / name / place / file
                path.write_text(path.read_text().replace('"task": "medalign"', f'"task": "{place}"'))
    report = compare(match_runs(copy / "sides" / "bm25", copy / "sides" / "newest"), ["bleu"], resamples=400)
    assert [row.task for row in report.rows] == ["one", "two"]
    alone = compare(match_runs(copy / "bm25", copy / "newest"), ["bleu"], resamples=400).rows[0]
    assert alone.p_holm == alone.p
    for row in report.rows:
        assert row.p_holm == pytest.approx(2 * min(r.p for r in report.rows), abs=1e-9) or row.p_holm == 1
    shutil.rmtree(copy / "sides" / "newest" / "two")
    left = compare(match_runs(copy / "sides" / "bm25", copy / "sides" / "newest"), ["bleu"], resamples=100)
    assert [row.task for row in left.rows] == ["one"]
    assert any("has no run of two: left out" in warning for warning in left.warnings)


def test_tracks_are_never_compared(copy):
    path = only(copy / "newest") / "result.json"
    path.write_text(path.read_text().replace('"track": ""', '"track": "open"'))
    with pytest.raises(UsageError, match=r"different tracks .*medalign \(open\)"):
        match_runs(copy / "bm25", copy / "newest")
