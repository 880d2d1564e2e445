"""Metrics of the package evaluate: scripts in folders that these tests write, and one in the package's cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ehrbench
from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.metrics import METRICS
from ehrbench.metrics.metric import Metric, Scorable
from ehrbench.scoring.compute import compute_all
from ehrbench.scoring.score import check_metrics, resolve, score

pytestmark = pytest.mark.datasets

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import datasets
import evaluate


class Own(evaluate.Metric):
    def _info(self):
        features = datasets.Features({{"predictions": datasets.Value("{kind}"), "references": {references}}})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        pairs = [(p.split(), r.split()) for p, r in zip(predictions, references)]
        hits = [len(set(p) & set(r)) for p, r in pairs]
        {body}
"""
ONE = 'datasets.Value("string")'
MEAN = 'return {"score": sum(h / len(r) for h, (p, r) in zip(hits, pairs)) / len(pairs)}'
RATIO = 'return {"ratio": sum(hits) / sum(len(r) for p, r in pairs), "n": len(pairs)}'
EACH = 'return {"each": [h / len(r) for h, (p, r) in zip(hits, pairs)]}'
FAILS = 'raise ValueError(f"secret canary {predictions}")'
PACKAGE = "import no_such_package_of_anybody"


def script(folder: Path, name: str, body: str, *, kind: str = "string", references: str = ONE, top: str = "") -> Path:
    (folder / name).mkdir()
    path = folder / name / f"{name}.py"
    path.write_text(top + SCRIPT.format(body=body, kind=kind, references=references))
    return path


def trusted(folder: Path, name: str, **more: str) -> Metric:
    arguments = {"evaluate.folder": str(folder), "evaluate.trust_remote_code": "on"}
    return resolve(f"evaluate:{name}", arguments | {f"evaluate.{key}": value for key, value in more.items()})


ITEMS = [
    Scorable(f"i{k}", answer, (reference,))
    for k, (answer, reference) in enumerate([("a b", "a b"), ("a", "a b c d"), ("x", "y"), ("", "a b"), ("a b c", "a b c")] * 10)
]
GROUPS = [f"p{k % 25}" for k in range(len(ITEMS))]


def test_a_mean_has_a_score_per_item(tmp_path: Path) -> None:
    script(tmp_path, "hits_mean", MEAN)
    scored = score(trusted(tmp_path, "hits_mean"), ITEMS, GROUPS, len(ITEMS))
    assert scored.scores[:5] == [1.0, 0.25, 0.0, 0.0, 1.0] and scored.whole is None
    assert scored.result.value == pytest.approx(0.45) and scored.result.low is not None
    assert "jackknife over 25 groups" in scored.result.interval
    assert "script:" in scored.result.signature and str(tmp_path) not in scored.result.model_dump_json()


def test_a_list_is_a_score_per_item(tmp_path: Path) -> None:
    script(tmp_path, "hits_each", EACH)
    assert score(trusted(tmp_path, "hits_each"), ITEMS, GROUPS, 50).scores[:3] == [1.0, 0.25, 0.0]


def test_a_ratio_has_one_number_with_an_interval_by_patients(tmp_path: Path) -> None:
    script(tmp_path, "hits_ratio", RATIO)
    metric = trusted(tmp_path, "hits_ratio#ratio")
    scored = score(metric, ITEMS, GROUPS, len(ITEMS))
    assert set(scored.scores) == {None} and scored.whole is not None
    result = scored.result
    assert result.value == pytest.approx(6 / 12) and result.n == 50
    # As counts, the same patients left out; only the degrees of freedom differ, which code of others does not tell.
    counts = [
        (float(len(set(s.answer.split()) & set(s.references[0].split()))), float(len(s.references[0].split()))) for s in ITEMS
    ]
    from ehrbench.stats.estimate import estimate

    ours = estimate(counts, GROUPS, "ratio_of_sums")
    assert (result.low, result.high) == pytest.approx((ours.low, ours.high), rel=0.01)
    assert result.interval == "Student's t, jackknife over 25 groups" and "only 25 groups" in result.caution


def test_patients_are_left_out_in_parts_or_not_at_all(tmp_path: Path) -> None:
    script(tmp_path, "hits_parts", RATIO)
    few = score(trusted(tmp_path, "hits_parts#ratio", left_out="10"), ITEMS, GROUPS, 50).result
    assert few.interval == "Student's t, jackknife over 25 groups in 10 parts" and few.low is not None
    none = score(trusted(tmp_path, "hits_parts#ratio", left_out="0"), ITEMS, GROUPS, 50).result
    assert none.value == few.value and none.low is None and "patients were not to be left out" in none.interval


def test_several_references(tmp_path: Path) -> None:
    two = [Scorable("i", "a", ("b", "a")), Scorable("j", "a", ("a",))]
    script(tmp_path, "takes_one", MEAN)
    first = compute_all(trusted(tmp_path, "takes_one"), two)
    assert (
        first.statistics == [(0.0,), (1.0,)] and "1 items have several gold answers, of which it takes the first" in first.notes
    )
    script(tmp_path, "takes_many", 'return {"score": sum(p in r for p, r in zip(predictions, references)) / len(predictions)}',
           references="datasets.Sequence(datasets.Value('string'))")  # fmt: skip
    path = tmp_path / "takes_many" / "takes_many.py"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "pairs = " not in line and "hits = " not in line))
    many = compute_all(trusted(tmp_path, "takes_many"), two)
    assert many.statistics == [(1.0,), (1.0,)] and many.notes == ()


