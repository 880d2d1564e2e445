"""The answer rules: rows of an admission in, the exact answer out (protocol page, section 3.3).

A rule returns None where the data cannot answer; such a question is never asked, so no answer reads ``nan``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ehrbench.suites.mimic_instr.questions.chart import Rows, hours

AnswerType = Literal["yes_no", "number", "time", "duration", "count", "list", "text"]


class Answer(NamedTuple):
    """The words of an answer and what they mean."""

    text: str
    type: AnswerType
    value: bool | float | int | str | list[str]
    """``time``: hours since admission. ``duration``, ``number``: in ``unit``. ``list``: its members."""
    unit: str | None = None
    tolerance: float = 0.0
    """How far another number may be off and still be this answer: half of the last decimal written of a computed value, nothing
    for a value that stands in the data."""


ROUNDED = 0.005
"""Tolerance of a value that is computed and written with two decimals."""

Rule = Callable[[Rows, Sequence[int], str], Answer | None]
"""Arguments: the rows of the type, those selected (one for rules about one row), and a column's name."""


def _text(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
    value = rows.get(column, chosen[0])
    if value is None:
        return None
    return Answer(str(value), "number", float(value)) if isinstance(value, int) else Answer(value, "text", value)


def _quantity(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
    """``column`` names the number; its wording is in ``quantity`` (or is ``column`` itself), its unit in ``unit``."""
    wording = rows.get(_QUANTITY_WORDING[column], chosen[0])
    if wording is None:
        return None
    value = rows.get(column, chosen[0])
    number = _number(value)
    if number is None:
        return Answer(wording, "text", wording)
    unit = rows.get(_QUANTITY_UNIT[column], chosen[0])
    if column in ("amount", "value"):  # written with two decimals
        return Answer(wording, "number", round(number, 2), unit, ROUNDED)
    return Answer(wording, "number", number, unit)


_QUANTITY_WORDING = {"number": "quantity", "amount": "quantity", "value": "quantity", "dose_val_rx": "dose"}
_QUANTITY_UNIT = {"number": "unit", "amount": "unit", "value": "unit", "dose_val_rx": "dose_unit_rx"}


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, float):
        return value
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number - number == 0 else None  # neither infinite nor NaN


def _yes_no(truth: bool) -> Answer:
    return Answer("Yes" if truth else "No", "yes_no", truth)


def _flag(rows: Rows, chosen: Sequence[int], column: str) -> Answer:
    return _yes_no(rows.get(column, chosen[0]))


def _exists(rows: Rows, chosen: Sequence[int], column: str) -> Answer:
    return _yes_no(bool(chosen))


def _list(values: Sequence[Any], separator: str = ", ", empty: str | None = None) -> Answer | None:
    present = [str(value) for value in values if value is not None]
    if present:
        return Answer(separator.join(present), "list", present)
    return None if empty is None else Answer(empty, "list", [])


def _all(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
    return _list([rows.get(column, row) for row in chosen])


def _distinct(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
    return _list(list(dict.fromkeys(rows.get(column, row) for row in chosen)))


def _abnormal(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
    return _list([rows.get(column, row) for row in chosen if not rows.get("normal", row)], empty="All lab tests were normal")


def _organisms(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
    return _list(list(dict.fromkeys(rows.get(column, row) for row in chosen)), empty="No growth was found")


def _antibiotics(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
    tested = [
        (rows.get("ab_name", row), rows.get("interpretation", row)) for row in chosen if rows.get("ab_name", row) is not None
    ]
    if any(result is None for _, result in tested):
        return None
    return _list([f"{name}: {result}" for name, result in tested], empty="No antibiotics was tested")


def _first_titles(n: int | None) -> Rule:
    def rule(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
        titles = [rows.get(column, row) for row in chosen][:n]
        return None if None in titles else _list(titles, separator="; ")

    return rule


def _time(rows: Rows, chosen: Sequence[int], column: str) -> Answer:
    at = hours(rows.at[chosen[0]])
    return Answer(f"At the {at:.2f} hour", "time", round(at, 2), "hours", ROUNDED)


def _duration(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
    value = rows.get(column, chosen[0])
    return None if value is None else Answer(f"{value:.2f} hours", "duration", round(value, 2), "hours", ROUNDED)


def _elapsed(unit: Literal["hours", "days"]) -> Rule:
    def rule(rows: Rows, chosen: Sequence[int], column: str) -> Answer:
        value = hours(rows.at[chosen[0]]) / (24 if unit == "days" else 1)
        return Answer(f"{value:.2f} {unit}", "duration", round(value, 2), unit, ROUNDED)

    return rule


def _count(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
    n = len(chosen)
    return Answer("1 time" if n == 1 else f"{n} times", "count", n) if n else None


def _statistic(compute: Callable[[list[float]], float], write: str) -> Rule:
    """A number over rows that share one unit; undefined where one is not a number."""

    def rule(rows: Rows, chosen: Sequence[int], column: str) -> Answer | None:
        units = {rows.get("unit", row) for row in chosen}
        numbers = [rows.get(column, row) for row in chosen]
        if not chosen or len(units) != 1 or None in units or None in numbers:
            return None
        unit = units.pop()
        value = compute(numbers)
        wording = format(value, write) if write else str(value)
        return Answer(f"{wording} {unit}", "number", float(wording), unit, ROUNDED if write else 0.0)

    return rule


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


RULES: Mapping[str, Rule] = {
    "text": _text,
    "quantity": _quantity,
    "flag": _flag,
    "exists": _exists,
    "all": _all,
    "distinct": _distinct,
    "abnormal": _abnormal,
    "organisms": _organisms,
    "antibiotics": _antibiotics,
    "titles": _first_titles(None),
    "title 1": _first_titles(1),
    "titles 3": _first_titles(3),
    "titles 5": _first_titles(5),
    "time": _time,
    "duration": _duration,
    "hours": _elapsed("hours"),
    "days": _elapsed("days"),
    "count": _count,
    "maximum": _statistic(max, ""),
    "minimum": _statistic(min, ""),
    "average": _statistic(_mean, ".2f"),
    "maximum .2f": _statistic(max, ".2f"),
    "minimum .2f": _statistic(min, ".2f"),
    "average .2f": _statistic(_mean, ".2f"),
    "sum .2f": _statistic(sum, ".2f"),
}
"""By the name that the table of templates uses."""
