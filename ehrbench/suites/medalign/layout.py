"""Where the files of a MedAlign release are: v1.3 as downloaded, HELM's arrangement, and the pre-release."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ehrbench.errors import MissingError, UsageError

GOLD_TABLE = "clinician-instruction-responses"
REVIEW_TABLE = "clinician-reviewed-model-responses"
_RELEASE = "medalign_instructions_v*"
_PLACES = (
    "",
    _RELEASE,
    f"files/{_RELEASE}",
    f"MedAlign_files/{_RELEASE}",
    f"*/{_RELEASE}",
    f"*/files/{_RELEASE}",
    f"*/MedAlign_files/{_RELEASE}",
)
_EHR_FOLDERS = ("ehrs", "medalign_ehr_xml", "full_patient_ehrs")
_EHR_NAME = re.compile(r"(?:EHR_)?(\d+)\.xml\Z", re.IGNORECASE)
_CATEGORY_TABLES = ("instruction-categories", "instructions-sample")


@dataclass(frozen=True)
class Layout:
    """The files of one release."""

    root: Path
    """The folder that holds the tables and the records."""
    gold: Path | None
    """Instructions with the clinicians' answers."""
    reviews: Path | None
    """Six systems' answers with the clinicians' verdicts and ranks."""
    records: Path | None
    """The folder of XML files."""
    categories: Path | None
    """Instruction to category, where somebody made such a table: the release has none."""
    relevance: Path | None
    """Instruction to patient, in the pre-release."""


def _table(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.tsv", folder / f"{name}.csv") if path.is_file()), None)


def _folders(root: Path) -> list[Path]:
    for place in _PLACES:
        candidates: Iterable[Path] = [root] if not place else sorted(root.glob(place))
        found = [folder for folder in candidates if _table(folder, GOLD_TABLE) or _table(folder, REVIEW_TABLE)]
        if found:
            return found
    return []


def is_release(root: Path) -> bool:
    """Whether a MedAlign release lies in or below ``root``."""
    return root.is_dir() and bool(_folders(root))


def find_layout(root: Path) -> Layout:
    """Find a release in ``root`` or in one of the arrangements below it.

    Raises:
        MissingError: neither table is there.
        UsageError: two releases are there.
    """
    folders = _folders(root)
    if not folders:
        raise MissingError(
            f"no MedAlign release in {root}: expected {GOLD_TABLE}.tsv there or in files/medalign_instructions_v1_3 below it; "
            "get the release from Redivis under its data use agreement, or try the synthetic one with --data-dir sample"
        )
    if len(folders) > 1:
        names = " and ".join(str(folder.relative_to(root)) for folder in folders)
        raise UsageError(f"two MedAlign releases in {root}: {names}; name one of them with --data-dir or data.path")
    folder = folders[0]
    above = [folder, *[parent for parent in folder.parents if parent == root or root in parent.parents]]
    records = next((place / name for place in above for name in _EHR_FOLDERS if (place / name).is_dir()), None)
    categories = next((table for place in above for name in _CATEGORY_TABLES if (table := _table(place, name))), None)
    outermost = next(place for place in reversed(above) if place in (folder, *((p.parent) for p in (records, categories) if p)))
    return Layout(
        root=outermost,
        gold=_table(folder, GOLD_TABLE),
        reviews=_table(folder, REVIEW_TABLE),
        records=records,
        categories=categories,
        relevance=_table(folder, "ehr-relevance-labels"),
    )


class RecordFiles:
    """The record files of a release, by name and by patient."""

    def __init__(self, folder: Path | None) -> None:
        """List the folder once; None stands for a release without records."""
        self.folder = folder
        self.by_name: dict[str, Path] = {}
        self._by_patient: dict[str, Path] = {}
        for path in sorted(folder.iterdir()) if folder else ():
            if not path.is_file():
                continue
            self.by_name[path.name] = path
            if match := _EHR_NAME.match(path.name):
                self._by_patient.setdefault(match[1], path)

    def find(self, filename: str, patient: str) -> Path | None:
        """The file an instruction names, else its patient's."""
        return self.by_name.get(filename) or self._by_patient.get(patient)

    def count_strays(self, used: Iterable[Path]) -> int:
        """Files that are neither used nor named after a patient."""
        known = {*used, *self._by_patient.values()}
        return sum(path not in known for path in self.by_name.values())
