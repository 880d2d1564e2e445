from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.models.thinking import TAGS, split

_HARMONY = "<|channel|>analysis<|message|>He had a fever.<|end|><|start|>assistant"


@pytest.mark.parametrize(
    ("text", "answer", "reasoning", "closed"),
    [
        ("The answer is no.", "The answer is no.", None, True),
        ("", "", None, True),
        ("  kept as it is \n", "  kept as it is \n", None, True),
        ("<think>Low sodium.</think>\n\nyes", "yes", "Low sodium.", True),
        ("<think>\n\n</think>\n\nyes", "yes", None, True),
        ("Low sodium.</think>yes", "yes", "Low sodium.", True),
        ("<think>one</think>draft</think>final", "final", "one\ndraft", True),
        ("<think>Low sodium", "", "Low sodium", False),
        ("<think>one</think>yes<think>wait", "", "one\nyes\nwait", False),
        ("Before. <think>", "", "Before.", False),
        ("<think>all</think>", "", "all", True),
        ("[THINK]why[/THINK]yes", "yes", "why", True),
        ("<unused94>thought\nwhy<unused95>yes", "yes", "thought\nwhy", True),
        ("<seed:think>why</seed:think>yes", "yes", "why", True),
        (_HARMONY + "<|channel|>final<|message|>Pneumonia.<|return|>", "Pneumonia.", "He had a fever.", True),
        (_HARMONY + '<|channel|>final <|constrain|>json<|message|>{"a": 1}', '{"a": 1}', "He had a fever.", True),
        ("<|channel|>final<|message|>Yes", "Yes", None, True),
        (_HARMONY, "", "He had a fever.", False),
        ("<|channel|>analysis<|message|>He had", "", "He had", False),
        ("<|channel|>commentary to=x<|message|>plan<|call|>", "", "plan", False),
    ],
)
def test_cases(text: str, answer: str, reasoning: str | None, closed: bool) -> None:
    assert split(text) == (answer, reasoning, closed)


def test_prompt_that_opened_the_block() -> None:
    assert split("Low sodium", opened=True) == ("", "Low sodium", False)
    assert split("Low sodium</think>yes", opened=True) == ("yes", "Low sodium", True)
    assert split("", opened=True) == ("", None, False)


def test_tags_can_be_given() -> None:
    assert split("<why>x</why> y", tags=[("<why>", "</why>")]) == ("y", "x", True)
    assert split("<think>x</think>y", tags=[("<why>", "</why>")]).answer == "<think>x</think>y"


_PLAIN = st.text().filter(lambda text: "<|" not in text and not any(tag in text for pair in TAGS for tag in pair))


@given(_PLAIN, _PLAIN, st.sampled_from(TAGS))
def test_reasoning_never_reaches_the_answer(reasoning: str, answer: str, tags: tuple[str, str]) -> None:
    found = split(tags[0] + reasoning + tags[1] + answer)
    assert found == (answer.lstrip(), reasoning.strip() or None, True)
    assert split(tags[0] + reasoning) == ("", reasoning.strip() or None, False)
