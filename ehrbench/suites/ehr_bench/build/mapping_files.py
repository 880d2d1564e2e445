"""The names of codes that stand beside patients' files: ``index_mapping`` (protocol page, section 2, release a)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.index_mapping import FILES, FOLDER
from ehrbench.suites.ehr_bench.build.lookups import radiology_details, text_rows
from ehrbench.suites.ehr_bench.build.maps import Maps


def write_mapping(mimic: Mimic, maps: Maps, subjects: Collection[int], root: Path, *, clean: bool) -> None:
    """Write what the release and the maps have.

    Args:
        mimic: the release.
        maps: files that it does not have.
        subjects: whose radiology examinations are written.
        root: where ``index_mapping/`` belongs.
        clean: each row once, in an order of their own; else as the release's files have them.
    """
    for (table, lookup), (file, columns) in FILES.items():
        path = root / FOLDER / file
        if path.exists() or not mimic.has(table):
            continue
        rows = _names(mimic, maps, table, lookup, path.stem, columns, subjects, clean)
        if rows is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.collect().write_csv(path)


def _names(
    mimic: Mimic,
    maps: Maps,
    table: str,
    lookup: str,
    name: str,
    columns: tuple[str, ...],
    subjects: Collection[int],
    clean: bool,
) -> pl.LazyFrame | None:
    if lookup == "=ccs":
        return maps.ccs_titles(table)
    if lookup == "=atc":
        return maps.atc_names()
    if not mimic.has(name):
        return None
    if lookup != "=exams":
        rows = text_rows(mimic, name, list(columns))
        return rows.unique().sort(columns) if clean else rows
    rows = radiology_details(mimic, clean=clean)
    return rows.filter(pl.col("subject_id").is_in([str(subject) for subject in sorted(subjects)])).select(columns)
