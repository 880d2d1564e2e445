"""MedAlign's taxonomy of instructions: what each of the 20 subcategories belongs to (paper, Table 2)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError
from ehrbench.readers.table import Columns, read_table

RETRIEVE = "Retrieve & Summarize"
CALCULATE = "Calculation & Scoring"
CATEGORY_OF = {
    "retrieve medical history": RETRIEVE,
    "retrieve imaging studies": RETRIEVE,
    "retrieve social history": RETRIEVE,
    "retrieve medication information": RETRIEVE,
    "retrieve laboratory studies": RETRIEVE,
    "provide patient education information": RETRIEVE,
    "retrieve appointment information": RETRIEVE,
    "retrieve demographics": RETRIEVE,
    "retrieve vitals": RETRIEVE,
    "retrieve genetic and family history": RETRIEVE,
    "retrieve institutional policies": RETRIEVE,
    "retrieve provider referrals": RETRIEVE,
    "retrieve communications with patient": RETRIEVE,
    "retrieve coding & billing information": RETRIEVE,
    "other": "Other",
    "calculate numerical measures": CALCULATE,
    "provide risk assessment": CALCULATE,
    "provide diagnosis assistance": "Diagnosis Support",
    "determine plan of care": "Care Planning",
    "translate materials": "Translation",
}
"""Subcategory, as the authors' public taxonomy spells it, to the paper's name of its category."""

_ALIASES = {
    "instruction_id": ("instruction_id",),
    "category": ("category", "human_assigned_category"),
    "subcategory": ("subcategory", "human_assigned_subcategory_1"),
}


class Category(NamedTuple):
    """What kind of instruction one is."""

    category: str
    subcategory: str
    """Empty where only the category is known."""


def read_categories(path: Path) -> dict[str, Category]:
    """Read a table of ``instruction_id`` with ``category``, ``subcategory`` or both, TSV or CSV.

    A category that is not given follows from the subcategory. Instructions without either are left out.

    Raises:
        UsageError: a column is missing, a subcategory is unknown, or an instruction has two categories.
    """
    table = read_table(path, "the table of categories")
    columns = Columns(table, _ALIASES)
    columns.require(_ALIASES, "instruction_id")
    if "category" not in columns:
        columns.require(_ALIASES, "subcategory")
    found: dict[str, Category] = {}
    for row in table.rows:
        subcategory = columns.get(row, "subcategory").casefold()
        category = columns.get(row, "category") or CATEGORY_OF.get(subcategory, "")
        if not category and subcategory:
            raise UsageError(
                f"{table.place(row)}: the subcategory is not in MedAlign's taxonomy; add a category column or correct it"
            )
        if not category:
            continue
        key = columns.get(row, "instruction_id")
        if found.setdefault(key, Category(category, subcategory)) != Category(category, subcategory):
            raise UsageError(f"{table.place(row)}: instruction {key} has another category in an earlier row")
    return found
