from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.metrics import METRICS, Scorable
from ehrbench.metrics._quantities import counts, quantities
from ehrbench.metrics.typed import TYPES, score_typed


def score(
    kind: str, value: Any, answer: str, question: str = "", unit: str | None = None, tolerance: float = 0.0, *others: str
) -> float:
    gold = {"type": kind, "value": value, "unit": unit, "tolerance": tolerance}
    (result,) = score_typed([Scorable("i", answer, ("gold", *others), question=question, meta={"gold": gold})])
    assert result is not None
    return result[0]


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        (True, "Yes", 1),
        (True, "Affirmative.", 1),
        (True, "yes, it was not high", 1),
        (True, "No", 0),
        (True, "", 0),
        (True, "maybe", 0),
        (False, "The patient did not have any.", 1),
        (False, "NO.", 1),
        (False, "Negative.", 1),
        (False, "knowledge", 0),
    ],
)
def test_yes_no(gold: bool, answer: str, expected: float) -> None:
    assert score("yes_no", gold, answer) == expected


def test_whether_a_measurement_was_normal_may_be_said_so() -> None:
    question = "Was the Blood Sodium Chemistry measurement at the 30.50 hour normal?"
    assert score("yes_no", True, "It was normal.", question) == 1
    assert score("yes_no", False, "Abnormal", question) == 1
    assert score("yes_no", False, "It was normal.", question) == 0
    assert score("yes_no", False, "It was not normal.", question) == 1
    assert score("yes_no", True, "It was normal.", "Did the patient have any?") == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("40", 1),
        ("40.0 mg/dL", 1),
        ("40.00 mg/dl.", 1),
        ("The value was 40 mg / dL", 1),
        ("It was 40 (normal 35 to 45 mg/dL)", 1),
        ("40 mg", 0),
        ("41 mg/dL", 0),
        ("40.001 mg/dL", 0),
        ("39-41 mg/dL", 0),
        ("1, 2, 40", 0),
        ("41, then 40 mg/dL", 1),
        ("40 mg/dL, later 41 mg/dL", 0),
        ("40 mg/dL, and again 40.0 mg/dL", 1),
        ("forty", 0),
        ("", 0),
        ("-40 mg/dL", 0),
    ],
)
def test_number_with_a_unit(answer: str, expected: float) -> None:
    assert score("number", 40.0, answer, "What was the first Na during the first 48 hours?", "mg/dL") == expected


def test_numbers_of_the_question_are_no_answers() -> None:
    question = "What was the maximum Na during the first 12 hours?"
    assert score("number", 5.0, "During the first 12 hours the maximum was 5.0", question) == 1
    assert score("number", 12.0, "12", question) == 1
    assert score("number", 12.0, "During the first 12 hours it was 12 mEq/L", question, "mEq/L") == 1
    assert score("number", 12.0, "During the first 12 hours it was 13", question) == 0


def test_a_computed_number_may_be_given_more_exactly() -> None:
    assert score("number", 143.67, "143.6667 mEq/L", "", "mEq/L", 0.005) == 1
    assert score("number", 143.67, "143.68", "", "mEq/L", 0.005) == 0
    assert score("number", 0.012, "0.013") == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("102.51 hours", 1),
        ("The patient stayed for 102.51 hours.", 1),
        ("102.51", 1),
        ("4.27 days", 1),
        ("4 days", 0),
        ("102.51 minutes", 0),
        ("102.50 hours", 0),
        ("6150.6 minutes", 0),
        ("6150.60 minutes", 1),
        ("102.51 mg", 0),
    ],
)
def test_durations_in_other_units(answer: str, expected: float) -> None:
    assert score("duration", 102.51, answer, "", "hours", 0.005) == expected


def test_alternatives_count() -> None:
    assert score("duration", 4.27, "102.51 hours", "", "days", 0.005, "102.51 hours") == 1
    assert score("duration", 4.27, "102.20 hours", "", "days", 0.005, "102.51 hours") == 0
    assert score("number", 1.5, "2.5 mg", "", "mg", 0.0, "2.5 mg") == 1
    assert score("list", ["A"], "B and C", "", None, 0.0, "B, C") == 0  # an alternative list counts as it is written
    assert score("list", ["A"], "B, C", "", None, 0.0, "B, C") == 1


