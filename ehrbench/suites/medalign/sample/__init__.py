"""The synthetic MedAlign: invented patients, instructions, answers and judgements in the layout of release v1.3."""

from __future__ import annotations

from pathlib import Path

from ehrbench.suites.medalign.sample.records import write_record
from ehrbench.suites.medalign.sample.script import load_script
from ehrbench.suites.medalign.sample.tables import write_tables
from ehrbench.suites.medalign.sample.timeline import build_timeline

__all__ = ["generate"]

RELEASE = "files/medalign_instructions_v1_3"
README = """\
SYNTHETIC DATA. Every patient, note, instruction, answer and judgement in this folder is invented.

The layout is that of MedAlign release v1.3; nothing here is from MedAlign or from any person's record. ehrbench generates these
files from its own source, the same bytes each time, so that every command can be tried without credentialed data.
Scores on them say that an installation works, nothing about a model.
"""


def generate(folder: Path) -> None:
    """Write the sample release into an empty folder."""
    vocabulary, patients = load_script()
    (folder / "README-SYNTHETIC.txt").write_text(README, encoding="utf-8", newline="\n")
    release = folder / RELEASE
    (release / "ehrs").mkdir(parents=True)
    timelines = {patient.id: build_timeline(patient, vocabulary) for patient in patients}
    for patient in patients:
        write_record(release / "ehrs" / f"{patient.id}.xml", patient, timelines[patient.id], vocabulary.facility)
    write_tables(release, patients, timelines)
