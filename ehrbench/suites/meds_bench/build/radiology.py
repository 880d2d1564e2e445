"""Reports to findings and impressions: MIMIC-IV-Note's radiology table (CT, MRI, ultrasound) and MIMIC-CXR's reports."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Literal

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.meds_bench.build.release import Draw, Instance
from ehrbench.zips import open_zip, read_member

Rules = Literal["clean", "paper"]

DEFINITION = "Given the findings of a radiology report, write its impression: the conclusions that matter, in short."
PLACES = ("Chest", "Head_and_neck", "Brain", "Abdomen", "Pelvis", "Spine")
"""In the order in which an examination is asked for them; the first that it names is its place."""
FILES = {
    "ultrasound": "Text_summarization/task78_mimic_ultrasound_summarization.json",
    **{
        f"{modality}.{place.lower()}": f"Text_summarization/task{first + k}_mimic_{modality}_{place.lower()}_summarization.json"
        for modality, first in (("ct", 83), ("mri", 89))
        for k, place in enumerate(PLACES)
    },
}
_MOST_BYTES = 16 << 20
"""Of one report."""
_AGAIN = "download it again"
CXR_FILE = "Text_summarization/task112_mimic_cxr_text_summurization.json"
_WORDS = {
    "ct": re.compile(r"\bcta?\b"),
    "mri": re.compile(r"\bmr[ia]?\b"),
    "ultrasound": re.compile(r"\b(?:ultrasound|ultrasonograph\w*|sonogra\w*|us)\b"),
}
_COLUMNS = ("note_id", "subject_id", "text")
_HEADS = ("EXAMINATION:", "INDICATION:", "FINDINGS:", "IMPRESSION:")


def examination(text: str, rules: Rules) -> str | None:
    """What a report is of: ``ct.brain``, ``mri.spine``, ``ultrasound`` …; None for others.

    The paper's script looks for "ct" anywhere in the words between EXAMINATION and INDICATION, so a fracture is a CT; ``clean``
    wants CT, CTA, MR, MRI or MRA as words. CT wins over MRI, in both. Its "head_and_neck" matches no text, so "head" or "neck"
    is taken, as in the authors' other script.
    """
    named = text.lower()
    if rules == "paper":
        modality = next((name for name in ("ct", "mri", "ultrasound") if name in named), None)
    else:
        modality = next((name for name, word in _WORDS.items() if word.search(named)), None)
    if modality is None or modality == "ultrasound":
        return modality
    for place in PLACES:
        if any(part in named for part in (("head", "neck") if place == "Head_and_neck" else (place.lower(),))):
            return f"{modality}.{place.lower()}"
    return None


def note_parts(text: str) -> tuple[str, str, str] | None:
    """Examination, findings and impression of a note with all four headings in order; None for another, or where one is blank."""
    starts = [text.find(head) for head in _HEADS]
    if min(starts) < 0 or starts[0] > starts[1] or starts[2] > starts[3]:
        return None
    named = text[starts[0] + len(_HEADS[0]) : starts[1]]
    findings = text[starts[2] + len(_HEADS[2]) : starts[3]].strip()
    impression = text[starts[3] + len(_HEADS[3]) :].strip()
    return (named, findings, impression) if findings and impression else None


def report_parts(text: str) -> tuple[str, str] | None:
    """Findings and impression of a chest X-ray report, newlines as blanks; None without both headings in order, or blank."""
    start, middle = text.find("FINDINGS:"), text.find("IMPRESSION:")
    if not 0 <= start < middle:
        return None
    findings = text[start + len("FINDINGS:") : middle].replace("\n", " ").strip()
    impression = text[middle + len("IMPRESSION:") :].replace("\n", " ").strip()
    return (findings, impression) if findings and impression else None


def read_notes(table: Path, n: int, seed: int, rules: Rules) -> dict[str, Draw[Instance]]:
    """Draw reports of each kind from MIMIC-IV-Note's ``radiology.csv.gz``, read once from end to end.

    Raises:
        MissingError: the table is not there.
        UsageError: it has no note_id, subject_id or text, or is damaged.
    """
    draws: dict[str, Draw[Instance]] = {name: Draw(n, seed, name) for name in FILES}
    one_at_a_time = Lock()

    def draw(notes: pl.DataFrame) -> None:
        with one_at_a_time:
            for note_id, subject, text in notes.iter_rows():
                parts = note_parts(text or "")
                kind = examination(parts[0], rules) if parts else None
                if parts and kind:
                    draws[kind].add(note_id, Instance(parts[1], parts[2], group=f"patient {subject}"))

    release = _release(table)
    release.each_batch(release.scan("radiology", list(_COLUMNS)), draw)
    return draws


def _release(table: Path) -> Mimic:
    if not table.is_file():
        raise MissingError(f"{table} is not there; expected radiology.csv.gz of MIMIC-IV-Note")
    release = Mimic(table.parent, named={"radiology": table})
    if missing := [name for name in _COLUMNS if name not in release.columns("radiology")]:
        raise UsageError(f"{table}:1: no column {', '.join(missing)}; expected radiology.csv.gz of MIMIC-IV-Note")
    return release


def read_reports(source: Path, n: int, seed: int) -> Draw[Instance]:
    """Draw reports from MIMIC-CXR: a folder with ``…/p<subject>/s<study>.txt``, or the zip of them.

    Reports are read in the order of the draw until there are enough, so most of the 227,000 never are.

    Raises:
        MissingError: the source is not there, or holds no report.
    """
    draw: Draw[Instance] = Draw(n, seed, "cxr")
    names = {name.rpartition("/")[2]: name for name in _report_names(source)}
    if not names:
        raise MissingError(f"{source} holds no reports; expected p<subject>/s<study>.txt of MIMIC-CXR, or mimic-cxr-reports.zip")
    with open_zip(source, _AGAIN) if source.is_file() else nullcontext() as archive:
        for study in sorted(names, key=draw.rank):
            path = names[study]
            data = read_member(archive, path, _MOST_BYTES) if archive else (source / path).read_bytes()
            if parts := report_parts(data.decode("utf-8", "replace").replace("\r\n", "\n")):
                draw.add(study, Instance(*parts, group=f"patient {path.split('/')[-2]}"))
                if draw.seen == n:
                    break
    return draw


def _report_names(source: Path) -> Iterator[str]:
    if source.is_dir():
        found: Iterator[str] = (path.relative_to(source).as_posix() for path in source.rglob("s*.txt"))
    elif source.is_file() and zipfile.is_zipfile(source):
        with open_zip(source, _AGAIN) as archive:
            found = iter(archive.namelist())
    else:
        raise MissingError(f"{source} is not there, or neither a folder nor a zip; expected MIMIC-CXR's reports")
    yield from (name for name in found if re.search(r"(?:^|/)p\d+/s\d+\.txt$", name))
