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
    verdict = read_verdict(text, "reference_first", strict)
    assert (verdict and verdict[:2]) == (expected and expected[:2])


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("8 7\nbecause", "line"),
        ("8, 7", "line"),
        ("8; 7", "line"),
        ("8 | 7", "line"),
        ("8 and 7", "line"),
        ("8\t7", "line"),
        ("8/10 7/10", "line"),
        ("8 out of 10, 7 out of 10", "line"),
        ("**8 7**\nbecause 3 of 4", "line"),
        ("[8, 7]\nbecause", "line"),
        ("Scores: 8 7", "line"),
        ("- 8 7", "line"),
        ("```\n8 7\n```\nbecause", "line"),
        ("Assistant 1: 8, Assistant 2: 7", "labelled"),
        ("Assistant 2: 7, Assistant 1: 8", "labelled"),
        ("Assistant 1: 8\nAssistant 2: 7\nbecause", "labelled"),
        ("**Assistant 2**: 7/10\n**Assistant 1**: 8/10", "labelled"),
        ("Assistant 1's score: 8; Assistant 2's score: 7", "labelled"),
        ("Score for Assistant 1: 8\nScore for Assistant 2: 7", "labelled"),
        ("Assistant 1 gets 8, Assistant 2 gets 7.", "labelled"),
        ('{"assistant_1": 8, "assistant_2": 7, "explanation": "3 of 4"}', "json"),
        ('```json\n{"Assistant 2": {"score": 7}, "Assistant 1": {"score": "8/10"}}\n```', "json"),
        ('{"score_1": 8.0, "score_2": 7}', "json"),
        ('{"scores": [8, 7]}', "json"),
        ("[8, 7]", "json"),
    ],
)
def test_ways_of_writing_a_verdict(text: str, way: str) -> None:
    assert read_verdict(text, "reference_first", strict=False) == Verdict(candidate=7, reference=8, way=way)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "On a scale of 1 to 10:\n8 7",
        "1 to 10",
        "1 - 10",
        "On a scale of 1 to 10",
        "Both cite 2 of 3 values.",
        "Assistant 1 names 8 drugs, Assistant 2 names 7.",
        "Assistant 1: 8, Assistant 1: 7",
        "Assistant 1: 8\nbecause it names 7 drugs",
        "Assistant 1: 80, Assistant 2: 70",
        "8 0",
        "8 100",
        "-8 7",
        "8 -7",
        "8,5 7,5",
        "8 7 6",
        '{"assistant_1": 8}',
        '{"assistant_1": true, "assistant_2": 7}',
        '{"assistant_1": 1e999, "assistant_2": 7}',
        '{"assistant_1": "eight", "assistant_2": 7}',
        "[8, 7, 6]",
        "{" * 100_000,
        "[" * 200_000 + "]" * 200_000,
    ],
)
def test_what_is_no_verdict_is_asked_again(text: str) -> None:
    assert read_verdict(text, "reference_first", strict=False) is None


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
    assert read_verdict(f"{a} {b}\n{why}", "reference_first", strict) == Verdict(b, a, "paper" if strict else "line")
