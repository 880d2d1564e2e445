"""Typed matching: is the answer true, whatever its wording?

For questions whose gold is computed from data and therefore has a type (MIMIC-Instr's schema questions). An item's
``meta["gold"]`` says ``type``, ``value``, ``unit`` and ``tolerance`` (how far a number may be off: half of the gold's last
decimal where it was computed, else nothing); items without it, such as paraphrased releases, have no score. Rules by type:

- ``yes_no``: the first word that affirms or denies.
- ``number``, ``time``, ``duration``: the first number that the question does not itself contain, a number with the gold's unit
  before others (several that differ are no answer); 40 = 40.0, and hours may be given as days with two decimals. A number with
  another known unit is wrong, one without a unit is not.
- ``count``: the same for ``3 times``, ``three instances``, ``once``.
  A number is a bare number: ``<40``, ``at least 40``, ``35 to 45`` and ``40:1`` are other quantities (``_quantities`` has the
  grammar), and so are ``more than 3 times`` and ``3 or 4``.
- ``list``: every member of the set stands in the answer, and nothing else but the question's and filler words.
- ``text``: the same for one member. Quantities and units in it count in any spelling (``less than 0.1`` is ``<0.1``, ``5 to 10
  mg`` is ``5-10 mg``), a laboratory's short words in full (``NEG``), and a bound or a range needs no unit.

Not in the paper, whose only scorer is a judge (protocol page, 8.23).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ehrbench.metrics._quantities import (
    Quantity,
    counts,
    in_hours,
    is_bound_or_range,
    is_unit,
    normal_unit,
    quantities,
    tokens,
    without_quoted,
)
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading, listed

TYPES = ("yes_no", "number", "time", "duration", "count", "list", "text")

_YES = frozenset(("yes", "yeah", "yep", "affirmative", "true", "correct", "indeed"))
_NO_WORDS = "no not nope negative false never none incorrect didn wasn"
_NO = frozenset(_NO_WORDS.split())
_FILLER_WORDS = (
    "a an the and of on at in was were is are for to with by from as this that it its he she they there following "
    "included include includes including listed performed had has have patient patients admission hospital s result "
    "results test tests tested found final answer measured value values recorded record according based ehr data "
    "time"
)
_FILLER = frozenset(_FILLER_WORDS.split())
_EMPTY_WORDS = (
    "no none not nothing any negative without all normal abnormal growth grew found tested identified detected "
    "isolated available observed reported abnormalities abnormality organism organisms antibiotic antibiotics lab "
    "labs measurement measurements within limits range"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())
_SAYS_NOTHING = frozenset(("no", "none", "not", "nothing", "negative", "normal", "without"))
_SAYS_NO_TIMES = frozenset(("no", "none", "not", "nothing", "nil"))
_SEX = {"f": "female", "m": "male", "woman": "female", "man": "male"}


def _yes_no(gold: Mapping[str, Any], answer: str, scorable: Scorable) -> bool:
    words = tokens(answer)
    if len(words) == 1 and words[0] in ("y", "n"):
        return bool(gold["value"]) == (words[0] == "y")
    for word in words:
        if word in _YES or word in _NO:
            return bool(gold["value"]) == (word in _YES)
    if tokens(scorable.question)[-1:] == ["normal"] and ("normal" in words) != ("abnormal" in words):
        return bool(gold["value"]) == ("normal" in words)
    return False


def _stated(found: list[Quantity], unit: str) -> Quantity | None:
    """The number that answers: the one with the gold's unit, else the first; none where several differ, as in a copied record."""
    with_unit = [q for q in found if unit and _has_unit(q, unit) and not math.isnan(q.value)]
    if len({q.value for q in with_unit}) > 1:
        return None
    return with_unit[0] if with_unit else found[0] if found else None


def _has_unit(quantity: Quantity, unit: str) -> bool:
    after = quantity.rest[len(unit) : len(unit) + 1]
    return quantity.unit == unit or (quantity.rest.startswith(unit) and not (after.isalnum() or after == "/"))


def _close(value: float, gold: float, tolerance: float) -> bool:
    return abs(value - gold) <= tolerance + 1e-9 * max(1.0, abs(gold))


def _number(gold: Mapping[str, Any], answer: str, scorable: Scorable) -> bool:
    unit = normal_unit(gold.get("unit"))
    said = _stated(without_quoted(quantities(answer), scorable.question), unit)
    if said is None or not _close(said.value, gold["value"], gold.get("tolerance", 0.0)):
        return False
    return not (unit and said.unit and not _has_unit(said, unit))


def _span(gold: Mapping[str, Any], answer: str, scorable: Scorable) -> bool:
    """Times and durations: compared in hours where the units differ."""
    unit = normal_unit(gold.get("unit")) or "hours"
    said = _stated(without_quoted(quantities(answer), scorable.question), unit)
    if said is None:
        return False
    if not said.unit or said.unit == unit:
        return _close(said.value, gold["value"], gold.get("tolerance", 0.0))
    there, here = in_hours(said.value, said.unit), in_hours(gold["value"], unit)
    if there is None or here is None or said.decimals < 2:
        return False
    return _close(
        there, here, in_hours(gold.get("tolerance", 0.0), max(unit, said.unit, key=lambda u: in_hours(1, u) or 0)) or 0.0
    )


