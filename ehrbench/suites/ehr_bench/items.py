"""What both releases of EHR-Bench have in common: golds, candidates and items (protocol page, sections 1.4, 2 and 7)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.readers.item import Item
from ehrbench.suites.ehr_bench.options import Options

MISSING = frozenset({"nan", "none"})


@dataclass(frozen=True)
class Row:
    """One row of a release, less its record."""

    item: str
    instruction: str
    patient: str
    """The patient block of its context, with what separates it from the rest."""
    labels: tuple[str, ...]
    candidates: tuple[str, ...]
    plain_gold: bool
    """Whether the release has the gold as a text and not as a list."""
    subject: str | None


def gold_labels(place: str, gold: object) -> tuple[tuple[str, ...], bool]:
    """The gold as distinct stripped labels without NaN, and whether the release has a plain text.

    Raises:
        UsageError: it is neither a text nor a list, or nothing is left of it; names ``place``.
    """
    values = [gold] if isinstance(gold, str) else gold
    if not isinstance(values, list):
        raise UsageError(f"{place}: the gold is neither a text nor a list")
    found = tuple(dict.fromkeys(text for value in values if (text := str(value).strip()) and text.lower() not in MISSING))
    if not found:
        raise UsageError(f"{place}: the gold is empty")
    return found, isinstance(gold, str)


def items_of(rows: Sequence[Row], options: Options) -> list[Item]:
    """The items of one task, as its data options want them."""
    vocabulary = {label for row in rows for label in row.labels}
    fixed = len({row.candidates for row in rows if row.candidates}) == 1
    repair = options.candidates == "repaired"
    lacking = vocabulary if fixed and repair else set()
    return [_item(row, options.is_risk, options.patient_apart, lacking, repair) for row in rows]


def _item(row: Row, risk: bool, apart: bool, vocabulary: set[str], repair: bool) -> Item:
    choices = ("yes", "no") if risk else _candidates(row, vocabulary, repair)
    inside = {choice.casefold() for choice in row.candidates}
    return Item(
        id=row.item,
        question=row.instruction,
        record_id=row.item,
        references=(row.labels[0].lower(),) if risk else row.labels[:1],
        labels=row.labels,
        choices=choices,
        group=row.subject,
        slots={"patient": row.patient if apart else "", "candidates": list(choices)},
        meta=_about_candidates(row, choices, inside),
    )


def _about_candidates(row: Row, choices: Sequence[str], inside: Collection[str]) -> dict[str, Any]:
    if not row.candidates:
        return {}
    return {
        "gold_in_candidates": all(label.casefold() in inside for label in row.labels),
        "n_candidates": len(choices),
    }


def _candidates(row: Row, vocabulary: set[str], repair: bool) -> tuple[str, ...]:
    """The candidates in the release's order; repaired, without NaN and with what its fixed vocabulary lacks at the end."""
    if not repair or not row.candidates:
        return row.candidates
    kept = [choice for choice in row.candidates if choice.strip().lower() not in MISSING]
    return tuple(dict.fromkeys([*kept, *sorted(vocabulary - set(kept))]))


def warnings_of(rows: Iterable[Row]) -> list[str]:
    """What is odd about the rows, counted."""
    rows = list(rows)
    plain = sum(row.plain_gold for row in rows if len(row.labels) == 1)
    nan = sum(any(choice.strip().lower() in MISSING for choice in row.candidates) for row in rows)
    warnings = [f"{plain} golds are a plain text and count as a list of one"] if plain and plain != len(rows) else []
    return warnings + ([f"{nan} rows have NaN among their candidates"] if nan else [])
