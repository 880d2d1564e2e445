"""Repeats under several seeds: ordinary runs, each item with luck of its own, and means with intervals over items and seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ehrbench import UsageError, evaluate
from ehrbench.cli import app
from ehrbench.models.protocol import Request, Response
from ehrbench.runs.events import Note
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.seeds import parse_seeds
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.repeats import ScoredRun, mean_over_seeds
from ehrbench.stats.estimate import estimate
from tests.acceptance.chart import rows

TASK = "meds_bench.fact_verification.pubmedqa"


class Dice:
    """Answers as engines sample: the same seed draws the same numbers, whatever the prompt is."""

    name = "dice"

    def __init__(self) -> None:
        self.seeds: dict[str, list[int | None]] = {}

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        for request in requests:
            self.seeds.setdefault(request.item, []).append(request.seed)
            yes = np.random.default_rng(request.seed).random() < 0.5
            yield Response(request.id, "yes" if yes else "no", answer_tokens=1)


def answers(folder: Path) -> list[str]:
    return [row["answer"] for row in rows(folder / "private" / "predictions.jsonl")]


def repeated(out: Path, **more: Any) -> Any:
    options: dict[str, Any] = {"temperature": 0.8, "seeds": (0, 1, 2), **more}
    return evaluate(Dice(), TASK, data_dir="sample", out=out, **options)


def test_a_seed_is_a_run_of_its_own_and_its_items_have_luck_of_their_own(tmp_path: Path) -> None:
    found = repeated(tmp_path)
    assert len(set(found.folders())) == 3
    for folder, seed in zip(found.folders(), (0, 1, 2), strict=True):
        single = evaluate(Dice(), TASK, data_dir="sample", out=tmp_path / "single", temperature=0.8, seed=seed)
        assert answers(single.folders()[0]) == answers(folder)
        assert {"yes", "no"} <= {str(one) for one in answers(folder)}, "one seed for all items would give one answer"
    assert len({tuple(answers(folder)) for folder in found.folders()}) == 3


def test_an_items_seed_is_its_own_where_answers_are_sampled_and_the_runs_where_they_are_greedy(tmp_path: Path) -> None:
    sampling, greedy = Dice(), Dice()
    evaluate(sampling, TASK, data_dir="sample", out=tmp_path, temperature=0.8, seed=3)
    seeds = [seed for own in sampling.seeds.values() for seed in own]
    assert len(set(seeds)) == len(seeds) and all(seed is not None and 0 <= seed < 2**30 for seed in seeds)
    again = Dice()
    evaluate(again, TASK, data_dir="sample", out=tmp_path / "again", temperature=0.8, seed=3)
    assert again.seeds == sampling.seeds
    evaluate(greedy, TASK, data_dir="sample", out=tmp_path, seed=3)
    assert {seed for own in greedy.seeds.values() for seed in own} == {3}


def test_the_means_are_over_items_and_seeds_and_stand_beside_the_runs(tmp_path: Path) -> None:
    found = repeated(tmp_path)
    (means,) = found.repeats
    assert means.seeds == [0, 1, 2] and means.config_hashes == [one.config_hash for one in found]
    metric = means.metric(means.primary)
    by_item: dict[str, list[float]] = {}
    for folder in found.folders():
        for row in rows(folder / "private" / "scores.jsonl"):
            if row["metric"] == means.primary:
                by_item.setdefault(row["item"], []).append(row["score"])
    assert metric.value == pytest.approx(np.mean([one.metric(means.primary).value for one in found]))
    groups = {item.id: item.group for item in load_run(RunFolder(found.folders()[0])).items}
    expected = estimate([np.mean(own) for own in by_item.values()], [groups[item] for item in by_item], "mean", bounds=(0, 1))
    assert (metric.low, metric.high) == pytest.approx((expected.low, expected.high))
    assert metric.interval.startswith("mean over 3 seeds, score interval, jackknife over")
    (path,) = found.folders()[0].parent.glob("*.repeats.json")
    assert json.loads(path.read_text())["by_seed"][means.primary] == [one.metric(means.primary).value for one in found]


@pytest.mark.parametrize(
    ("task", "options", "reason"),
    [
        (
            TASK,
            {"num_fewshot": 0},
            "its answers are greedy (temperature 0), so repeats give the same answers: only seed 4 is run",
        ),
        ("ehr_bench.risk.ED_Hospitalization", {}, "its probabilities are computed and not sampled"),
    ],
)
def test_where_repeats_give_the_same_answers_one_is_run_and_a_sentence_says_so(
    tmp_path: Path, task: str, options: dict[str, Any], reason: str
) -> None:
    told: list[Any] = []
    found = evaluate(
        "baseline:majority", task, data_dir="sample", limit=4, out=tmp_path, seeds=(4, 5), on_event=told.append, **options
    )
    assert len(found) == 1 and not found.repeats
    assert any(reason in event.text for event in told if isinstance(event, Note))


def test_examples_are_drawn_from_the_seed_so_greedy_runs_differ(tmp_path: Path) -> None:
    found = evaluate("baseline:bm25", TASK, data_dir="sample", limit=3, out=tmp_path, seeds=(0, 1), num_fewshot=1)
    assert len(found) == 2 and len(found.repeats) == 1


def test_the_command_prints_the_means_under_a_table_of_all_runs(tmp_path: Path) -> None:
    arguments = ["run", "--model", "baseline:bm25", "--tasks", TASK, "--data-dir", "sample", "--out", str(tmp_path), "-q"]
    done = CliRunner().invoke(app, [*arguments, "--num-fewshot", "1", "--seeds", "0,2"])
    assert done.exit_code == 0, done.output
    assert "model  task                                   seed  metric" in done.stdout
    assert "means over seeds; intervals over items and seeds" in done.stdout and "under seeds 0, 2" in done.stdout
    as_json = CliRunner().invoke(app, [*arguments, "--num-fewshot", "1", "--seeds", "0,2", "--json"])
    assert [one["kind"] for one in json.loads(as_json.stdout)] == ["run", "run", "repeats"]


def test_score_makes_the_means_of_runs_that_were_made_one_by_one(tmp_path: Path) -> None:
    options: dict[str, Any] = {"data_dir": "sample", "limit": 3, "num_fewshot": 1}
    for seed in (0, 1):
        evaluate("baseline:bm25", TASK, out=tmp_path / "apart", seed=seed, **options)
    assert not list(tmp_path.rglob("*.repeats.json"))
    done = CliRunner().invoke(app, ["score", str(tmp_path / "apart"), "-q"])
    assert done.exit_code == 0, done.output
    assert "means over seeds" in done.stdout and "under seeds 0, 1" in done.stdout
    (path,) = tmp_path.rglob("*.repeats.json")
    (together,) = evaluate("baseline:bm25", TASK, out=tmp_path / "together", seeds=(0, 1), **options).repeats
    assert json.loads(path.read_text()) == together.model_dump(mode="json")


def test_runs_that_differ_in_more_have_no_mean(tmp_path: Path) -> None:
    found = repeated(tmp_path, seeds=(0, 1))
    other = repeated(tmp_path, seeds=(2, 3), temperature=0.9)

    def loaded(results: Any) -> list[ScoredRun]:
        return [ScoredRun(load_run(RunFolder(f)), r) for r, f in zip(results, results.folders(), strict=True)]

    assert mean_over_seeds(loaded(found)).seeds == [0, 1]
    with pytest.raises(UsageError, match="differ in nothing but their seed"):
        mean_over_seeds([loaded(found)[0], loaded(other)[0]])
    with pytest.raises(UsageError, match="two seeds or more, each once"):
        mean_over_seeds([loaded(found)[0]] * 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,x", "--seeds '0,x': expected whole numbers"),
        ("1,2,1", "--seeds '1,2,1': 1 is given twice"),
        ("", "expected whole numbers"),
    ],
)
def test_faulty_seeds_are_refused(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_seeds(text)
    assert expected in str(caught.value)
    assert parse_seeds("3, 4") == (3, 4)


def test_a_seed_and_seeds_exclude_each_other(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", "--model", "baseline:bm25", "--tasks", TASK, "--seed", "1", "--seeds", "0,1"])
    assert str(done.exception) == "--seed 1 and --seeds 0,1 exclude each other; give one of them"
