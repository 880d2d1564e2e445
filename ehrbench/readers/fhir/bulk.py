"""A bulk export's files: one resource per line, one type per file, whatever the file is called."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import parse


class BulkFile(NamedTuple):
    """One file of an export."""

    path: Path
    kind: str
    """The type of its resources."""

    def resources(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each resource with its line.

        Raises:
            UsageError: a line is not a resource of the file's type; the message names it.
        """
        for number, resource in _lines(self.path):
            if resource.get("resourceType") != self.kind:
                raise UsageError(f"FHIR: {self.path}:{number}: not a {self.kind} as the first line is; a file has one type")
            yield number, resource


def find_files(root: Path) -> list[BulkFile]:
    """Every ``*.ndjson`` and ``*.ndjson.gz`` of a folder, by name, without empty ones.

    Raises:
        UsageError: a first line is not a resource.
    """
    found = []
    for path in sorted(path for path in root.iterdir() if path.name.endswith((".ndjson", ".ndjson.gz"))) if root.is_dir() else []:
        _, first = next(_lines(path), (0, None))
        if first is None:
            continue
        kind = first.get("resourceType")
        if not isinstance(kind, str) or not kind:
            raise UsageError(f"FHIR: {path}:1: no resourceType, which says what a resource is; export the file again")
        found.append(BulkFile(path, kind))
    return found


def need_files(root: Path) -> list[BulkFile]:
    """The files of an export that has patients.

    Raises:
        MissingError: it has none.
    """
    files = find_files(root)
    if not any(file.kind == "Patient" for file in files):
        raise MissingError(f"FHIR: {root} has no .ndjson file of Patient resources, which say who the patients are")
    return files


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    resource = parse(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                    if not isinstance(resource, dict):
                        raise ValueError
                    yield number, resource
    except ValueError:
        raise UsageError(f"FHIR: {path}:{number}: not a JSON object in UTF-8; export the file again") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"FHIR: {path} cannot be read ({type(error).__name__}); export the file again") from None
