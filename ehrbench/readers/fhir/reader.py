"""Questions about the patients of an FHIR R4 bulk export.

The folder holds the export's ``.ndjson`` files and ``items.jsonl``: one object per line with ``id``, ``patient`` (a Patient's
id), ``question``, ``answer`` or ``answers`` and, where the record ends before its end, ``prediction_time``.

Events are shown as those of MEDS are. Only patients who are asked about are held in memory.
"""

from __future__ import annotations

from pathlib import Path

from ehrbench.errors import MissingError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.events import lines_of
from ehrbench.readers.fhir.bulk import find_files
from ehrbench.readers.fhir.events import known_patients, read_events
from ehrbench.readers.reader import reader
from ehrbench.readers.subject_questions import AskedOptions, load_named, questions_file, read_asked, subject_item


def recognises(root: Path, options: AskedOptions) -> bool:
    """Whether a folder has patients and the questions' file."""
    return questions_file(root, options.file, "fhir").is_file() and any(file.kind == "Patient" for file in find_files(root))


@reader(AskedOptions, recognises=recognises, meta=None)
def read(root: Path, options: AskedOptions) -> Dataset:
    """Open an export with its questions.

    Raises:
        MissingError: the patients or the questions are not there.
        UsageError: a line is malformed or names a patient whom the export does not have.
    """
    questions = questions_file(root, options.file, "fhir")
    if not questions.is_file():
        raise MissingError(f"{questions} is not there: the questions about the FHIR export")
    known = known_patients(root)
    items = [subject_item(*asked, known, "FHIR export", options.meta, "patient") for asked in read_asked(questions)]
    events = read_events(root, {str(item.group) for item in items})
    lines = lines_of(events)
    return Dataset(
        root=root,
        items=items,
        files=[*events.files, questions],
        load_record=lambda record_id: load_named(record_id, lambda name, until, record: lines(known[name]).record(record, until)),
        warnings=events.warnings,
        coverage=events.told.sentence(),
    )
