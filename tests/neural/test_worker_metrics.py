"""COMET, BLEURT, LENS and UniEval through the worker give what their own libraries give, called directly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import UsageError
from ehrbench.metrics import Metric, Scorable
from ehrbench.metrics._punkt import SentenceSplitter, english
from ehrbench.neural import unieval
from ehrbench.neural.client import close_workers, worker
from ehrbench.readers.samples import ensure_sample
from ehrbench.scoring.compute import compute, compute_all
from ehrbench.scoring.score import resolve, score
from ehrbench.scoring.sources import add_sources
from ehrbench.suites.medalign.reader import read
from tests.metrics.conftest import HOSTILE, make_pairs
from tests.neural.conftest import comet_side

pytestmark = pytest.mark.comet


def scorables() -> list[Scorable]:
    """Plausible pairs, empty and odd texts, several references, and a text that is longer than any input."""
    pairs = [*make_pairs(12, seed=2), *((answer, "no acute distress") for answer in HOSTILE)]
    found = [
        Scorable(str(k), answer, (reference,), question=f"what about {k}", source=f"history of fever. {reference[:60]}")
        for k, (answer, reference) in enumerate(pairs)
    ]
    found.append(replace(found[0], item="two", references=("type 2 diabetes", found[0].references[0])))
    found.append(replace(found[1], item="long", answer="continue current medication and " * 300 + ". Follow up."))
    return found


SOURCES: dict[str, Callable[[Scorable], str] | None] = {
    "regression": lambda s: s.source or "",
    "unified": lambda s: s.source or "",
    "lens": lambda s: s.question,
    "bleurt": None,
}


def questions(s: Scorable) -> dict[str, list[str]]:
    """UniEval's inputs, written out."""
    sentences = SentenceSplitter(english()).split(s.answer) or [""]
    coherent = f"question: Is this a coherent summary to the document? </s> summary: {s.answer} </s> document: {s.source}"
    relevant = f"question: Is this summary relevant to the reference? </s> summary: {s.answer} </s> reference: "
    consistent = "question: Is this claim consistent with the document? </s> claim: "
    return {
        "coherence": [coherent],
        "consistency": [f"{consistent}{sentence} </s> document: {s.source}" for sentence in sentences],
        "fluency": [f"question: Is this a fluent paragraph? </s> paragraph: {sentence}" for sentence in sentences],
        "relevance": [relevant + reference for reference in s.references],
    }


@pytest.fixture(scope="module")
def theirs(library_scores: Callable[[dict[str, list[dict[str, str]]]], dict[str, list[float]]]) -> dict[str, list[float]]:
    """What the libraries give each scorable, by kind; UniEval's by dimension."""
    pairs = [(s, reference) for s in scorables() for reference in s.references]
    rows = {
        kind: [{**({"src": source(s)} if source else {}), "mt": s.answer, "ref": reference} for s, reference in pairs]
        for kind, source in SOURCES.items()
    }
    texts = list(dict.fromkeys(text for s in scorables() for part in questions(s).values() for text in part))
    found = library_scores({**rows, "unieval": [{"text": text} for text in texts]})
    made: dict[str, list[float]] = {}
    for kind in SOURCES:
        best: dict[str, float] = {}
        for (s, _), value in zip(pairs, found[kind], strict=True):
            best[s.item] = max(value, best.get(s.item, value))
        made[kind] = list(best.values())
    by_text = dict(zip(texts, found["unieval"], strict=True))
    for s in scorables():
        values = {part: [by_text[text] for text in asked] for part, asked in questions(s).items()}
        means = {part: max(v) if part == "relevance" else sum(v) / len(v) for part, v in values.items()}
        for part, mean in {**means, "overall": sum(means.values()) / 4}.items():
            made.setdefault(part, []).append(mean)
    return made