def test_times_before_admission() -> None:
    assert score("time", -0.13, "At the -0.13 hour", "", "hours", 0.005) == 1
    assert score("time", -0.13, "At the 0.13 hour", "", "hours", 0.005) == 0


@pytest.mark.parametrize(
    "answer", ["3 times", "three times", "Three instances", "3", "The patient had it 3 times during the first 48 hours."]
)
def test_counts(answer: str) -> None:
    assert score("count", 3, answer, "How many times during the first 48 hours?") == 1
    assert score("count", 4, answer, "How many times during the first 48 hours?") == 0


def test_words_for_numbers() -> None:
    assert counts("twenty-one times, then once, and 3") == [21, 1, 3]
    assert score("count", 1, "Once") == 1
    assert [q.value for q in quantities("pO2 Blood #1 B12 T-4 -4")] == [-4.0]
    assert [q.value for q in quantities("1,267 and 1e3 and .5")] == [1267, 1000, 0.5]
    assert all(math.isnan(q.value) for q in quantities("650-1000 mg"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("INR(PT), PT, Platelet Count", 1),
        ("The abnormal measurements included Platelet Count, PT, and INR(PT).", 1),
        ("platelet count; pt; inr (pt)", 1),
        ("INR(PT), Platelet Count", 0),
        ("INR(PT), PT, Platelet Count, Hemoglobin", 0),
        ("INR(PT), PT, no Platelet Count", 0),
        ("All lab tests were normal", 0),
        ("", 0),
    ],
)
def test_lists_are_sets(answer: str, expected: float) -> None:
    question = "What Hematology measurements on the Blood specimen were abnormal at the 23.98 hour?"
    assert score("list", ["INR(PT)", "PT", "Platelet Count", "PT"], answer, question) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("No antibiotics was tested", 1),
        ("There were no antibiotics tested.", 1),
        ("None.", 1),
        ("All lab tests were normal", 1),
        ("No growth", 1),
        ("No growth except YEAST", 0),
        ("YEAST", 0),
        ("", 0),
    ],
)
def test_an_empty_list_is_said_with_a_negation(answer: str, expected: float) -> None:
    assert score("list", [], answer) == expected


def test_texts() -> None:
    unit = "Medical Intensive Care Unit (MICU)"
    moved = "Which unit was the patient transferred to at the 2.29 hour?"
    assert score("text", unit, f"The patient was transferred to the {unit}.", moved) == 1
    assert score("text", "WHITE", "The patient was white") == 1
    assert score("text", "WHITE", "not white") == 0
    assert score("text", "WHITE", "WHITE - RUSSIAN") == 0
    assert score("text", "F", "Female") == 1
    assert score("text", "F", "The patient was male") == 0
    assert score("text", ">60 mL/min", "60 mL/min") == 0


@given(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), st.sampled_from(["mg/dL", "mEq/L", "%", None, "K/uL"]))
def test_a_number_always_matches_itself(value: float, unit: str | None) -> None:
    assert score("number", value, f"{value} {unit or ''}".strip(), "", unit) == 1


@given(st.permutations(["Sodium", "Calcium, Total", "INR(PT)", "PT", "Chest Tube #1"]), st.integers(1, 5), st.booleans())
def test_a_list_matches_itself_in_any_order_and_no_other(members: list[str], n: int, one_more: bool) -> None:
    answer = ", ".join(members[: n + one_more])
    assert score("list", members[:n], answer) == (1 if not one_more or n == 5 else 0)


def test_items_without_a_typed_gold_have_no_score() -> None:
    assert score_typed([Scorable("i", "yes", ("yes",))]) == [None]
    assert score_typed([Scorable("i", "yes", ("yes",), meta={"gold": {"type": "yes_no", "value": True}})], "list") == [None]


def test_each_type_has_its_metric() -> None:
    gold = {"type": "count", "value": 3, "unit": None, "tolerance": 0.0}
    for kind in TYPES:
        (result,) = METRICS.get(f"typed_{kind}").score([Scorable("i", "3", ("3",), meta={"gold": gold})])
        assert result == ((1.0,) if kind == "count" else None)
