"""Separating a model's thinking from its answer, the same way for every backend.

A model that thinks writes its reasoning before the answer, between tags or in a channel of its own. Scoring the reasoning as if
it were the answer changes a result beyond recognition, so the rule is strict: what follows the last closing tag is the answer,
and thinking that never ended has no answer (EHR-Bench spec, section 7 row 5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Split(NamedTuple):
    """A model's text, taken apart."""

    answer: str
    """What follows the thinking; the whole text where there was none; empty where the thinking never ended."""
    reasoning: str | None
    """The thinking without its tags; None where there was none, or only white space."""
    closed: bool
    """False where the text ends inside the thinking."""


class Tags(NamedTuple):
    """The two markers round a block of thinking."""

    opening: str
    closing: str


TAGS: tuple[Tags, ...] = (
    Tags("<think>", "</think>"),  # DeepSeek-R1, Qwen3, EHR-R1, Baichuan-M2
    Tags("[THINK]", "[/THINK]"),  # Magistral
    Tags("<seed:think>", "</seed:think>"),  # Seed-OSS
    Tags("<unused94>", "<unused95>"),  # MedGemma 27B
    Tags("<|channel>thought", "<channel|>"),  # Gemma 4
    Tags("◁think▷", "◁/think▷"),  # Kimi
    Tags("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
)
"""The markers that are always looked for; ``thinking_tags`` finds further ones."""

_LIKE_A_THOUGHT = re.compile(
    r"\s*(?:<\|?|\[|◁)[\w :.-]*(?:think|thought|reason|reflect|scratchpad|analysis|channel>)[\w :.-]*(?:\|?>|\]|▷)?",
    re.IGNORECASE,
)

_FINAL_CHANNEL = re.compile(r"<\|channel\|>\s*final\b[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_MESSAGE_END = re.compile(r"<\|(?:end|return|call|start)\|>")
_HARMONY_HEADER = re.compile(r"(?:<\|start\|>[^<]*)?<\|channel\|>[^<]*(?:<\|constrain\|>[^<]*)?(?:<\|message\|>)?")
_HARMONY_MARK = re.compile(r"<\|(?:start|end|return|call|message|channel|constrain)\|>")


def split(text: str, *, opened: bool = False, tags: Sequence[tuple[str, str]] = TAGS) -> Split:
    """Cut a text after the end of its thinking.

    A closing tag without an opening one counts: many chat templates write the opening tag into the prompt. White space between
    the closing tag and the answer is removed; a text without thinking comes back unchanged.

    Args:
        text: what the model wrote, special tokens included where its thinking is marked by them (Harmony channels).
        opened: the prompt ended inside a block of thinking, so a text without any tag is thinking that never ended.
        tags: pairs of opening and closing tag; Harmony's channels are always recognised.

    Returns:
        The answer, the thinking and whether the thinking ended. A block that opens after the last closing tag and does not end
        leaves no answer.
    """
    if "<|channel|>" in text:
        return _split_harmony(text)
    cut, start = 0, 0
    for _, closing in tags:
        found = text.rfind(closing)
        if found >= 0 and found + len(closing) > cut:
            start, cut = found, found + len(closing)
    rest = text[cut:]
    if any(opening in rest for opening, _ in tags):
        return Split("", _without_tags(text, tags), closed=False)
    if cut:
        return Split(rest.lstrip(), _without_tags(text[:start], tags), closed=True)
    if opened:
        return Split("", text.strip() or None, closed=False)
    return Split(text, None, closed=True)


def looks_like_thought(answer: str) -> bool:
    """Whether an answer begins with what looks like a marker of thinking, although no pair that is known was found in it."""
    return _LIKE_A_THOUGHT.match(answer) is not None


def _split_harmony(text: str) -> Split:
    finals = list(_FINAL_CHANNEL.finditer(text))
    if not finals:
        return Split("", _harmony_messages(text), closed=False)
    answer = text[finals[-1].end() :]
    if end := _MESSAGE_END.search(answer):
        answer = answer[: end.start()]
    return Split(answer.lstrip(), _harmony_messages(text[: finals[-1].start()]), closed=True)


def _harmony_messages(text: str) -> str | None:
    text = _HARMONY_HEADER.sub("\n", text)
    # What is left of a marker belongs to a header that was cut short, for instance "<|start|>assistant" before a final channel.
    text = re.sub(r"<\|start\|>[^<]*$", "", text)
    return _HARMONY_MARK.sub("\n", text).strip() or None


def _without_tags(text: str, tags: Sequence[tuple[str, str]]) -> str | None:
    for pair in tags:
        for tag in pair:
            text = text.replace(tag, "\n")
    return text.strip() or None
