"""Tiny MIMIC-IV-shaped folders, written by hand."""

from __future__ import annotations

import gzip
from pathlib import Path

from ehrbench.mimic.schema import TABLES


def write_table(root: Path, name: str, rows: list[dict[str, object]], *, form: str = ".csv.gz") -> Path:
    """One table in the release's layout; columns that a row does not name are empty."""
    table = TABLES[name]
    lines = [",".join(table.columns)]
    for row in rows:
        assert set(row) <= set(table.columns), f"{name} has no column {set(row) - set(table.columns)}"
        lines.append(",".join(_cell(row.get(column)) for column in table.columns))
    path = root / table.module / f"{name}{form}"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data, mtime=0) if form.endswith(".gz") else data)
    return path


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text
