"""Cells of tables that people fill in: yes or no, and who answered."""

from __future__ import annotations

import re

_YES_NO = {"yes": True, "true": True, "1": True, "1.0": True, "no": False, "false": False, "0": False, "0.0": False}


def read_yes_no(value: str) -> bool | None:
    """Yes, no, or None for anything else."""
    return _YES_NO.get(value.casefold())


def annotator_order(annotator: str) -> tuple[int, str]:
    """Sorts ``Annotator_1`` before ``Annotator_2`` before ``Annotator_10``."""
    digits = re.search(r"\d+", annotator)
    return (int(digits[0]) if digits else 0, annotator)
