"""What MIMIC-IV does not say: the CCS categories of ICD codes and the ATC names of drugs, from files that the user names.

CCS is read from AHRQ's files as they are downloaded (see ``ehrbench.mimic.ahrq``), or from ``d_ccs_diagnoses.csv`` and
``d_ccs_procedures.csv`` with ``icd_code, icd_version, long_title``, which come first; ATC from a CSV file with
``ndc_code, atc_name``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_file, hash_text
from ehrbench.mimic.ahrq import Subject, ccs_table, classifications
from ehrbench.parquet import UNREADABLE

TITLES = ("icd_code", "icd_version", "long_title")
_SUBJECT: Mapping[str, Subject] = {"diagnoses_icd": "diagnoses", "diagnosis": "diagnoses", "procedures_icd": "procedures"}
_TASKS: Mapping[Subject, str] = {"diagnoses": "diagnoses_ccs and diagnosis_ccs", "procedures": "procedures_ccs"}


@dataclass(frozen=True)
class Maps:
    """Files that the release does not have."""

    ccs: Path | None = None
    """A folder; or one of AHRQ's files."""
    atc: Path | None = None

    def ccs_titles(self, table: str) -> pl.LazyFrame | None:
        """``icd_code, icd_version, long_title`` as text, of the codes of a table; None where no file has them."""
        frame = self._titles.get(_SUBJECT[table])
        return None if frame is None else frame.lazy()

    def atc_names(self) -> pl.LazyFrame | None:
        """``ndc_code, atc_name`` as text; None where no file is named."""
        return None if self.atc is None else _csv(self.atc, ("ndc_code", "atc_name")).lazy()

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file that is used, by name, and of the titles made of AHRQ's.

        Raises:
            MissingError: one that was named is not there.
            UsageError: one is not AHRQ's, or lacks a column.
        """
        found = {}
        for subject, frame in self._titles.items():
            own = self._own(subject)
            if own is not None:
                found[own.name] = hash_file(own)
                continue
            found |= {file.name: file.sha256 for file in classifications(self.ccs, subject).values()}
            found[f"titles of {subject}"] = hash_text(frame.write_csv())
        if self.atc is not None:
            self.atc_names()
            found[self.atc.name] = hash_file(self.atc)
        return found

    def lacking(self) -> list[str]:
        """A sentence for each group of tasks, or of codes, for which there is no file."""
        said = []
        if self.ccs is None:
            said.append("no procedures_ccs, diagnoses_ccs and diagnosis_ccs: name a folder with AHRQ's CCS files with --ccs")
        else:
            for subject, tasks in _TASKS.items():
                frame = self._titles.get(subject)
                if frame is None:
                    said.append(f"no {tasks}: {self.ccs} has no CCS of {subject}")
                elif self._own(subject) is None and len(versions := sorted(set(frame["icd_version"]))) == 1:
                    said.append(f"{tasks}: {self.ccs} has CCS titles of ICD-{versions[0]} codes only; other codes have none")
        if self.atc is None:
            said.append("no prescriptions_atc and medrecon_atc: name a table of NDC codes and ATC names with --atc")
        return said

    @cached_property
    def _titles(self) -> Mapping[Subject, pl.DataFrame]:
        if self.ccs is None:
            return {}
        if not self.ccs.exists():
            raise MissingError(f"--ccs: {self.ccs} is not there; name the folder that holds AHRQ's CCS files")
        found: dict[Subject, pl.DataFrame] = {}
        for subject in get_args(Subject):
            own = self._own(subject)
            if own is not None:
                found[subject] = _csv(own, TITLES)
                continue
            try:
                found[subject] = ccs_table(self.ccs, subject).select(TITLES)
            except MissingError:
                continue
        if not found:
            raise MissingError(
                f"--ccs: {self.ccs} has neither AHRQ's CCS files nor d_ccs_diagnoses.csv and d_ccs_procedures.csv "
                f"({', '.join(TITLES)}), which the CCS tasks ask for"
            )
        return found

    def _own(self, subject: Subject) -> Path | None:
        path = None if self.ccs is None else self.ccs / f"d_ccs_{subject}.csv"
        return path if path is not None and path.is_file() else None


def _csv(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    if not path.is_file():
        raise MissingError(f"EHR-Bench: {path} is not there; it maps codes to the titles that the CCS or ATC tasks ask for")
    try:
        rows = pl.read_csv(path, infer_schema=False)
    except UNREADABLE as error:
        raise UsageError(f"EHR-Bench: {path} is not a readable CSV file ({type(error).__name__})") from None
    if missing := [c for c in columns if c not in rows.columns]:
        raise UsageError(f"EHR-Bench: {path} has no column {', '.join(missing)}; it needs {', '.join(columns)}")
    return rows.select(columns)
