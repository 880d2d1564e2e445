"""The sheet in which clinicians say which records suit an instruction, and the table that comes of it.

``write_sheet`` writes it, ``read_sheet`` takes it back filled in, and ``outcomes`` says how often a record was relevant: 59 % of
the best matches, 74 % of instructions by any of five, 38 % of those drawn at random in MedAlign's paper.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ehrbench.curation.instructions import Instruction
from ehrbench.curation.matching import DRAWN, Candidate
from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import write_atomically, write_private_folder
from ehrbench.readers.table import Columns, Table, read_table
from ehrbench.stats.interval import wilson
from ehrbench.tables import to_csv

REVIEW = "review.csv"
CANDIDATES = "candidates.csv"
_SHEET = ("instruction_id", "question", "patient_characteristics", "clinical_context", "record_id", "relevant", "answer")
_KEY = ("instruction_id", "record_id", "source", "rank", "score")
_YES, _NO = ("yes", "y", "1", "true"), ("no", "n", "0", "false")


class Judgement(NamedTuple):
    """What a clinician says of a record for an instruction."""

    relevant: bool | None
    """None: not filled in."""
    answer: str
    """The clinician's answer from this record, or empty."""


class Outcome(NamedTuple):
    """How often records were relevant."""

    what: str
    k: int
    """Instructions with a relevant one."""
    n: int
    """Instructions that were judged."""
    low: float
    """Of Wilson's 95 % interval of k / n."""
    high: float


def refuse_another(folder: Path) -> None:
    """Keep a sheet that may be filled in.

    Raises:
        UsageError: the folder has one.
    """
    if (folder / REVIEW).exists():
        raise UsageError(f"{folder / REVIEW} is there already and may hold judgements; name another folder with --out")


def write_sheet(folder: Path, instructions: Sequence[Instruction], candidates: Sequence[Candidate], seed: int = 0) -> None:
    """Write the sheet that clinicians fill in, and beside it the key that says where each record came from.

    The sheet has each record of an instruction once, shuffled, without rank, score or source, so that nobody knows which was
    drawn.

    Raises:
        UsageError: the folder has a sheet, which may be filled in.
    """
    refuse_another(folder)
    records: dict[str, list[str]] = {}
    for candidate in candidates:
        if candidate.record not in records.setdefault(candidate.instruction, []):
            records[candidate.instruction].append(candidate.record)
    rows = []
    for one in instructions:
        shuffled = sorted(records[one.id])
        random.Random(f"{seed}/{one.id}/order").shuffle(shuffled)
        rows += [(one.id, one.question, one.patient_characteristics, one.clinical_context, record, "", "") for record in shuffled]
    write_private_folder(folder)
    write_atomically(folder / CANDIDATES, to_csv(_KEY, candidates).encode())
    write_atomically(folder / REVIEW, to_csv(_SHEET, rows).encode())


def read_candidates(folder: Path) -> list[Candidate]:
    """The key of a sheet.

    Raises:
        MissingError: the folder has none.
        UsageError: it was changed.
    """
    path = folder / CANDIDATES
    if not path.is_file():
        raise MissingError(f"{path} is not there: name the folder that `ehrbench data match` wrote")
    table = read_table(path, "the key of the review sheet")
    columns = _columns(table, _KEY)
    found = []
    for row in table.rows:
        values = {name: columns.get(row, name) for name in _KEY}
        try:
            rank, score = int(values["rank"]), float(values["score"])
        except ValueError:
            raise UsageError(f"{table.place(row)}: rank and score are not numbers; this file is not to be edited") from None
        found.append(Candidate(values["instruction_id"], values["record_id"], values["source"], rank, score))
    return found


def read_sheet(path: Path, candidates: Sequence[Candidate]) -> tuple[dict[str, Instruction], dict[tuple[str, str], Judgement]]:
    """Read a filled sheet.

    Args:
        path: CSV, TSV or an Excel workbook, with the columns and rows of ``write_sheet``.
        candidates: its key.

    Returns:
        The instructions by id, and the judgement of each (instruction, record).

    Raises:
        MissingError: there is no such file.
        UsageError: a row names an instruction and a record that were not matched, or appears twice; ``relevant`` is neither yes
            nor no nor empty; an answer is given for a record that is not relevant; or a row is missing.
    """
    table = read_table(path, "the review sheet")
    columns = _columns(table, _SHEET, "answer")
    expected = {(one.instruction, one.record) for one in candidates}
    instructions: dict[str, Instruction] = {}
    judged: dict[tuple[str, str], Judgement] = {}
    for row in table.rows:
        values = {name: columns.get(row, name) for name in _SHEET}
        key = values["instruction_id"], values["record_id"]
        if key not in expected:
            raise UsageError(
                f"{table.place(row)}: its instruction_id and record_id are not a pair that was matched; restore them from "
                f"{CANDIDATES}"
            )
        if key in judged:
            raise UsageError(f"{table.place(row)}: instruction '{key[0]}' has the same record in an earlier row; delete one")
        said = values["relevant"].casefold()
        if said and said not in (*_YES, *_NO):
            raise UsageError(f"{table.place(row)}: 'relevant' must be yes, no or empty; correct it")
        relevant = said in _YES if said else None
        if values["answer"] and not relevant:
            raise UsageError(f"{table.place(row)}: there is an answer, but 'relevant' is not yes; correct one of them")
        judged[key] = Judgement(relevant, values["answer"])
        instructions.setdefault(
            key[0], Instruction(key[0], values["question"], values["patient_characteristics"], values["clinical_context"])
        )
    if missing := sorted(expected - set(judged)):
        raise UsageError(
            f"{path}: {len(missing)} rows are missing, the first of instruction '{missing[0][0]}'; leave 'relevant' empty where "
            "nothing was judged, and keep the row"
        )
    return instructions, judged


def _columns(table: Table, names: Sequence[str], dispensable: str = "") -> Columns:
    aliases = {name: (name,) for name in names}
    columns = Columns(table, aliases, option=None)
    columns.require(aliases, *(name for name in names if name != dispensable))
    return columns


def outcomes(candidates: Sequence[Candidate], judged: Mapping[tuple[str, str], Judgement]) -> list[Outcome]:
    """How often the best match, any of the matches and the drawn record were relevant, with Wilson's 95 % intervals.

    An instruction counts towards "any" where one record is relevant or all were judged.
    """
    best: dict[str, bool | None] = {}
    drawn: dict[str, bool | None] = {}
    matched: dict[str, list[bool | None]] = {}
    for one in candidates:
        said = judged[one.instruction, one.record].relevant
        if one.source == DRAWN:
            drawn[one.instruction] = said
            continue
        matched.setdefault(one.instruction, []).append(said)
        if one.rank == 1:
            best[one.instruction] = said
    top = max((len(found) for found in matched.values()), default=0)
    any_of = {key: True if True in found else None if None in found else False for key, found in matched.items()}
    return [
        _outcome("best match", best.values()),
        _outcome(f"any of {top} matches", any_of.values()),
        _outcome("drawn at random", drawn.values()),
    ]


def _outcome(what: str, said: Iterable[bool | None]) -> Outcome:
    known = [one for one in said if one is not None]
    return Outcome(what, sum(known), len(known), *wilson(sum(known), len(known)))
