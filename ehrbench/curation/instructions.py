"""Instructions that clinicians wrote before any patient's record was chosen: a table with a row for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ehrbench.curation.near_duplicates import THRESHOLD, near_duplicates
from ehrbench.errors import UsageError
from ehrbench.readers.table import Columns, read_table

NAMES = {
    "instruction_id": ("instruction_id", "id"),
    "question": ("question", "instruction"),
    "patient_characteristics": ("patient_characteristics", "characteristics"),
    "clinical_context": ("clinical_context", "context"),
}
"""Meaning to the column's names, letter case aside; in the order of an instruction's fields."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


@dataclass(frozen=True)
class Instruction:
    """One instruction."""

    id: str
    question: str
    patient_characteristics: str = ""
    """Of which patients it may be asked, in the clinician's words."""
    clinical_context: str = ""
    """The situation in which it would be asked."""

    @property
    def query(self) -> str:
        """What records are searched for: the instruction, the patient's characteristics and the clinical context."""
        return " ".join(part for part in (self.question, self.patient_characteristics, self.clinical_context) if part)


@dataclass(frozen=True)
class Removed:
    """An instruction that says nearly what an earlier one says."""

    instruction: Instruction
    kept: Instruction
    """The first of those that are kept and that it resembles."""
    rouge_l: float
    """Their ROUGE-L, F measure, above the threshold, up to 1."""


def read_instructions(path: Path, *, with_context: bool = False) -> list[Instruction]:
    """Read a table of instructions: CSV, TSV or an Excel sheet.

    Args:
        path: the table, with the columns of ``NAMES``.
        with_context: also require the columns of patient characteristics and clinical context; their cells may be empty.

    Raises:
        MissingError: there is no such file.
        UsageError: a column is not there, or a row has no question, no id or the id of another; file and row are named.
    """
    table = read_table(path, "the table of instructions")
    columns = Columns(table, NAMES, option=None)
    columns.require(NAMES, *(tuple(NAMES) if with_context else ("instruction_id", "question")))
    lines: dict[str, int] = {}
    found = []
    for row in table.rows:
        one = Instruction(*(columns.get(row, meaning) for meaning in NAMES))
        if not _ID.match(one.id):
            raise UsageError(
                f"{table.place(row)}: instruction_id is not 1 to 64 letters, digits, '_' and '-'; give it such an id"
            )
        if lines.setdefault(one.id, row.number) != row.number:
            raise UsageError(f"{table.place(row)}: instruction_id '{one.id}' is that of row {lines[one.id]} too; ids must differ")
        if not one.question:
            raise UsageError(f"{table.place(row)}: instruction '{one.id}' has no question; write one or delete the row")
        found.append(one)
    if not found:
        raise UsageError(f"{path}: the table has no instructions; expected a row for each below the header")
    return found


def dedupe(instructions: Sequence[Instruction], threshold: float = THRESHOLD) -> tuple[list[Instruction], list[Removed]]:
    """Remove instructions that say nearly what an earlier one says.

    They are taken in the order of the table. One is removed where its ROUGE-L with one that was kept is above the threshold, so
    the first wording stays, and whoever resembles only a removed one stays too. The paper states the threshold and no order.

    Args:
        instructions: all of them.
        threshold: 0 to 1; exactly at it both stay.

    Returns:
        Those kept and those removed, both in the given order. Of what is kept nothing would be removed again.
    """
    resembled: dict[int, Removed] = {}
    for first, second, rouge_l in near_duplicates([one.question for one in instructions], threshold):
        if first not in resembled and second not in resembled:
            resembled[second] = Removed(instructions[second], instructions[first], rouge_l)
    return [one for position, one in enumerate(instructions) if position not in resembled], list(resembled.values())
