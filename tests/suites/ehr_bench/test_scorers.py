"""EHR-Bench's list scorers: the golden file, the specification's probes, and what the clean form reads."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.metrics import METRICS, Scorable
from ehrbench.models.thinking import split
from ehrbench.readers.item import Item
from ehrbench.suites.ehr_bench.scorers import clean_pieces, score_clean, score_strict
from ehrbench.tasks.answers import clean
from ehrbench.tasks.catalog import load_catalog
from tests.conftest import GOLDEN

CUTS_THINKING = ("qwen", "m2")
"""The released code cuts the reasoning only where the model's name holds one of these."""


def released_answer(output: str, model: str) -> str:
    return split(output).answer.strip() if any(part in model for part in CUTS_THINKING) else output.strip()


def accuracy(name: str, answer: str, gold: str) -> float:
    (row,) = METRICS.get(name).score([Scorable("i", answer, (gold,))])
    assert row is not None
    return row[0]


def test_every_golden_score() -> None:
    cases = json.loads((GOLDEN / "ehr-bench-scores.json").read_text(encoding="utf-8"))
    assert len(cases) == 10
    for case in cases:
        answer = released_answer(case["output"], case["model_name"])
        if "acc" in case["expected"]:
            assert accuracy("prefix_match", answer, case["gold"]) == case["expected"]["acc"], case["note"]
            continue
        expected = tuple(case["expected"][part] for part in ("precision", "recall", "f1"))
        assert score_strict(answer, case["gold"]) == pytest.approx(expected, abs=1e-12), case["note"]


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("Creatinine\\nSodium\nPotassium", ["Creatinine", "Sodium", "Potassium"], (0.5, 1 / 3, 0.4)),
        ("MED.", ["MED"], (0, 0, 0)),
        ("A\r\nB", ["A", "B"], (1, 1, 1)),
        ("A\nB\n", ["A", "B"], (2 / 3, 1, 0.8)),
        ("MED", list("MED"), (0, 0, 0)),  # a gold that is a plain string is taken apart into its letters
        ("anything", [], (0, 0, 0)),
        ("A\nA\na", ["A", "B"], (1, 0.5, 2 / 3)),
        ("A, B, C", ["A", "B", "C"], (0, 0, 0)),
        ("Acute kidney failure, unspecified", ["Acute kidney failure, unspecified"], (1, 1, 1)),
        ("", ["A"], (0, 0, 0)),
    ],
)
def test_the_specifications_probes(answer: str, gold: list[str], expected: tuple[float, float, float]) -> None:
    assert score_strict(answer, gold) == pytest.approx(expected)


def test_the_prefix_rule() -> None:
    assert accuracy("prefix_match", "labevents because", "labevents") == 1
    assert accuracy("prefix_match", " yes", "yes") == 0
    assert accuracy("prefix_match", "", "yes") == 0
    assert accuracy("first_line_match", "Labevents.\nbecause", "labevents") == 1
    assert accuracy("first_line_match", "labevents2", "labevents") == 0
    assert accuracy("first_line_match", "The next event is labevents", "labevents") == 0


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("1. CHEST (PORTABLE AP)\n2. CT HEAD W/O CONTRAST", ["CHEST (PORTABLE AP)", "CT HEAD W/O CONTRAST"]),
        ("- Sodium\n* Potassium\n• Chloride", ["Sodium", "Potassium", "Chloride"]),
        ("```\nSodium\n```", ["Sodium"]),
        ('"Sodium"\n**Potassium**', ["Sodium", "Potassium"]),
        ("Sodium\\nPotassium\n\nChloride", ["Sodium", "Potassium", "Chloride"]),
        ("EW EMER.", ["EW EMER"]),
        ("0.9% Sodium Chloride", ["0.9% Sodium Chloride"]),
        ("1) Acute kidney failure, unspecified", ["Acute kidney failure, unspecified"]),
        ("", []),
    ],
)
def test_what_the_clean_form_reads(answer: str, labels: list[str]) -> None:
    assert clean_pieces(answer) == labels


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
NAMES = st.lists(WORDS, min_size=1, max_size=8, unique_by=str.casefold)


@given(labels=NAMES)
def test_the_gold_list_scores_one_in_any_order(labels: list[str]) -> None:
    assert score_clean("\n".join(reversed(labels)), labels)[2] == 1
    assert score_clean("\n".join(f"- {label}" for label in labels), labels)[2] == 1


@given(answer=st.text(), gold=st.lists(st.text(min_size=1)))
def test_scores_are_between_0_and_1(answer: str, gold: list[str]) -> None:
    for score in (score_strict, score_clean):
        assert all(0 <= part <= 1 for part in score(answer, gold))


@pytest.mark.parametrize(
    ("task", "raw", "gold", "value"),
    [
        ("next_event", "labevents because", ["labevents"], 1.0),
        ("next_event", "Labevents", ["labevents"], 0.0),
        ("next_event", "The next event is labevents", ["labevents"], 0.0),
        ("next_event", "\npoe", ["poe"], 0.0),
        ("next_event", "<think>poe?</think>\n\npoe", ["poe"], 1.0),
        ("labevents", "creatinine\n Sodium \n\nChloride", ["Creatinine", "Sodium", "Potassium"], 0.5714),
        ("labevents", "A\nB\nC\nX\n", ["A"], 1 / 3),  # with the blank line: 1 of 5
        ("labevents", "<think>?</think>A\nB\nC\nX\n", ["A"], 0.4),
        ("labevents", "", ["A"], 0.0),
        ("labevents", "A\nA\na", ["A", "B"], 0.6667),
    ],
)
def test_paper_scores_the_answer_as_it_was_written(task: str, raw: str, gold: list[str], value: float) -> None:
    """The protocol page's examples (4.2 and 4.3), and answers with line breaks at their ends."""
    spec = load_catalog().get(f"ehr_bench.decision.{task}", "paper")
    answer = clean(raw, Item(id="1", question="Q"), spec.answer)
    scorable = Scorable("1", answer or "", references=tuple(gold), labels=tuple(gold))
    ((found,),) = METRICS.get(spec.primary).score([scorable])  # type: ignore[misc]
    assert found == pytest.approx(value, abs=5e-5)
