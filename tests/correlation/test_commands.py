"""The commands on the synthetic release: what they print, what they write, how they refuse."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ElementTree

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import MissingError, UsageError
from ehrbench.metrics import METRICS
from ehrbench.results.supplements import Correlation, HumanStats
from tests.correlation.tables import write

SAMPLE = ("--task", "medalign", "--data-dir", "sample")


def ehrbench(*arguments):
    """Run a command in this process, as its shell would start it; an error for the user is raised."""
    words = [str(a) for a in arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["ehrbench", *words])
        result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_human_stats_of_the_sample(tmp_path):
    result = ehrbench("human-stats", *SAMPLE, "--out", tmp_path)
    assert "44 items, 6 systems, 3 raters; 7 items ranked by several, of which 'used' counts" in result.stdout
    assert "Agreement between raters: Kendall tau" in result.stdout
    human = HumanStats.model_validate_json((tmp_path / "human.json").read_text())
    assert human.synthetic
    assert sum(s.win_rate.value for s in human.systems) == pytest.approx(3)
    assert sum(s.mean_rank.value for s in human.systems) == pytest.approx(21)
    for system in human.systems:
        assert system.correct.low < system.correct.value < system.correct.high
        assert system.mean_rank.low < system.mean_rank.value < system.mean_rank.high
    assert len(human.head_to_head[0].pairs) == 30
    rows = list(csv.DictReader((tmp_path / "systems.csv").open()))
    assert sum(float(row["win_rate_half"]) for row in rows) == pytest.approx(3)


def test_correlate_on_the_sample(tmp_path):
    names = ["rouge_l", "chrf_pp", "google_bleu", "meteor"]
    if METRICS.get("meteor").unavailable():
        names.remove("meteor")
    asked = ("--metrics", ",".join(names), "--resamples", 500)
    result = ehrbench("correlate", *SAMPLE, *asked, "--out", tmp_path)
    for label in ("chrF++", "ROUGE-L", "GoogleBLEU", "between raters", "PERM-BOTH", "held out", "normal interval"):
        assert label in result.stdout
    found = Correlation.model_validate_json((tmp_path / "correlation.json").read_text())
    assert {m.name for m in found.metrics} == set(names)
    assert all(m.low < m.value < m.high and m.cluster and m.n == 44 for m in found.metrics)
    assert found.inter_rater.n == 7
    assert found.command.startswith("ehrbench correlate --task medalign --data-dir sample --metrics rouge_l,")
    assert str(tmp_path) not in found.command
    assert found.population == "other items like these and these 6 systems"
    assert f"they speak of {found.population}" in result.stdout
    human = HumanStats.model_validate_json((tmp_path / "human.json").read_text())
    assert [m.judge for m in human.head_to_head] == ["clinicians", *(m.name for m in found.metrics)]
    drawing = ElementTree.parse(tmp_path / "correlation.svg").getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(drawing.findall(".//{*}circle")) == len(names)
    assert len(drawing.findall(".//{*}path[@class='band']")) == 1
    pairs = list(csv.DictReader((tmp_path / "pairs.csv").open()))
    assert len(pairs) == len(names) * (len(names) - 1) // 2
    assert all(float(row["low"]) <= float(row["difference"]) <= float(row["high"]) for row in pairs)
    again = json.loads(ehrbench("correlate", *SAMPLE, *asked, "--json").stdout)
    assert again["metrics"] == [m.model_dump(mode="json") for m in found.metrics], "the same seed gives the same numbers"


@pytest.mark.parametrize(
    ("unit", "whom"),
    [("patients", "other patients like these and these 6 systems"), ("both", "other items and other systems like these")],
)
def test_whom_the_intervals_speak_of_follows_what_is_resampled(unit, whom):
    shown = ehrbench("correlate", *SAMPLE, "--metrics", "rouge_l", "--resamples", 100, "--resample", unit, "--json")
    assert json.loads(shown.stdout)["population"] == whom


def test_the_sample_needs_no_records(tmp_path):
    import shutil

    from ehrbench.readers.samples import ensure_sample

    shutil.copytree(ensure_sample("medalign"), tmp_path / "medalign")
    for folder in list(tmp_path.rglob("ehrs")):
        shutil.rmtree(folder)
    tables_only = json.loads(
        ehrbench(
            "correlate", "--task", "medalign", "--data-dir", tmp_path, "--metrics", "rouge_l", "--resamples", 100, "--json"
        ).stdout
    )
    whole = json.loads(ehrbench("correlate", *SAMPLE, "--metrics", "rouge_l", "--resamples", 100, "--json").stdout)
    assert tables_only["metrics"] == whole["metrics"]
    assert whole["synthetic"] and not tables_only["synthetic"]


RATINGS = "item,rater,system,rank\n" + "".join(
    f"q{i},a,{s},{rank}\n" for i in range(6) for s, rank in (("A", 1), ("B", 2 + i % 2), ("C", 3))
)
SCORES = "item,system,metric,score\n" + "".join(
    f"q{i},{s},{m},{score}\n"
    for i in range(6)
    for m, scores in (("judge", (9, 5, 2)), ("wer", (0.1, 0.2 + i / 9, 0.3)))
    for s, score in zip("ABC", scores, strict=True)
)


def test_tables_of_ratings_and_of_a_judge(tmp_path):
    files = ("--ratings", write(tmp_path / "r.csv", RATINGS), "--scores", write(tmp_path / "s.csv", SCORES))
    found = json.loads(ehrbench("correlate", *files, "--lower-is-better", "wer", "--resamples", 100, "--json").stdout)
    values = {m["name"]: m["value"] for m in found["metrics"]}
    assert values["judge"] == pytest.approx((3 * 1 + 3 * (2 / 6**0.5)) / 6)
    assert 0 < values["wer"] < 1
    assert (found["task"], found["n_items"], found["inter_rater"]) == ("r", 6, None)


def test_runs_are_systems_too(tmp_path):
    for name in ("bm25", "empty"):
        ehrbench(
            "run",
            "--model",
            f"baseline:{name}",
            "--tasks",
            "medalign",
            "--data-dir",
            "sample",
            "--out",
            tmp_path / "runs",
            "--metrics",
            "rouge_l,chrf_pp",
            "--quiet",
        )
    scored = [json.loads(line) for line in next((tmp_path / "runs" / "bm25").rglob("scores.jsonl")).open()]
    items = sorted({row["item"] for row in scored})
    text = "item,rater,system,rank\n" + "".join(f"{i},a,bm25,1\n{i},a,empty,2\n" for i in items)
    ratings = write(tmp_path / "r.csv", text)
    found = json.loads(
        ehrbench("correlate", "--ratings", ratings, "--runs", tmp_path / "runs", "--resamples", 100, "--json").stdout
    )
    assert {m["name"] for m in found["metrics"]} == {"rouge_l", "chrf_pp"}
    assert found["synthetic"]
    assert all(m["value"] == 1 for m in found["metrics"]), "an empty answer is the worse one"
    with pytest.raises(UsageError, match="has no scores of 'bleu'"):
        ehrbench("correlate", "--ratings", ratings, "--runs", tmp_path / "runs", "--metrics", "bleu")
    with pytest.raises(UsageError, match="two runs are of model 'bm25'"):
        ehrbench(
            "run",
            "--model",
            "baseline:bm25",
            "--tasks",
            "medalign",
            "--data-dir",
            "sample",
            "--out",
            tmp_path / "runs",
            "--metrics",
            "rouge_l",
            "--seed",
            1,
            "--quiet",
        )
        ehrbench("correlate", "--ratings", ratings, "--runs", tmp_path / "runs")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("human-stats",), UsageError, "either --task TASK"),
        (("human-stats", "--task", "medalign", "--ratings", "x.csv"), UsageError, "either --task TASK"),
        (("human-stats", "--ratings", "x.csv"), MissingError, r"x\.csv is not there"),
        (("human-stats", *SAMPLE, "--resample", "both"), UsageError, "expected items, patients"),
        (("correlate", *SAMPLE, "--tau", "d"), UsageError, "--tau is 'd': expected b, c, a, wmt"),
        (("correlate", *SAMPLE, "--nan-policy", "drop"), UsageError, "expected exclude, mixed, zero"),
        (("correlate", *SAMPLE, "--metrics", "rouge_9"), UsageError, "unknown metric 'rouge_9' .did you mean"),
        (("correlate", *SAMPLE, "--gold", "best"), UsageError, "expected first or max"),
        (("correlate", "--task", "mimic_instr.schema", "--data-dir", "sample"), UsageError, "has no ratings by people"),
    ],
)
def test_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        ehrbench(*arguments)
