"""Answer clean-ups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.errors import UsageError
from ehrbench.readers.item import Item
from ehrbench.tasks.answers import ANSWERS, clean

ITEM = Item(id="1", question="Q?")


@pytest.mark.parametrize(
    ("step", "text", "cleaned"),
    [
        ("strip", " \n yes \t", "yes"),
        ("strip_thinking", "<think>maybe</think> yes", "yes"),
        ("strip_thinking", "maybe</think>\n\nyes", "yes"),
        ("strip_thinking", "<think>it never ends", None),
        ("strip_thinking", "yes", "yes"),
        ("strip_after_thinking", "\npoe", "\npoe"),
        ("strip_after_thinking", "a\nb\n", "a\nb\n"),
        ("strip_after_thinking", "<think>maybe</think>\n\npoe\n", "poe"),
        ("strip_after_thinking", "<think></think>poe \n", "poe"),
        ("strip_after_thinking", "<think>it never ends", None),
        ("first_line", "\n \n yes \nbecause", "yes"),
        ("first_line", "a\r\nb", "a"),
        ("first_line", " \n", ""),
        ("lower", "YES Ä", "yes ä"),
        ("strip_quotes", ' "yes" ', "yes"),
        ("strip_quotes", "“yes”", "yes"),
        ("strip_quotes", "«oui»", "oui"),
        ("strip_quotes", '"yes" or "no"', '"yes" or "no"'),
        ("strip_quotes", "'tis", "'tis"),
        ("strip_quotes", '"', '"'),
        ("strip_quotes", '""', ""),
        ("strip_code_fence", '```json\n{"a": 1}\n```', '{"a": 1}'),
        ("strip_code_fence", "\n```\na\nb\n```\n", "a\nb"),
        ("strip_code_fence", "```\ncut short", "cut short"),
        ("strip_code_fence", "~~~\na\n~~~", "a"),
        ("strip_code_fence", "````\n```\na\n```\n````", "```\na\n```"),
        ("strip_code_fence", "see ```x``` here", "see ```x``` here"),
        ("strip_code_fence", "```a```", "```a```"),
        ("strip_code_fence", "```\na\n```\nand more", "```\na\n```\nand more"),
    ],
)
def test_steps(step: str, text: str, cleaned: str | None) -> None:
    assert ANSWERS.get(step)(text, ITEM) == cleaned


def test_steps_are_applied_in_order_and_stop_at_none() -> None:
    text = '<think>x</think>\n```\n "Yes" \nno\n```'
    assert clean(text, ITEM, ["strip_thinking", "strip_code_fence", "first_line", "strip_quotes", "lower"]) == "yes"
    assert clean("<think>yes", ITEM, ["strip_thinking", "strip"]) is None
    assert clean(" as it is ", ITEM, []) == " as it is "


def test_an_unknown_step() -> None:
    with pytest.raises(UsageError, match="unknown answer clean-up 'stripp'"):
        clean("x", ITEM, ["stripp"])


TRANSLATING = {
    "lower",
    "choice_letters",
    "yes_no_maybe",
    "true_false",
    "diagnosis_label",
    "treatment_label",
    "nli_label",
    "fact_label",
}
"""Clean-ups that name what they found in words of their own."""


@given(st.text(max_size=60), st.lists(st.sampled_from(sorted(set(ANSWERS) - TRANSLATING)), max_size=4))
def test_any_text_is_taken_and_cleaning_never_adds(text: str, steps: list[str]) -> None:
    cleaned = clean(text, ITEM, steps)
    assert cleaned is None or cleaned in text


@given(st.text(max_size=60), st.sampled_from([name for name in ANSWERS if name != "strip_quotes"]))
def test_a_clean_text_stays_as_it_is(text: str, step: str) -> None:
    once = clean(text, ITEM, [step])
    if once is not None and step not in ("strip_code_fence", "lower"):
        assert clean(once, ITEM, [step]) == once