@pytest.mark.parametrize(
    ("name", "kind"), [("comet", "regression"), ("comet", "unified"), ("lens", "lens"), ("bleurt", "bleurt")]
)
def test_pairs_score_as_in_the_library(name: str, kind: str, checkpoints: Path, theirs: dict[str, list[float]]) -> None:
    metric = resolve(name, {f"{name}.checkpoint": str(checkpoints / kind), f"{name}.device": "cpu", f"{name}.batch": "5"})
    assert metric.unavailable() is None
    told: list[int] = []
    scale = 100 if name == "lens" else 1  # LENS is shown on 0 to 100, and float32 sums depend on the batch's padding
    ours = [s[0] / scale for s in compute(metric, scorables(), progress=told.append)]  # type: ignore[index]
    assert ours == pytest.approx([value / scale for value in theirs[kind]], abs=1e-5)
    assert len({round(value, 3) for value in ours}) > 8
    assert sum(told) == len(ours) and len(told) > 2


@pytest.mark.parametrize("name", [*unieval.DIMENSIONS, "overall"])
def test_unieval_scores_as_the_authors_compute_them(name: str, checkpoints: Path, theirs: dict[str, list[float]]) -> None:
    metric = resolve(f"unieval_{name}", {"unieval.checkpoint": str(checkpoints / "unieval"), "unieval.device": "cpu"})
    ours = [s[0] for s in compute(metric, scorables())]  # type: ignore[index]
    assert ours == pytest.approx(theirs[name], abs=1e-5)
    assert len({round(value, 4) for value in ours}) > 8


@pytest.mark.parametrize(
    ("name", "family", "checkpoint", "weight"),
    [
        ("comet", "comet", "regression", "encoder.model.encoder.layer.1.output.dense.weight"),
        ("comet", "comet", "regression", "estimator.ff.0.weight"),
        ("lens", "lens", "lens", "estimator.ff.0.weight"),
        ("bleurt", "bleurt", "bleurt", "classifier.weight"),
        ("unieval_fluency", "unieval", "unieval", "decoder.block.1.layer.0.SelfAttention.q.weight"),
    ],
)
def test_a_checkpoint_without_a_weight_is_refused(
    name: str, family: str, checkpoint: str, weight: str, checkpoints: Path, comet_python: Path, tmp_path: Path
) -> None:
    comet_side(comet_python, "drop", checkpoints / checkpoint, tmp_path / checkpoint, weight)
    metric = resolve(name, {f"{family}.checkpoint": str(tmp_path / checkpoint), f"{family}.device": "cpu"})
    with pytest.raises(UsageError, match=rf"lack 1 of the model's weights \({weight}\), which would be random"):
        compute(metric, scorables()[:2])


@pytest.fixture
def comet(checkpoints: Path) -> Metric:
    return resolve("comet", {"comet.checkpoint": str(checkpoints / "regression"), "comet.device": "cpu"})


def test_the_signature_names_checkpoint_encoder_source_and_libraries(comet: Metric) -> None:
    signature = comet.signature()
    assert "|checkpoint:regression@sha256-" in signature and "|encoder:xlmr|" in signature
    assert "|source:bm25-source-1(200 words)|" in signature and "|unbabel-comet:2.2.7" in signature
    assert "/" not in signature


def test_another_encoder_folder_may_stand_in_for_the_named_one(checkpoints: Path, comet: Metric) -> None:
    arguments = {"comet.checkpoint": str(checkpoints / "regression"), "comet.encoder": str(checkpoints / "xlmr")}
    chosen = scorables()[:3]
    assert compute(resolve("comet", arguments), chosen) == compute(comet, chosen)


def test_long_inputs_are_named_and_nothing_is_lost(comet: Metric) -> None:
    statistics, notes, _ = compute_all(comet, scorables())
    assert None not in statistics
    assert len(notes) == 1 and notes[0].endswith("inputs a text is longer than the model takes and was cut at the end")


def test_values_outside_the_usual_range_are_legal_and_have_no_worst_value(comet: Metric) -> None:
    made = score(comet, scorables(), [None] * len(scorables()), len(scorables()) + 3).result
    assert made.value is not None and made.strict_value is None
    assert made.range[0] <= made.value <= made.range[1] and made.range[0] < 0


