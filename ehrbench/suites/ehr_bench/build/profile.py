"""The three ways to build EHR-Bench, and the switches they stand for (protocol page, section 7, rows 16 to 21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class BuildProfile:
    """What is done as the released procedure does it, and what is repaired."""

    name: str
    duplicate_untimed: bool
    """Rows without a time stand four times, out of order (row 16); else microbiology has its date and the others are left out."""
    text_codes: bool
    """Codes are text and keep their leading zeros (row 21); else a column of digits is read as numbers."""
    clean: bool
    """Runs break at another admission or after an hour, windows keep within their hours, near-duplicates and the outcome itself
    are not shown, and deaths are the hospital's own (rows 16 to 20)."""


PROFILES: Mapping[str, BuildProfile] = {
    "ref": BuildProfile("ref", duplicate_untimed=True, text_codes=False, clean=False),
    "fixed": BuildProfile("fixed", duplicate_untimed=False, text_codes=True, clean=False),
    "clean": BuildProfile("clean", duplicate_untimed=False, text_codes=True, clean=True),
}
"""``ref`` is the released procedure; ``fixed`` mends its rows without a time and its codes; ``clean`` also leaks and labels."""