def test_other_peoples_code_runs_only_where_it_may(tmp_path: Path) -> None:
    path = script(tmp_path, "untrusted", MEAN, top=f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(
        MissingError, match=f"runs Python code that is not ehrbench's, {path}: read it, then add --trust-remote-code"
    ):
        check_metrics(["evaluate:untrusted"], {"evaluate.folder": str(tmp_path)})
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("evaluate:", "expected evaluate:NAME_OR_FOLDER"),
        (
            "evaluate:/home/me/mine",
            "must not be a path of this machine; give --metric-arg evaluate.folder=/home/me and evaluate:mine",
        ),
        ("evaluate:../mine", "must not be a path"),
        ("evaluate:x!higher", "expected evaluate:"),
    ],
)
def test_names(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        METRICS.get(name)


def test_faults_are_one_sentence_without_text(tmp_path: Path) -> None:
    script(tmp_path, "fails", FAILS)
    with pytest.raises(EhrbenchError, match="metric 'evaluate:fails' failed over 50 items .ValueError") as caught:
        compute_all(trusted(tmp_path, "fails"), ITEMS)
    assert "canary" not in str(caught.value)
    script(tmp_path, "keys", RATIO)
    with pytest.raises(UsageError, match="gives ratio, n: choose one"):
        compute_all(trusted(tmp_path, "keys"), ITEMS)
    with pytest.raises(UsageError, match="unknown value 'ratoi' .did you mean 'ratio'"):
        compute_all(trusted(tmp_path, "keys#ratoi"), ITEMS)
    script(tmp_path, "numbers", MEAN, kind="int32")
    with pytest.raises(UsageError, match=r"takes predictions \(int32\), references \(string\); only metrics of predictions"):
        compute_all(trusted(tmp_path, "numbers"), ITEMS)
    script(tmp_path, "package", MEAN, top=PACKAGE + "\n")
    with pytest.raises(MissingError, match="no_such_package_of_anybody"):
        compute_all(trusted(tmp_path, "package"), ITEMS)
    with pytest.raises(MissingError, match=r"no absent/absent.py in .*evaluate.folder"):
        check_metrics(["evaluate:absent"], {"evaluate.folder": str(tmp_path)})


def test_lower_is_better() -> None:
    assert METRICS.get("evaluate:wer!lower").higher_is_better is False


TASK = """
task: quiz
version: 1
data: {reader: jsonl, path: ., policy: open}
prompt: {user: "{{ question }}"}
metrics: [exact_match]
primary: exact_match
"""


def test_a_run_with_a_folder_of_the_users_and_one_with_the_cache(tmp_path: Path) -> None:
    (tmp_path / "quiz.yaml").write_text(TASK)
    rows = [{"id": str(k), "question": "Q?", "answer": "a b", "group": f"p{k}"} for k in range(12)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    script(tmp_path, "hits_here", MEAN)
    loading = import_module("evaluate.loading")
    path = script(tmp_path, "hits_cached", RATIO)
    loading._create_importable_file(
        local_path=str(path),
        local_imports=[],
        additional_files=[],
        dynamic_modules_path=str(tmp_path / "home" / "modules" / "evaluate_modules"),
        module_namespace="metrics",
        name="evaluate-metric/hits_cached",
        download_mode=None,
    )
    path.unlink()
    path.parent.rmdir()
    ehrbench.evaluate(lambda prompt: "a", "quiz", data_dir=tmp_path, include_paths=[tmp_path], out=tmp_path / "out")
    (result,) = (tmp_path / "out").rglob("result.json")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_HOME": str(tmp_path / "home"), "EHRBENCH_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", "ehrbench", *arguments]
        return subprocess.run(whole, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)

    asked = ("score", str(result.parent), "--metrics", "evaluate:hits_here,evaluate:hits_cached#ratio")
    refused = command(*asked)
    assert refused.returncode == 3 and "add --trust-remote-code" in refused.stderr
    done = command(*asked, "--trust-remote-code")
    assert done.returncode == 0, done.stderr
    found = {metric["name"]: metric for metric in json.loads(result.read_text())["metrics"]}
    assert found["evaluate:hits_here"]["value"] == found["evaluate:hits_cached#ratio"]["value"] == 0.5
    assert "all groups have one value" in found["evaluate:hits_cached#ratio"]["interval"]
    verified = command("verify", str(result.parent), "--trust-remote-code")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    absent = command("score", str(result.parent), "--metrics", "evaluate:no_such", "--trust-remote-code")
    assert absent.returncode == 3 and """python -c "import evaluate; evaluate.load('no_such')\"""" in absent.stderr
    texts = [
        path
        for path in (tmp_path / "home").rglob("*")
        if path.is_file() and b"a b" in path.read_bytes() and path.suffix == ".arrow"
    ]
    assert texts == []