def test_equal_rows_are_scored_once_and_a_part_of_unieval_is_not_scored_again(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    whole = type(worker()).call

    def call(self: object, op: str, what: str, done: object = None, **payload: object) -> object:
        if op == "score":
            sent.append(len(payload["rows"]))  # type: ignore[arg-type]
        return whole(self, op, what, done, **payload)  # type: ignore[arg-type]

    monkeypatch.setattr(type(worker()), "call", call)
    arguments = {"unieval.checkpoint": str(checkpoints / "unieval"), "unieval.device": "cpu"}
    one = Scorable("a", "no fever", ("no fever",), source="x")
    compute(resolve("unieval_overall", arguments), [one, replace(one, item="b")])
    compute(resolve("unieval_fluency", arguments), [one])
    assert sent == [4]


def test_a_killed_worker_is_named_and_the_next_metric_starts_another(comet: Metric) -> None:
    import os
    import signal

    chosen = scorables()[:4]
    before = compute(comet, chosen)
    from ehrbench.neural.client import WorkerError, _known_scores

    _known_scores.cache_clear()
    process = worker()._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="killed by SIGKILL"):
        compute(comet, chosen)
    assert compute(comet, chosen) == before
    close_workers()


def test_a_run_is_scored_from_the_core_environment_and_verified(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EHRBENCH_COMET_DEVICE", "cpu")
    run = ["run", "--model", "baseline:newest", "--tasks", "medalign", "--data-dir", "sample", "--limit", "3", "--quiet"]
    done = CliRunner().invoke(app, [*run, "--out", str(tmp_path), "--no-score"])
    assert done.exit_code == 0, done.output
    given = ["--metric-arg", f"comet.checkpoint={checkpoints / 'regression'}"]
    score = ["score", str(tmp_path), "--metrics", "chrf_pp,comet,comet_100_words", "--quiet", "--json", *given]
    done = CliRunner().invoke(app, score)
    assert done.exit_code == 0, done.output
    found = {metric["name"]: metric for metric in json.loads(done.stdout)[0]["metrics"]}
    assert "bm25-source-1(200 words)" in found["comet"]["signature"]
    assert "bm25-source-1(100 words)" in found["comet_100_words"]["signature"]
    assert found["comet"]["n"] == 3 and found["comet"]["value"] is not None
    folder = next(path.parent for path in tmp_path.rglob("result.json"))
    checked = CliRunner().invoke(app, ["verify", str(folder), *given])
    assert checked.exit_code == 0, checked.output
    done = CliRunner().invoke(app, ["score", str(tmp_path), "--metrics", "comet", "--comet-source", "empty", "--json", *given])
    emptied = {metric["name"]: metric for metric in json.loads(done.stdout)[0]["metrics"]}
    assert "|source:empty|" in emptied["comet"]["signature"] and emptied["comet"]["value"] != found["comet"]["value"]
    assert emptied["chrf_pp"]["value"] == found["chrf_pp"]["value"]


@pytest.mark.parametrize(("name", "kind"), [("comet", "regression"), ("comet", "unified"), ("unieval_overall", "unieval")])
def test_sources_fill_the_models_input_and_no_more(name: str, kind: str, checkpoints: Path) -> None:
    family = name.partition("_")[0]
    metric = resolve(name, {f"{family}.checkpoint": str(checkpoints / kind), f"{family}.device": "cpu"})
    rule = metric.source
    assert rule is not None
    dataset = read(ensure_sample("medalign"), {})
    chosen = [Scorable(item.id, "no fever", ("no acute distress",), question=item.question) for item in dataset.items[:6]]
    ids = {item.id: item.record_id for item in dataset.items}
    made = add_sources(metric, chosen, ids, dataset.load_record)
    sizes, rooms = rule.count([s.source or "" for s in made]), rule.room(chosen)
    assert all(0.8 * room <= size <= room for size, room in zip(sizes, rooms, strict=True)), (sizes, rooms)
    _, notes, _ = compute_all(metric, made)
    assert notes == ()
