"""From a judge's text to two scores, and from verdicts to an item's relative score."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from ehrbench.jsonl import parse
from ehrbench.judge.prompt import Order

LOWEST, HIGHEST = 1.0, 10.0
MOST_CHARACTERS = 300
"""Of the lines with the two scores; a longer text is not a verdict, and is not searched for one."""

Way = Literal["line", "labelled", "json", "paper"]
"""How a verdict was written: numbers alone on a line; labelled by assistant; as JSON; or read as the paper's code does."""

_NUMBER = r"(\d{1,2}(?:\.\d{1,3})?)(?:\s*/\s*10|\s+out\s+of\s+10)?"
_LINE = re.compile(
    rf"(?:(?:scores?|ratings?)\W{{1,3}})?[\W_]*?(?<!-){_NUMBER}(?:\s*[,;|&]\s*|\s+and\s+|\s+){_NUMBER}[\W_]*", re.IGNORECASE
)
_LABELLED = re.compile(
    r"[\W_]*(?:(?:score|rating)\s+(?:of|for)\s+)?assistant\W{0,3}([12])(?:'s|’s)?"
    rf"(?:\s+(?:answer|response|score|rating|is|gets|receives))*[\W_]{{0,5}}?{_NUMBER}(?![\w/])[\W_]*",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^\s*```\w*\s*\n(.*?)\n?\s*```", re.S)
_KEY = re.compile(r"(?:assistant|score|rating|scoreassistant|assistantscore)?([12])(?:score|rating)?")

SCHEMA: dict[str, Any] = {
    "name": "verdict",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {
            "assistant_1": {"type": "number", "description": "score of Assistant 1, from 1 to 10"},
            "assistant_2": {"type": "number", "description": "score of Assistant 2, from 1 to 10"},
            "explanation": {"type": "string"},
        },
        "required": ["assistant_1", "assistant_2", "explanation"],
        "additionalProperties": False,
    },
}
"""The form of a verdict that a server with structured output is asked for."""


class Verdict(NamedTuple):
    """The scores of one judgement, each 1 to 10 (as the paper reads them: any, the reference's above 0)."""

    candidate: float
    reference: float
    way: Way = "line"

    @property
    def ratio(self) -> float:
        """The candidate's score in percent of the reference's."""
        return 100.0 * self.candidate / self.reference


def read_verdict(text: str, order: Order, strict: bool) -> Verdict | None:
    """The verdict in a judge's text; None when there is none (counted, never imputed).

    Args:
        text: what the judge wrote, thinking taken out.
        order: which answer was shown first.
        strict: True reads as the paper's code does: what stands before the first newline, split at single blanks, the first two
            parts as numbers; a score of the reference that is not above 0 cannot be divided by and is not a verdict. False takes
            two numbers from 1 to 10 that are the whole first line, or are labelled by assistant in the first line or two, or are
            the values of a JSON object or list. Numbers within a sentence are never taken.
    """
    found = _strict_scores(text) if strict else _scores(text)
    if found is None:
        return None
    first, second, way = found
    return Verdict(second, first, way) if order == "reference_first" else Verdict(first, second, way)


def _strict_scores(text: str) -> tuple[float, float, Way] | None:
    parts = text.split("\n", 1)[0].split(" ")
    try:
        first, second = float(parts[0]), float(parts[1])
    except (ValueError, IndexError):
        return None
    return (first, second, "paper") if first > 0 and first < float("inf") and abs(second) < float("inf") else None


def _scores(text: str) -> tuple[float, float, Way] | None:
    fenced = _FENCE.match(text)
    text = (fenced[1] if fenced else text).strip()
    found = _json(text) or _lines([line.strip() for line in text.splitlines() if line.strip()])
    return found if found and all(LOWEST <= score <= HIGHEST for score in found[:2]) else None


def _lines(lines: Sequence[str]) -> tuple[float, float, Way] | None:
    if not lines:
        return None
    if len(lines[0]) <= MOST_CHARACTERS and (alone := _LINE.fullmatch(lines[0])):
        return float(alone[1]), float(alone[2]), "line"
    for shown in (lines[0], "\n".join(lines[:2])):
        if len(shown) > MOST_CHARACTERS:
            break
        labelled = list(_LABELLED.finditer(shown))
        # Nothing but the labels and their numbers: what else stands there may be a scale, or a count of something.
        if len(labelled) == 2 and "".join(match[0] for match in labelled) == shown:
            scores = {match[1]: float(match[2]) for match in labelled}
            return (scores["1"], scores["2"], "labelled") if len(scores) == 2 else None
    return None


def _json(text: str) -> tuple[float, float, Way] | None:
    if text[:1] not in "{[" or not text:
        return None
    try:
        data = parse(text)
    except ValueError:
        return None
    if isinstance(data, dict) and isinstance(data.get("scores"), (dict, list)):
        data = data["scores"]
    if isinstance(data, dict):
        named = {match[1]: value for key, value in data.items() if (match := _KEY.fullmatch(re.sub(r"[\W_]", "", key).lower()))}
        data = [named.get("1"), named.get("2")]
    scores = [_number(value) for value in data] if isinstance(data, list) and len(data) == 2 else []
    if len(scores) != 2 or scores[0] is None or scores[1] is None:
        return None
    return scores[0], scores[1], "json"


def _number(value: Any) -> float | None:
    if isinstance(value, dict):
        value = value.get("score", value.get("rating"))
    if isinstance(value, str) and re.fullmatch(_NUMBER, value.strip()):
        value = float(re.match(r"[\d.]+", value.strip())[0])  # type: ignore[index]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100 else None
