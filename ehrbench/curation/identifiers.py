"""What in a question may say who the patient is. A question is shown to models and raters, and may stand in a paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

PATTERNS: Mapping[str, re.Pattern[str]] = {
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.\w+"),
    "a web address": re.compile(r"https?://|\bwww\.", re.IGNORECASE),
    "a telephone or social security number": re.compile(r"(?<![\w.])\+?\(?\d{2,4}\)?(?:[ ./-]\d{2,5}){2,4}(?![\w.])"),
    "a number of six digits or more": re.compile(r"(?<![\w.,])\d{6,}(?![\w])"),
    "a title with a name": re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Mme|Mlle)\b\.? +[A-Z][a-z]+"),
}
"""Of the kinds of identifiers in the HIPAA Safe Harbor rule (45 CFR 164.514) those that can be told by their form. Dates are let
pass: questions about a course need them."""
_DATE = re.compile(r"\b\d{1,4}([./-])\d{1,2}\1\d{1,4}\b")


def identifiers(text: str, *known: str) -> Iterator[str]:
    """What a text seems to hold, in words; never the found text itself.

    Args:
        text: a question.
        known: identifiers of its patient and record; those of less than four characters are not looked for.
    """
    for name in known:
        if len(name) >= 4 and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            yield "the identifier of its record"
            break
    undated = _DATE.sub(" ", text)
    for what, pattern in PATTERNS.items():
        if pattern.search(undated):
            yield what
