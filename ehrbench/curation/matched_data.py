"""A benchmark of instructions and the records that clinicians found relevant: a data folder with its task file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ehrbench.curation.collections import Collection
from ehrbench.curation.instructions import Instruction
from ehrbench.curation.matching import MATCHED, Candidate
from ehrbench.curation.review import Judgement
from ehrbench.errors import UsageError
from ehrbench.jsonl import write_atomically, write_private_folder, write_rows


def chosen(
    candidates: Sequence[Candidate], judged: Mapping[tuple[str, str], Judgement]
) -> tuple[dict[str, tuple[str, str]], int, int]:
    """The best relevant match with an answer of each instruction: record and answer.

    Returns:
        These by instruction, how many instructions have no relevant match, and how many have one but no answer.
    """
    found: dict[str, tuple[str, str]] = {}
    relevant: set[str] = set()
    for one in sorted((c for c in candidates if c.source == MATCHED), key=lambda c: (c.instruction, c.rank)):
        said = judged[one.instruction, one.record]
        if said.relevant:
            relevant.add(one.instruction)
            if said.answer:
                found.setdefault(one.instruction, (one.record, said.answer))
    every = {one.instruction for one in candidates}
    return found, len(every - relevant), len(relevant - set(found))


def write_data(
    folder: Path,
    name: str,
    instructions: Mapping[str, Instruction],
    answers: Mapping[str, tuple[str, str]],
    collection: Collection,
) -> Path:
    """Write a data folder of the matched instructions, with its task file.

    Args:
        folder: of the data; gets ``NAME/items.jsonl``, ``NAME/records/`` and ``tasks/NAME.yaml``.
        name: of the task.
        instructions: by id.
        answers: instruction to its record and the clinician's answer.
        collection: what the records are read from.

    Returns:
        The task file.

    Raises:
        UsageError: there is no answer, the folder has such data, or a record is not in the collection any more.
    """
    if not answers:
        raise UsageError("no relevant match has an answer, so there is nothing to evaluate; fill in the sheet's column 'answer'")
    root = folder / name
    if (root / "items.jsonl").exists():
        raise UsageError(f"{root} holds items already; name another folder with --data-out")
    known = set(collection.ids)
    if gone := sorted({record for record, _ in answers.values()} - known):
        raise UsageError(f"record '{gone[0]}' is not in {collection.root} any more; name the collection that was matched")
    write_private_folder(root)
    write_private_folder(root / "records")
    files = {record: _copy(collection, record, root / "records") for record in sorted({record for record, _ in answers.values()})}
    task = folder / "tasks" / f"{name}.yaml"
    task.parent.mkdir(exist_ok=True)
    write_atomically(task, _TASK.format(name=name).encode(), mode=0o644)
    write_rows(root / "items.jsonl", _items(instructions, answers, files, collection))
    return task


def _items(
    instructions: Mapping[str, Instruction],
    answers: Mapping[str, tuple[str, str]],
    files: Mapping[str, str],
    collection: Collection,
) -> Iterator[dict[str, str]]:
    for key, (record, answer) in answers.items():
        group = collection.group_of(record)
        question = instructions[key].question
        yield {"id": key, "question": question, "answer": answer, "record_file": f"records/{files[record]}", "group": group}


def _copy(collection: Collection, record: str, folder: Path) -> str:
    """Put a record's file, or its text, into a folder; what the file is called there."""
    if (source := collection.file_of(record)) is not None:
        shutil.copyfile(source, folder / source.name)
        (folder / source.name).chmod(0o600)
        return source.name
    loaded = collection.load(record)
    path = folder / f"{record.replace(':', '-')}.txt"
    write_atomically(path, (loaded.header + loaded.text).encode())
    return path.name


_TASK = """\
task: {name}
version: 1
title: {name}
description: Instructions of clinicians, each about a patient's record that was matched to it, with a clinician's own answer.
group: [{name}]
data:
  reader: jsonl
  path: {name}
  policy: credentialed
record:
  context: truncate
  keep: end
prompt:
  user: |-
    Instruction: Answer the following question based on the EHR:

    EHR: {{{{ record }}}}

    Question: {{{{ question }}}}

    Answer:
generation:
  max_tokens: 256
  temperature: 0
answer: [strip_thinking, strip]
metrics: [rouge_l, chrf_pp, google_bleu]
primary: chrf_pp
"""
