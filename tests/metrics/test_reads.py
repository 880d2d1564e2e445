"""What metrics say they read, held against the score that they give for the same item."""

from __future__ import annotations

import re

import pytest

from ehrbench.metrics import METRICS
from ehrbench.metrics.metric import Scorable

ANSWER = "She never took any statin, and took 40 mg of it daily."
GOLDS = ("took aspirin daily", "never took a statin daily")


def _read(name: str, scorable: Scorable) -> dict[str, str]:
    reads = METRICS.get(name).reads
    assert reads is not None
    return dict(reads(scorable))


def _counts(line: str) -> tuple[float, float, float]:
    shared, ours, theirs = (float(n) for n in re.findall(r"\d+", line)[:3])
    return shared, ours, theirs


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("rouge_1", "shared words"),
        ("rouge_2", "shared pairs of words"),
        ("rouge_l", "longest shared sequence"),
        ("token_f1", "shared words"),
    ],
)
def test_counts_of_shared_words_give_the_f_measure(name: str, line: str) -> None:
    scorable = Scorable("i", ANSWER, GOLDS)
    shared, ours, theirs = _counts(_read(name, scorable)[line])
    assert METRICS.get(name).score([scorable])[0] == (pytest.approx(2 * shared / (ours + theirs)),)


def test_counts_of_bleu_are_its_statistics() -> None:
    scorable = Scorable("i", ANSWER, GOLDS[1:])
    read = _read("bleu", scorable)
    statistics = METRICS.get("bleu").score([scorable])[0]
    assert statistics is not None
    shared, ours, _ = zip(*(_counts(read[line]) for line in list(read)[:4]), strict=True)
    assert (*shared, *ours) == statistics[:8]
    assert read["length"] == f"{statistics[8]:.0f} tokens in the answer, {statistics[9]:.0f} in the gold answer"


def test_counts_of_google_bleu_and_meteor_give_their_scores() -> None:
    scorable = Scorable("i", ANSWER, GOLDS)
    shared, ours, theirs = (sum(column) for column in zip(*map(_counts, _read("google_bleu", scorable).values()), strict=True))
    assert METRICS.get("google_bleu").score([scorable])[0] == (pytest.approx(shared / max(ours, theirs)),)
    if METRICS.get("meteor").unavailable() is None:
        read = _read("meteor", scorable)
        matched, ours, theirs = _counts(read["matched words"])
        precision, recall = matched / ours, matched / theirs
        penalty = 0.5 * ((int(read["breaks in their order"]) + 1) / matched) ** 3
        mean = precision * recall / (0.9 * precision + 0.1 * recall)
        assert METRICS.get("meteor").score([scorable])[0] == (pytest.approx((1 - penalty) * mean),)


def test_counts_of_chrf_give_its_score() -> None:
    scorable = Scorable("i", ANSWER, GOLDS)
    counts = [_counts(line) for line in _read("chrf_pp", scorable).values()]
    both = [(s / a, s / g) for s, a, g in counts if a and g]
    precision, recall = (sum(column) / len(both) for column in zip(*both, strict=True))
    assert METRICS.get("chrf_pp").score([scorable])[0] == (pytest.approx(5 * precision * recall / (4 * precision + recall)),)


def test_what_was_read_is_said_in_its_own_terms() -> None:
    number = Scorable("i", "It was 40 mg.", meta={"gold": {"type": "number", "value": 40, "unit": "mg"}})
    assert _read("typed_match", number) == {"gold": "number: 40 mg", "read": "40 mg"}
    assert _read("exact_match", Scorable("i", "The Yes.", ("yes",))) == {"compared": "yes", "with": "yes"}
    labels = Scorable("i", "- asthma\n- gout", labels=("Asthma", "COPD"))
    assert _read("set_f1", labels) == {"found": "asthma", "missed": "copd", "not expected": "gout"}
    choice = Scorable("i", "I choose B.", ("C",), choices=("one", "two", "three"))
    assert _read("choice_accuracy", choice) == {"read": "B", "gold": "C"}
    assert _read("yes_no_maybe_accuracy", Scorable("i", "Perhaps.", ("no",)))["gold"] == "no"
    entities = Scorable("i", "aspirin, ibuprofen", ("Aspirin, statin",))
    assert _read("ner_f1", entities) == {"found": "aspirin", "missed": "statin", "not expected": "ibuprofen"}
    assert _read("fact_containment", Scorable("i", "x", ("SUPPORTS",))) == {"looked for": "SUPPORTS"}


@pytest.mark.parametrize(
    "name", [name for name in METRICS if METRICS.get(name).reads is not None and METRICS.get(name).unavailable() is None]
)
def test_every_reading_takes_any_item(name: str) -> None:
    for scorable in (
        Scorable("i", ""),
        Scorable("i", "yes", ("", "no")),
        Scorable("i", "é" * 3, ("é",), labels=("é",), choices=("a", "b")),
    ):
        assert all(isinstance(text, str) for text in _read(name, scorable).values())
