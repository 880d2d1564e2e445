"""The options of MedS-Bench's multiple-choice questions, and the letters that its gold answers name."""

from __future__ import annotations

import re

_HEAD = re.compile(r"(?:^|\n)\s*(?P<word>Options|选项|オプション|選択肢|Варианты|Opciones)\s*[:：]\s*", re.IGNORECASE)
_OPTION = re.compile(r"(?:^|[\t\n])[ ]*([A-J])\s*[:.：)][ ]?")
_FIRST = re.compile(r"(?<![A-Za-z])([A-J](?:\s*[,、]\s*[A-J])*)\s*[:：]")
_FURTHER = re.compile(r"[,、]\s*([A-J])\s*[:：]")
_LEAD = re.compile(r"\s*The (?:diagnosis result|treatment planning) is\s*:?\s*", re.IGNORECASE)


def option_texts(question: str) -> tuple[str, ...]:
    """The options that a question lists, in order: ``A: …<tab>B: …`` after a heading, or one ``A. …`` a line.

    Empty unless the letters run A, B, C … without a gap.
    """
    return tuple(text.strip() for text in _as_written(question, _places(question)))


def parts_as_written(question: str) -> tuple[int, tuple[str, ...]]:
    """Where a question's stem ends, before the options and their heading, and the options with every blank at an end kept.

    So a prompt in another layout is the release's text to the letter. Without options, the whole question is the stem.
    """
    found = _places(question)
    if not found:
        return len(question), ()
    heads = list(_HEAD.finditer(question))
    end = max(question.rfind("\n", 0, heads[-1].start("word")), 0) if heads else found[0][0]
    return end, _as_written(question, found)


def _as_written(question: str, found: list[tuple[int, int]]) -> tuple[str, ...]:
    ends = [*(begin for begin, _ in found[1:]), len(question)][: len(found)]
    return tuple(question[start:end] for (_, start), end in zip(found, ends, strict=True))


def _places(question: str) -> list[tuple[int, int]]:
    """Where each option's letter and its text begin; none unless there are two options or more."""
    heads = list(_HEAD.finditer(question))
    offset = heads[-1].end() if heads else 0
    found: list[tuple[int, int]] = []
    for match in _OPTION.finditer(question[offset:]):
        place = (offset + match.start(), offset + match.end())
        if match[1] == chr(ord("A") + len(found)):
            found.append(place)
        elif match[1] == "A":  # a stem that looks like an option came first
            found = [place]
    return found if len(found) > 1 else []


def gold_letters(gold: str) -> tuple[str, ...]:
    """The letters that a gold answer names: ``The right answer is B: …``, several joined by commas, or ``yes`` as it is.

    A gold without a letter is its own only label.
    """
    first = _FIRST.search(gold)
    if first is None:
        return (gold.strip(),)
    letters = re.findall("[A-J]", first[1]) + _FURTHER.findall(gold, first.end())
    return tuple(dict.fromkeys(letters))


def gold_label(gold: str) -> str:
    """The label of a gold sentence: ``The treatment planning is: X`` or ``The diagnosis result is X.``, without its sentence."""
    return _LEAD.sub("", gold, count=1).strip().removesuffix(".").strip()
