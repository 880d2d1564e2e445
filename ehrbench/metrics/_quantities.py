"""Reading numbers with units, counts and words out of a free answer, for the typed metrics."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

_NUMBER = re.compile(
    r"(?<![\w#.])(?<![A-Za-z]-)(?:(?<!\d)[-+\u2212])?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d))(?:[eE][-+]?\d+)?(?![\d])"
)
_RANGE = re.compile(r"\s*(?:[-\u2013]|to\b)\s*\d")
_TOKEN = re.compile(r"[^\W_]+|[+%#<>]")
_UNIT = re.compile(r"\s*(%|[^\W\d_]+(?:[/ ][^\W_]+)*)")
_ALIASES = {
    "hour": "hours",
    "hr": "hours",
    "hrs": "hours",
    "h": "hours",
    "day": "days",
    "d": "days",
    "minute": "minutes",
    "min": "minutes",
    "mins": "minutes",
    "second": "seconds",
    "sec": "seconds",
    "milliliter": "ml",
    "milliliters": "ml",
    "millilitres": "ml",
    "milligram": "mg",
    "milligrams": "mg",
    "gram": "g",
    "grams": "g",
    "gm": "g",
    "microgram": "mcg",
    "micrograms": "mcg",
    "ug": "mcg",
    "percent": "%",
    "unit": "units",
    "tablet": "tab",
    "tablets": "tab",
}
_UNIT_WORDS = (
    "% hours days minutes seconds weeks months ml l dl mg g mcg ng kg mmol meq mosm iu units mmhg cm mm fl pg mg/dl "
    "g/dl mg/l meq/l mmol/l ng/ml pg/ml ng/dl ug/dl iu/l u/l k/ul m/ul cells tab dose bag neb vial syr cap drop "
    "puff supp amp mg/hour mg/min mcg/kg/min mosm/kg miu/ml miu/l /hpf #/hpf"
)
_KNOWN = frozenset(_UNIT_WORDS.split())
_HOURS = {"seconds": 1 / 3600, "minutes": 1 / 60, "hours": 1.0, "days": 24.0, "weeks": 168.0}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: n for n, word in enumerate(_ONES.split())} | {word: 10 * n for n, word in enumerate(_TENS.split(), 2)}
_WORDS |= {"once": 1, "twice": 2, "thrice": 3, "never": 0}
_BELOW_TEN = "|".join(_ONES.split()[1:10])
_SPELLED = re.compile(rf"\b(?:(?P<tens>{_TENS.replace(' ', '|')})[- ](?P<unit>{_BELOW_TEN})|(?P<word>{'|'.join(_WORDS)}))\b")


class Quantity(NamedTuple):
    """A number in a text, and the unit written after it."""

    value: float
    """NaN for the ends of a range, which is no number."""
    unit: str
    """In normal form; empty where no known unit follows."""
    decimals: int
    """Digits after the point, as written."""
    rest: str
    """The text that follows, in normal form without spaces, for units that are not known here."""


def tokens(text: str) -> list[str]:
    """Words and the signs that matter, in lower case."""
    return _TOKEN.findall(text.casefold())


def normal_unit(unit: str | None) -> str:
    """A unit in normal form: lower case, one spelling, no spaces; empty for none."""
    word = (unit or "").casefold().replace("\u00b5", "u").replace("\u03bc", "u").strip()
    return _ALIASES.get(word, word.replace(" ", ""))


def quantities(text: str) -> list[Quantity]:
    """The numbers of a text in order. Digits that are part of a name (``pO2``, ``#1``) are none."""
    found = []
    in_range = False
    for match in _NUMBER.finditer(text):
        if not match[0].strip("+-\u2212"):
            continue
        number = match[0].replace(",", "").replace("\u2212", "-")
        opens_range = bool(_RANGE.match(text, match.end()))
        value = math.nan if opens_range or in_range else float(number)
        in_range = opens_range
        found.append(Quantity(value, _unit_after(text, match.end()), _decimals(number), _rest(text, match.end())))
    return found


def counts(text: str) -> list[float]:
    """Numbers in digits and in words, in the order in which they stand."""
    lowered = text.casefold()
    digits = [match for match in _NUMBER.finditer(text) if match[0].strip("+-\u2212")]
    found = [(match.start(), float(match[0].replace(",", "").replace("\u2212", "-"))) for match in digits]
    for match in _SPELLED.finditer(lowered):
        value = _WORDS[match["tens"]] + _WORDS[match["unit"]] if match["tens"] else _WORDS[match["word"]]
        found.append((match.start(), float(value)))
    return [value for _, value in sorted(found)]


def in_hours(value: float, unit: str) -> float | None:
    """A length of time in hours; None for a unit that is none of time."""
    return value * _HOURS[unit] if unit in _HOURS else None


def without_quoted(found: list[Quantity], question: str) -> list[Quantity]:
    """Leave out numbers that the answer repeats from the question, each as often as it has them; all stay where none would."""
    quoted = Counter((quantity.value, quantity.unit) for quantity in quantities(question))
    kept = []
    for quantity in found:
        if quoted[quantity.value, quantity.unit] > 0:
            quoted[quantity.value, quantity.unit] -= 1
        else:
            kept.append(quantity)
    return kept or found


def _unit_after(text: str, position: int) -> str:
    match = _UNIT.match(text, position)
    if not match:
        return ""
    words = match[1].split(" ")
    for n in (2, 1):
        unit = normal_unit(" ".join(words[:n]))
        if unit in _KNOWN:
            return unit
    return ""


def _rest(text: str, position: int) -> str:
    return "".join(text[position : position + 40].casefold().replace("\u00b5", "u").replace("\u03bc", "u").split())


def _decimals(number: str) -> int:
    return len(number.partition(".")[2].partition("e")[0])
