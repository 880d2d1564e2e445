"""The options of MedS-Bench's multiple-choice questions, and the letters that its gold answers name."""

from __future__ import annotations

import re

_HEAD = re.compile(r"(?:^|\n)\s*(?:Options|选项|オプション|選択肢|Варианты|Opciones)\s*[:：]\s*", re.IGNORECASE)
_OPTION = re.compile(r"(?:^|[\t\n])[ ]*([A-J])\s*[:.：)]\s*")
_FIRST = re.compile(r"(?<![A-Za-z])([A-J](?:\s*[,、]\s*[A-J])*)\s*[:：]")
_FURTHER = re.compile(r"[,、]\s*([A-J])\s*[:：]")
_LEAD = re.compile(r"\s*The (?:diagnosis result|treatment planning) is\s*:?\s*", re.IGNORECASE)


def option_texts(question: str) -> tuple[str, ...]:
    """The options that a question lists, in order: ``A: …<tab>B: …`` after a heading, or one ``A. …`` a line.

    Empty unless the letters run A, B, C … without a gap.
    """
    heads = list(_HEAD.finditer(question))
    listed = question[heads[-1].end() :] if heads else question
    found: list[re.Match[str]] = []
    for match in _OPTION.finditer(listed):
        expected = chr(ord("A") + len(found))
        if match[1] == expected:
            found.append(match)
        elif match[1] == "A":  # a stem that looks like an option came first
            found = [match]
    if len(found) < 2:
        return ()
    ends = [match.start() for match in found[1:]] + [len(listed)]
    return tuple(listed[match.end() : end].strip() for match, end in zip(found, ends, strict=True))


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
