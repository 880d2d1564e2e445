"""A grammar of the quantities in a free answer, for the typed metrics.

    comparison   <0.1   less than 0.1   at least 3   3 or more   ≤ 5   not 40
    range        5-10   5 to 10   between 5 and 10
    ratio        1:40   120/80      a half, a quarter (1/2, ½) is a number
    number       1,000   1 000   0,5   .5   -4   1e3
    words        twenty-one   one hundred and five   a dozen   once      (counts only)
    unit         hours = h = hr   mg = milligrams   650mg = 650 mg

Only a bare number equals a number; a comparison, a range or a ratio equals one of its own kind, however it is written.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_DIGITS = (
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:[ \u00a0\u2009\u202f'\u2019]\d{3})+(?!\d)(?:\.\d+)?|\d+,\d{1,2}|\d*\.\d+|\d+)"
)
_NUMBER = re.compile(rf"(?<![\w#.])(?<![A-Za-z]-)(?:(?<!\d)[-+\u2212])?{_DIGITS}(?:[eE][-+]?\d+)?(?!\d)|[½¼¾]")
_FRACTIONS = {"½": 0.5, "¼": 0.25, "¾": 0.75}
_COMPARED = (
    (">=", r"≥|>\s*=|=\s*>|at least|no less than|not less than|no fewer than|minimum of"),
    ("<=", r"≤|<\s*=|=\s*<|at most|no more than|not more than|up to|maximum of"),
    ("<", r"<|less than|fewer than|lower than|smaller than|under|below"),
    (">", r">|more than|greater than|higher than|larger than|over|above|exceeding"),
    ("not", r"(?:is |was )?not|isn.t|wasn.t|never"),
)
_BEFORE = tuple((sign, re.compile(rf"(?:^|(?<=[\W_]))(?:{words})\s*\Z")) for sign, words in _COMPARED)
_AFTER = (
    (">=", re.compile(r"\s*(?:[^\W\d_/]+(?:/[^\W\d_]+)?\s+)?or (?:more|greater|higher|above|over)\b")),
    ("<=", re.compile(r"\s*(?:[^\W\d_/]+(?:/[^\W\d_]+)?\s+)?or (?:less|fewer|lower|below|under)\b")),
)
_LONGEST_COMPARISON = 24
_RANGE = re.compile(r"\s*(?:[-\u2013\u2014]|to\b|through\b)\s*\Z")
_RATIO = re.compile(r"\s*([:/])\s*\Z")
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
_SHORT = {"neg": "negative", "pos": "positive", "norm": "normal", "tr": "trace", "occ": "occasional"}
"""How laboratories shorten results."""

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: n for n, word in enumerate(_ONES.split())} | {word: 10 * n for n, word in enumerate(_TENS.split(), 2)}
_SCALES = {"hundred": 100, "dozen": 12, "thousand": 1000, "million": 1_000_000}
_ONCE = {"not once": 0, "once": 1, "twice": 2, "thrice": 3, "never": 0}
_A_WORD = "|".join((*_WORDS, *_SCALES))
_SPELLED = re.compile(
    rf"\b(?:{'|'.join(_ONCE)}|(?:(?:an?|{'|'.join(_WORDS)})[\s-]+)?(?:{_A_WORD})(?:(?:[\s-]+and)?[\s-]+(?:{_A_WORD}))*)\b"
)


class Quantity(NamedTuple):
    """A number in a text, and the unit written after it."""

    value: float
    """NaN for what is not a bare number: an end of a range or a ratio, or a bound."""
    unit: str
    """In normal form; empty where no known unit follows."""
    decimals: int
    """Digits after the point, as written."""
    rest: str
    """The text that follows, in normal form without spaces, for units that are not known here."""
    written: float
    """The number as it is written, bare or not."""


class _Part(NamedTuple):
    """A quantity of the grammar, where it stands."""

    start: int
    end: int
    form: str
    """In normal form: ``<0.1``, ``5-10``, ``1:40``, ``40``."""
    numbers: tuple[re.Match[str], ...]
    bare: bool


def tokens(text: str) -> list[str]:
    """Words, quantities in normal form, and the signs that matter, in lower case."""
    folded = text.casefold()
    found: list[str] = []
    at = 0
    for part in _parts(folded):
        found += map(_word, _TOKEN.findall(folded[at : part.start]))
        found.append(part.form)
        at = part.end
        if unit := re.compile(r"\s*([^\W\d_]+)\b").match(folded, at):  # of "650mg" and "650 milligrams"
            found.append(_ALIASES.get(unit[1], _word(unit[1])))
            at = unit.end()
    return [*found, *map(_word, _TOKEN.findall(folded[at:]))]


def is_bound_or_range(token: str) -> bool:
    """Whether a token is a comparison, a range or a ratio."""
    return bool(re.match(r"[<>]=?.|not ?\d|[-+]?[\d.]+[-:/]", token))


def is_unit(words: Sequence[str]) -> bool:
    """Whether words, as ``tokens`` gives them, are a unit."""
    return bool(words) and ("/".join(words) in _KNOWN or all(_ALIASES.get(word, word) in _KNOWN for word in words))


def normal_unit(unit: str | None) -> str:
    """A unit in normal form: lower case, one spelling, no spaces; empty for none."""
    word = (unit or "").casefold().replace("\u00b5", "u").replace("\u03bc", "u").strip()
    return _ALIASES.get(word, word.replace(" ", ""))


def quantities(text: str) -> list[Quantity]:
    """The numbers of a text in order. Digits that are part of a name (``pO2``, ``#1``) are none."""
    folded = text.casefold()
    found = []
    for part in _parts(folded):
        if part.bare:  # one number, or a fraction of two
            value = _value(part.form)
            digits = part.numbers[0][0] if len(part.numbers) == 1 else part.form
            found.append(_quantity(folded, value, digits, part.end, value))
        else:
            found += [_quantity(folded, math.nan, match[0], match.end(), _value(match[0])) for match in part.numbers]
    return found


def _quantity(folded: str, value: float, digits: str, end: int, written: float) -> Quantity:
    return Quantity(value, _unit_after(folded, end), _decimals(digits), _rest(folded, end), written)


def counts(text: str) -> list[float]:
    """Whole quantities in digits and in words, in the order in which they stand; NaN for a bound or a range."""
    folded = text.casefold()
    found: list[tuple[int, float]] = []
    for part in _parts(folded):
        found += [(match.start(), _value(match[0]) if part.bare else math.nan) for match in part.numbers]
    for spelled in _SPELLED.finditer(folded):
        bare = not (_comparison_before(folded, spelled.start()) or _comparison_after(folded, spelled.end()))
        found.append((spelled.start(), float(_spelled(spelled[0])) if bare else math.nan))
    return [value for _, value in sorted(found)]


def in_hours(value: float, unit: str) -> float | None:
    """A length of time in hours; None for a unit that is none of time."""
    return value * _HOURS[unit] if unit in _HOURS else None


def without_quoted(found: list[Quantity], question: str) -> list[Quantity]:
    """Leave out numbers that the answer repeats from the question, each as often as it has them; all stay where none would."""
    quoted = Counter((quantity.written, quantity.unit) for quantity in quantities(question))
    kept = []
    for quantity in found:
        if quoted[quantity.written, quantity.unit] > 0:
            quoted[quantity.written, quantity.unit] -= 1
        else:
            kept.append(quantity)
    return kept or found


def _parts(folded: str) -> list[_Part]:
    """The quantities of a text in lower case, in order."""
    numbers = [match for match in _NUMBER.finditer(folded) if match[0].strip("+-\u2212")]
    found: list[_Part] = []
    i = 0
    while i < len(numbers):
        first = numbers[i]
        run, joints = [first], []
        while i + 1 < len(numbers):
            between = folded[run[-1].end() : numbers[i + 1].start()]
            following = numbers[i + 1]
            joint = _joint(between, following[0], folded[: first.start()] if len(run) == 1 else "")
            if joint is None:
                break
            joints.append(joint)
            run.append(following)
            i += 1
        i += 1
        found.append(_part(folded, run, joints))
    return found


def _joint(between: str, following: str, before: str) -> str | None:
    """What joins two numbers into one quantity: a range's dash, a ratio's sign; None where nothing does."""
    if between == "" and following[0] in "-\u2212":
        return "-"
    if _RANGE.fullmatch(between):
        return "-"
    if ratio := _RATIO.fullmatch(between):
        return ratio[1]
    if between.strip() == "and" and before.rstrip().endswith("between"):
        return "-"
    return None


def _part(folded: str, run: list[re.Match[str]], joints: list[str]) -> _Part:
    start, end = run[0].start(), run[-1].end()
    form = _written(run[0][0])
    for joint, match in zip(joints, run[1:], strict=True):
        form += joint + _written(match[0].lstrip("-\u2212") if joint == "-" else match[0])
    if "-" in joints and (word := re.search(r"\b(?:between|from)\s+\Z", folded[:start])):
        start = word.start()
    if joints == ["/"] and (fraction := _fraction(run)) is not None:
        return _Part(start, end, _plain(fraction), tuple(run), True)
    before, after = _comparison_before(folded, start), _comparison_after(folded, end)
    if before:
        start = before[1]
        return _Part(start, end, f"{before[0]}{form}", tuple(run), False)
    if after:
        return _Part(start, after[1], f"{after[0]}{form}", tuple(run), False)
    return _Part(start, end, form, tuple(run), not joints)


def _comparison_before(folded: str, start: int) -> tuple[str, int] | None:
    near = folded[max(0, start - _LONGEST_COMPARISON) : start]
    for sign, pattern in _BEFORE:
        if found := pattern.search(near):
            return sign, start - len(near) + found.start()
    return None


def _comparison_after(folded: str, end: int) -> tuple[str, int] | None:
    for sign, pattern in _AFTER:
        if found := pattern.match(folded, end):
            return sign, found.end()
    return None


def _fraction(run: Sequence[re.Match[str]]) -> float | None:
    """The value of 1/2 and its like; 120/80 is a ratio."""
    top, bottom = run[0][0], run[1][0]
    if top.isdigit() and bottom.isdigit() and 0 < int(top) < int(bottom) <= 10:
        return int(top) / int(bottom)
    return None


def _bare_digits(number: str) -> str:
    if number in _FRACTIONS:
        return str(_FRACTIONS[number])
    plain = re.sub(r"(?<=\d)[ \u00a0\u2009\u202f'\u2019](?=\d{3})", "", number.replace("\u2212", "-"))
    if re.fullmatch(r"[-+]?\d+,\d{1,2}(?:e[-+]?\d+)?", plain):
        return plain.replace(",", ".")  # a decimal comma
    return plain.replace(",", "")


def _value(number: str) -> float:
    return float(_bare_digits(number))


def _written(number: str) -> str:
    """A number in normal form; digits that begin with zeros (a code) stay as they are."""
    digits = _bare_digits(number)
    return digits if re.fullmatch(r"0\d+", digits) else _plain(float(digits))


def _plain(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _word(word: str) -> str:
    return _SHORT.get(word, word)


def _spelled(words: str) -> int:
    """One hundred and five: 105; a thousand: 1000; once: 1."""
    if words in _ONCE:
        return _ONCE[words]
    total = current = 0
    for word in re.split(r"[\s-]+", words):
        if word in _WORDS:
            current += _WORDS[word]
        elif word in _SCALES:
            current = max(current, 1) * _SCALES[word]
            if _SCALES[word] >= 1000:
                total, current = total + current, 0
    return total + current


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
    return len(_bare_digits(number).partition(".")[2].partition("e")[0])
