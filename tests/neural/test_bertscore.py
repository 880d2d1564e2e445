"""BERTScore on a tiny random DistilBERT: the library's numbers, each text encoded once, what is said when something lacks."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.home import home_dir
from ehrbench.metrics import METRICS, Metric, Scorable
from ehrbench.scoring.compute import compute, compute_all
from ehrbench.scoring.score import resolve, score
from tests.metrics.conftest import make_pairs

pytestmark = pytest.mark.hf


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny.encoders import tiny_distilbert

    return tiny_distilbert(tmp_path_factory.mktemp("tiny-distilbert"))


@pytest.fixture
def metric(encoder: Path) -> Metric:
    return resolve("bertscore", {"bertscore.checkpoint": str(encoder), "bertscore.layer": "5"})


def scorables(pairs: list[tuple[str, str]]) -> list[Scorable]:
    return [Scorable(str(k), answer, (reference,)) for k, (answer, reference) in enumerate(pairs)]


def test_equals_the_library(metric: Metric, encoder: Path) -> None:
    import bert_score

    pairs = [(a[:300], r[:300]) for a, r in make_pairs(60, seed=3)]
    theirs = bert_score.score(
        [a for a, _ in pairs], [r for _, r in pairs], model_type=str(encoder), num_layers=5, batch_size=7, device="cpu"
    )[2].tolist()
    ours = [s[0] for s in compute(metric, scorables(pairs))]
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert len({round(value, 3) for value in ours}) > 20  # the texts do differ to this encoder


BASELINE = "LAYER,P,R,F\n" + "".join(f"{layer},0.{layer + 3},0.{layer + 2},0.{layer + 1}5\n" for layer in range(7))


@pytest.mark.parametrize("rescale", ["off", "on"])
@pytest.mark.parametrize("batch", ["7", "32"])
def test_both_engines_give_the_librarys_numbers(encoder: Path, tmp_path: Path, rescale: str, batch: str) -> None:
    import bert_score

    (tmp_path / "baseline.tsv").write_text(BASELINE)
    pairs = [(a[:300], r[:300]) for a, r in make_pairs(40, seed=11)]
    arguments = {
        "bertscore.checkpoint": str(encoder),
        "bertscore.layer": "5",
        "bertscore.batch": batch,
        "bertscore.device": "cpu",
    }
    more: dict[str, Any] = {}
    if rescale == "on":
        arguments |= {"bertscore.rescale": "on", "bertscore.baseline": str(tmp_path / "baseline.tsv")}
        more = {"rescale_with_baseline": True, "baseline_path": str(tmp_path / "baseline.tsv"), "lang": "en"}
    theirs = bert_score.score(
        [a for a, _ in pairs],
        [r for _, r in pairs],
        model_type=str(encoder),
        num_layers=5,
        batch_size=int(batch),
        device="cpu",
        **more,
    )[2].tolist()
    items = [*scorables(pairs), Scorable("empty", "", ("fever",)), Scorable("none", "x", ())]
    by_engine = {engine: compute(resolve("bertscore", {**arguments, "bertscore.engine": engine}), items)
                 for engine in ("ehrbench", "bert-score")}  # fmt: skip
    for found in by_engine.values():
        assert [s[0] for s in found[:-2] if s is not None] == pytest.approx(theirs, abs=1e-5)
        assert found[-2] == pytest.approx((0.0 if rescale == "off" else -0.65 / 0.35,)) and found[-1] is None
    if rescale == "on":
        assert min(theirs) < 0 or max(theirs) - min(theirs) > 0.1


def test_the_signature_tells_engine_and_baseline(encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "b.tsv").write_text(BASELINE)
    arguments = {"bertscore.checkpoint": str(encoder), "bertscore.layer": "5"}
    library = resolve("bertscore", {**arguments, "bertscore.engine": "bert-score"}).signature()
    assert "|engine:bert-score|" in library and "|bert-score:" in library and "|rescale:no|" in library
    rescaled = {**arguments, "bertscore.rescale": "on", "bertscore.baseline": str(tmp_path / "b.tsv")}
    assert "|rescale:baseline-" in resolve("bertscore", rescaled).signature()
    assert "engine" not in resolve("bertscore", arguments).signature()


def test_baselines_and_engines_that_cannot_be_used(encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "b.tsv").write_text("LAYER,P,R,F\n0,1,1,1\n")
    arguments = {"bertscore.checkpoint": str(encoder), "bertscore.layer": "5"}
    for more, message in (
        ({"rescale": "on", "baseline": str(tmp_path / "b.tsv")}, "no baseline of layer 5: expected a line LAYER,P,R,F"),
        ({"baseline": str(tmp_path / "b.tsv")}, "give bertscore.rescale=on, too"),
        ({"engine": "bert-score", "dtype": "bfloat16"}, "computes in float32"),
        ({"engine": "bertscore"}, "expected ehrbench, bert-score"),
    ):
        with pytest.raises(UsageError, match=message):
            resolve("bertscore", {**arguments, **{f"bertscore.{key}": value for key, value in more.items()}})
    reason = resolve("bertscore", {**arguments, "bertscore.rescale": "on"}).unavailable()
    assert reason is not None and "has no baseline for" in reason


def test_equal_texts_score_one_and_empty_texts_zero(metric: Metric) -> None:
    found = compute(metric, scorables([("chest pain", "chest pain"), ("", "chest pain"), (" \n", "no"), ("no", "")]))
    assert [s[0] for s in found] == pytest.approx([1, 0, 0, 0], abs=1e-6)


def test_the_best_reference_counts_and_none_is_undefined(metric: Metric) -> None:
    many = Scorable("a", "fever", ("no acute distress", "fever"))
    assert compute(metric, [many, Scorable("b", "fever", ())]) == [pytest.approx((1.0,)), None]


def test_each_distinct_text_is_encoded_once_and_the_order_does_not_matter(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ehrbench.neural.encoder import TextEncoder

    seen: list[int] = []
    whole = TextEncoder.encode
    monkeypatch.setattr(TextEncoder, "encode", lambda self, ids, done: (seen.append(len(ids)), whole(self, ids, done))[1])
    pairs = [(a, r) for _, r in make_pairs(5, seed=1) for a in ("yes", "no", "chest pain")]
    first = compute(metric, scorables(pairs))
    assert seen == [5 + 3]
    assert compute(metric, scorables(pairs)[::-1])[::-1] == [pytest.approx(s, abs=1e-6) for s in first]


def test_blocks_give_the_same_numbers(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = scorables(make_pairs(30, seed=5))
    one = compute(metric, pairs)
    monkeypatch.setattr("ehrbench.neural.bertscore.STATES_AT_ONCE", 200)
    told: list[int] = []
    assert compute(metric, pairs, progress=told.append) == [pytest.approx(s, abs=1e-6) for s in one]
    assert sum(told) == 30 and len(told) > 5


def test_long_texts_are_cut_and_counted(metric: Metric) -> None:
    long = "the patient denies chest pain " * 200
    statistics, notes, _ = compute_all(metric, scorables([(long, "fever"), ("no", "yes")]))
    assert statistics[0] is not None
    assert notes == ("1 of 4 texts are longer than the encoder's 512 tokens and were cut at the end",)
    assert notes[0] in score(metric, scorables([(long, "fever")]), ["p"], 1).result.note.replace("1 of 2", "1 of 4")


def test_the_signature_names_the_weights_and_no_path(metric: Metric, encoder: Path) -> None:
    signature = metric.signature()
    assert re.search(rf"\|checkpoint:{re.escape(encoder.name)}@sha256-[0-9a-f]{{12}}\|", signature)
    assert "|layer:5|" in signature and "|transformers:" in signature and "/" not in signature


def test_other_weights_have_another_signature(metric: Metric, tmp_path: Path) -> None:
    from tests.tiny.encoders import tiny_distilbert

    other = tiny_distilbert(tmp_path / "other", seed=9)
    arguments = {"bertscore.checkpoint": str(other), "bertscore.layer": "5"}
    assert resolve("bertscore", arguments).settings["checkpoint"] != metric.settings["checkpoint"]


def test_the_environment_names_the_checkpoint_too(encoder: Path, metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EHRBENCH_BERTSCORE_CHECKPOINT", str(encoder))
    monkeypatch.setenv("EHRBENCH_BERTSCORE_LAYER", "5")
    assert resolve("bertscore").signature() == metric.signature()


def test_a_models_folder_is_searched_for_the_default(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "distilbert-base-uncased").symlink_to(encoder)
    monkeypatch.setenv("EHRBENCH_MODELS", str(tmp_path))
    found = resolve("bertscore")
    assert found.unavailable() is None
    assert found.settings["layer"] == 5 and str(found.settings["checkpoint"]).startswith("distilbert-base-uncased@")


@pytest.fixture
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.usefixtures("_no_cache")
def test_missing_weights_are_one_sentence_that_says_what_to_fetch_and_where_to_put_it() -> None:
    reason = METRICS.get("bertscore").unavailable()
    assert reason is not None and "hf download distilbert-base-uncased" in reason and str(home_dir() / "metrics") in reason
    with pytest.raises(MissingError, match="distilbert-base-uncased"):
        METRICS.get("bertscore").score([Scorable("a", "x", ("y",))])


def test_a_folder_that_is_no_checkpoint_is_named(tmp_path: Path, encoder: Path) -> None:
    reason = resolve("bertscore", {"bertscore.checkpoint": str(tmp_path)}).unavailable()
    assert reason is not None and "no config.json" in reason
    with pytest.raises(UsageError, match="has 6: give a smaller one"):
        compute(resolve("bertscore", {"bertscore.checkpoint": str(encoder), "bertscore.layer": "7"}), scorables([("yes", "no")]))
    with pytest.raises(UsageError, match="layer"):
        resolve("bertscore", {"bertscore.checkpoint": str(encoder)})
    with pytest.raises(UsageError, match="float32, bfloat16"):
        resolve("bertscore", {"bertscore.checkpoint": str(encoder), "bertscore.dtype": "int3"})


def test_a_failure_in_the_network_names_the_class_and_no_text(metric: Metric) -> None:
    def fails(scorables: object, done: object) -> None:
        raise RuntimeError("the patient is called Wilhelmina")

    with pytest.raises(Exception, match="RuntimeError") as caught:
        compute(replace(metric, score_all=fails), scorables([("a", "b")]))  # type: ignore[arg-type]
    assert "Wilhelmina" not in str(caught.value)
