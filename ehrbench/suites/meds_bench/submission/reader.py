"""A leaderboard submission of MedS-Bench: a CSV with the columns ``task_id,input,GT,output``, one row an instance.

Every cell is text and stays as it is: ``None``, ``NA`` and ``nan`` are words, a number keeps its zeros.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.reader import reader
from ehrbench.suites.meds_bench.options import gold_label, gold_letters, option_texts
from ehrbench.suites.meds_bench.reader_options import SubmissionOptions
from ehrbench.text_files import is_utf16, not_utf8

COLUMNS = ("task_id", "input", "GT", "output")


class SubmittedRow(NamedTuple):
    """One row."""

    number: int
    """1 for the first after the header."""
    input: str
    """The whole prompt."""
    gold: str
    output: str


def item_name(row: SubmittedRow, task_id: str) -> str:
    """The id of the item that a row makes where the release is not at hand."""
    return f"{task_id}:row{row.number}"


def read_submission(path: Path) -> dict[str, list[SubmittedRow]]:
    """The rows of a submission by task id, in the file's order.

    Raises:
        MissingError: the file is not there.
        UsageError: a column is missing, a row is ragged, a quotation mark is not closed, or there is a NUL byte; the message
            names file and row.
    """
    text = _text(path)
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, list[SubmittedRow]] = defaultdict(list)
    number, line = 0, 1
    try:
        header = [name.strip() for name in next(reader, [])]
        places = _columns(path, header)
        line = reader.line_num + 1
        for values in reader:
            if values:
                number += 1
                if len(values) != len(header):
                    raise UsageError(
                        f"{path}:{line}: row {number} has {len(values)} fields, the header has {len(header)}; "
                        "a comma or newline inside a field needs quotation marks around the field"
                    )
                task, prompt, gold, output = (values[place] for place in places)
                if not task.strip():
                    raise UsageError(f"{path}:{line}: row {number} has no task_id; expected for instance task125")
                found[task.strip()].append(SubmittedRow(number, prompt, gold, output))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{path}:{line}: row {number + 1} is not a row of a CSV ({error})") from None
    if not found:
        raise UsageError(f"{path}: the file has no rows; expected one per instance")
    return dict(found)


def write_submission(rows: Iterable[tuple[str, str, str, str]]) -> bytes:
    """A submission's bytes, every cell in quotation marks, so that ``read_submission`` gives back what was put in.

    Only what no CSV can hold is replaced: NUL, and halves of surrogate pairs.

    Args:
        rows: task id, prompt, gold and answer of each.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    writer.writerows([cell.replace("\0", "\ufffd") for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"the submission {path} is not there") from None
    except OSError as error:
        raise UsageError(f"the submission {path} cannot be read ({error.strerror})") from None
    if is_utf16(data):
        raise UsageError(f"{path} {not_utf8(data)}")
    if (at := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, at) + 1
        raise UsageError(f"{path}:{line}: a NUL byte stands in this line, so the file is damaged or not CSV; write it again")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}:{data.count(10, 0, error.start) + 1}: the submission {not_utf8(data)}") from None


def _columns(path: Path, header: list[str]) -> list[int]:
    if missing := [name for name in COLUMNS if name not in header]:
        raise UsageError(f"{path}:1: no column {', '.join(missing)}; expected a header with {','.join(COLUMNS)}")
    if twice := [name for name in COLUMNS if header.count(name) > 1]:
        raise UsageError(f"{path}:1: column {twice[0]} is there twice; expected a header with {','.join(COLUMNS)}")
    return [header.index(name) for name in COLUMNS]


def _path(root: Path, options: SubmissionOptions) -> Path:
    return root / Path(options.file).name


@reader(SubmissionOptions, recognises=lambda root, options: _path(root, options).is_file(), slots=("definition",))
def read(root: Path, options: SubmissionOptions) -> Dataset:
    """The items of one task as a submission has them: the prompt as the question, the gold as the only reference.

    Raises:
        MissingError: the file is not there.
        UsageError: it is malformed, or has no row of the task.
    """
    path, task_id, choices = _path(root, options), options.task_id, options.choices
    rows = read_submission(path).get(task_id)
    if not rows:
        raise UsageError(f"{path}: no row of {task_id}")
    listed = choices == "options"
    labels = tuple(sorted({gold_label(row.gold) for row in rows})) if choices == "golds" else ()
    if isinstance(choices, tuple):
        labels = choices
    items = [
        Item(
            id=item_name(row, task_id),
            question=row.input,
            references=(row.gold,),
            labels=gold_letters(row.gold) if listed else (),
            choices=option_texts(row.input) if listed else labels,
            slots={"definition": ""},
        )
        for row in rows
    ]
    return Dataset(root=root, items=tuple(items), files=(path,), track="submission")