def _count(gold: Mapping[str, Any], answer: str, scorable: Scorable) -> bool:
    found = counts(answer)
    if not found:
        return gold["value"] == 0 and bool(_SAYS_NO_TIMES & set(tokens(answer)))
    for quoted in counts(scorable.question):
        if quoted in found and len(found) > 1:
            found.reverse()
            found.remove(quoted)
            found.reverse()
    return bool(found[0] == gold["value"])


def _members(gold: Mapping[str, Any], answer: str, scorable: Scorable) -> bool:
    values = gold["value"] if isinstance(gold["value"], list) else [gold["value"]]
    words = tokens(answer)
    if not values:
        rest = set(words) - _FILLER - _EMPTY - set(tokens(scorable.question))
        return not rest and bool(_SAYS_NOTHING & set(words))
    for member in sorted({tuple(tokens(value)) for value in values}, key=lambda m: (-len(m), m)):
        if not member:
            return False
        words, n = _without(words, member)
        if n == 0:
            return False
    return not set(filter(None, words)) - _FILLER - set(tokens(scorable.question))


def _text(gold: Mapping[str, Any], answer: str, scorable: Scorable) -> bool:
    value = gold["value"]
    if isinstance(value, str) and value.casefold() in _SEX and len(value) == 1:
        said = [_SEX.get(word, word) for word in tokens(answer)]
        return _members({"value": _SEX[value.casefold()]}, " ".join(said), scorable)
    if _members(gold, answer, scorable):
        return True
    words = tokens(str(value))
    return (
        is_bound_or_range(words[0]) and is_unit(words[1:]) and _members({"value": words[0]}, answer, scorable) if words else False
    )


def _without(words: Sequence[str], member: Sequence[str]) -> tuple[list[str], int]:
    """Take out every occurrence of a member; a gap stays where it was, so that nothing grows together."""
    kept: list[str] = []
    n = i = 0
    while i < len(words):
        if tuple(words[i : i + len(member)]) == tuple(member):
            kept.append("")
            n, i = n + 1, i + len(member)
        else:
            kept.append(words[i])
            i += 1
    return kept, n


_RULES: Mapping[str, Callable[[Mapping[str, Any], str, Scorable], bool]] = {
    "yes_no": _yes_no,
    "number": _number,
    "time": _span,
    "duration": _span,
    "count": _count,
    "list": _members,
    "text": _text,
}


def _matches(scorable: Scorable, gold: Mapping[str, Any]) -> bool:
    if _RULES[gold["type"]](gold, scorable.answer, scorable):
        return True
    said = tokens(scorable.answer)
    return any(said == tokens(other) and _same_form(gold, other) for other in scorable.references if said)


def _same_form(gold: Mapping[str, Any], other: str) -> bool:
    """Whether a verbatim alternative may be compared as words, which leave out points and signs: not for numbers."""
    return gold["type"] in ("list", "text", "yes_no")


def _alternatives(scorable: Scorable, gold: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The gold, and the other true answers read with the gold's type."""
    yield gold
    if gold["type"] in ("number", "time", "duration"):
        for reference in scorable.references[1:]:
            if len(found := quantities(reference)) == 1:
                unit = found[0].unit or normal_unit(gold.get("unit"))
                yield {**gold, "value": found[0].value, "unit": unit}


def score_typed(scorables: Sequence[Scorable], only: str | None = None) -> list[Statistics | None]:
    """1 where the answer is the gold or an alternative in meaning, else 0; None without a typed gold (of type ``only``)."""
    scores: list[Statistics | None] = []
    for scorable in scorables:
        gold = scorable.meta.get("gold")
        if not gold or gold.get("type") not in _RULES or (only and gold["type"] != only):
            scores.append(None)
        else:
            scores.append((float(any(_matches(scorable, one) for one in _alternatives(scorable, gold))),))
    return scores


def _reads(scorable: Scorable) -> Reading:
    """The gold by its type, and what an answer states of that type."""
    gold = scorable.meta.get("gold")
    if not gold or gold.get("type") not in _RULES:
        return {}
    value = gold.get("value")
    shown = listed([str(one) for one in value]) if isinstance(value, (list, tuple)) else str(value)
    lines = {"gold": f"{gold['type'].replace('_', ' ')}: {shown} {gold.get('unit') or ''}".strip()}
    if gold["type"] in ("number", "time", "duration", "count"):
        found = quantities(scorable.answer)
        said = ["not a single number" if math.isnan(one.value) else f"{one.value:g} {one.unit or ''}".strip() for one in found]
        lines["read"] = "; ".join(said) or "no number"
    return lines


_NOTE = "True answers in any wording, by the type of the gold; not a metric of the paper."

_typed = partial(Metric, version=2, kind="item_mean", cite="ehrbench, docs/metrics.md (typed golds).", note=_NOTE, reads=_reads)

TYPED_MATCH = _typed(
    name="typed_match",
    label="Typed match",
    score=score_typed,
    about="The share of answers that say what the gold answer says in any wording: yes or no, a quantity, a list or a text.",
)


def _of_type(kind: str) -> Metric:
    shown = kind.replace("_", "/")
    return _typed(
        name=f"typed_{kind}",
        label=f"Typed match ({shown})",
        score=partial(score_typed, only=kind),
        about=f"The share of answers that say what the gold answer says in any wording, over the items whose gold is a {shown}.",
    )


YES_NO, NUMBER, TIME, DURATION, COUNT, LIST, TEXT = (_of_type(kind) for kind in TYPES)
