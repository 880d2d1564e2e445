from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.judge.prompt import ORDERS, SYSTEM, Order, question_for
from ehrbench.judge.verdict import Verdict, read_verdict


def test_the_published_prompt() -> None:
    assert SYSTEM.startswith("You are a helpful and precise assistant for evaluating the quality of responses.\n\nPlease assess")
    assert SYSTEM.count("\n\n") == 6
    assert SYSTEM.endswith("does not affect your judgment.")


def test_the_blocks_and_their_order() -> None:
    assert question_for("q", "g", "ref", "cand", "reference_first") == (
        "[Question]\nq\n[End of Question]\n\n[Ground-truth Answer]\ng\n[End of Ground-truth Answer]\n\n"
        "[Assistant 1 Answer]\nref\n[End of Assistant 1 Answer]\n\n[Assistant 2 Answer]\ncand\n[End of Assistant 2 Answer]"
    )
    assert "[Assistant 1 Answer]\ncand\n" in question_for("q", "g", "ref", "cand", "candidate_first")


@pytest.mark.parametrize(
    ("text", "strict", "expected"),
    [
        ("8 6\nbecause", True, Verdict(6, 8)),
        ("8 6", False, Verdict(6, 8)),
        ("\n\n 8  6 \nbecause", True, None),  # the paper's code reads the empty first line
        ("\n\n 8  6 \nbecause", False, Verdict(6, 8)),
        ("8.5 7", True, Verdict(7, 8.5)),
        ("Assistant 1: 8/10, Assistant 2: 6/10", False, Verdict(6, 8)),
        ("Assistant 1: 8", True, None),
        ("11 6", True, Verdict(6, 11)),  # no range check there
        ("11 6", False, None),
        ("0 6", True, None),
        ("8 6 7", True, Verdict(6, 8)),
        ("8 6 7", False, None),
        ("I cannot rate these.", True, None),
        ("I cannot rate these.", False, None),
        ("", True, None),
        ("", False, None),
        ("nan 3", True, None),
        ("8 inf", True, None),
        ("2026 6", False, None),
    ],
)
def test_reading(text: str, strict: bool, expected: Verdict | None) -> None:
    assert read_verdict(text, "reference_first", strict) == expected


def test_the_order_decides_whose_score_is_whose() -> None:
    verdict = read_verdict("9 3", "candidate_first", strict=False)
    assert verdict == Verdict(candidate=9, reference=3)
    assert verdict.ratio == 300


@given(text=st.text(), order=st.sampled_from(ORDERS), strict=st.booleans())
def test_any_text_is_a_verdict_or_none(text: str, order: Order, strict: bool) -> None:
    verdict = read_verdict(text, order, strict)
    assert verdict is None or verdict.reference > 0


@given(a=st.integers(1, 10), b=st.integers(1, 10), strict=st.booleans(), why=st.text())
def test_a_clean_line_is_always_read(a: int, b: int, strict: bool, why: str) -> None:
    assert read_verdict(f"{a} {b}\n{why}", "reference_first", strict) == Verdict(b, a)
