"""Inspect: a ``.eval`` log, or the same as JSON. Only the header is read: samples, which hold texts, are not."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError
from ehrbench.exports.foreign.parts import count, metric, model_name, name, row, unusable
from ehrbench.jsonl import parse
from ehrbench.results.schema import MetricResult, Result

NEWEST = 2
"""The version of the log whose header is known."""
_ZSTANDARD = 93
_MOST_BYTES = 64 << 20
_SPREAD = ("stderr", "std", "var")


def recognises(data: Mapping[str, Any]) -> bool:
    """Whether some JSON is such a log."""
    return isinstance(data.get("eval"), dict) and "status" in data


def read_header(path: Path) -> Any:
    """The header of a ``.eval`` file.

    Raises:
        MissingError: it is packed with Zstandard, and zstandard is not installed.
        UsageError: it is not such a file, or the run did not end.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo("header.json")
            if entry.file_size > _MOST_BYTES:
                unusable(path, f"its header has more than {_MOST_BYTES >> 20} MiB, so it is not a log of Inspect")
            raw = _unpacked(path, entry) if entry.compress_type == _ZSTANDARD else archive.read(entry)
        return parse(raw.decode("utf-8"))
    except KeyError:
        unusable(path, "has no header.json: the run of Inspect did not end; let it end, or run it again")
    except (zipfile.BadZipFile, UnicodeDecodeError, ValueError, OSError, struct.error, NotImplementedError) as error:
        unusable(path, f"is not a log of Inspect that can be read ({type(error).__name__}); copy it again")


def _unpacked(path: Path, entry: zipfile.ZipInfo) -> bytes:
    """An entry that Python's own module cannot unpack before 3.14."""
    if find_spec("zstandard") is None:
        raise MissingError(
            f"{path} is packed with Zstandard: pip install 'ehrbench[inspect]', or make JSON with `inspect log convert --to json`"
        )
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        head = file.read(30)
        name_length, extra_length = struct.unpack("<HH", head[26:30])
        file.seek(name_length + extra_length, 1)
        packed = file.read(entry.compress_size)
    zstandard: Any = import_module("zstandard")
    try:
        raw: bytes = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    except zstandard.ZstdError as error:
        raise ValueError("damaged") from error
    return raw[: _MOST_BYTES + 1]


def rows(data: Mapping[str, Any], path: Path) -> list[Result]:
    """One row per log.

    Raises:
        UsageError: a log of a newer version, of a run that did not end well, or without a number.
    """
    version = data.get("version")
    if not isinstance(version, int) or version > NEWEST:
        unusable(
            path,
            f"a log of version {str(version)[:20]}; up to {NEWEST} is known: update ehrbench, or export with an older Inspect",
        )
    if data.get("status") != "success":
        unusable(path, f"the run ended with status '{str(data.get('status'))[:20]}'; expected a log with status 'success'")
    spec, results = data["eval"], data.get("results")
    if not isinstance(results, dict) or not isinstance(results.get("scores"), list):
        unusable(path, "the log has no results; expected a log with scores")
    packages = spec.get("packages")
    made = [one for score in results["scores"] if isinstance(score, dict) for one in _metrics(score, path)]
    return [
        row(
            "Inspect",
            str(packages["inspect_ai"])[:20] if isinstance(packages, dict) and "inspect_ai" in packages else None,
            task=name(spec.get("task"), path, "the task"),
            model=model_name(spec.get("model"), path),
            metrics=made,
            path=path,
            task_version=spec.get("task_version"),
            n_items=count(results.get("total_samples")),
            date=spec.get("created"),
            facts={"run": spec.get("run_id")},
        )
    ]


def _metrics(score: Mapping[str, Any], path: Path) -> list[MetricResult]:
    """The numbers of one scorer; its standard error belongs to its mean."""
    scorer = name(score.get("name"), path, "a scorer")
    values = {key: one.get("value") for key, one in (score.get("metrics") or {}).items() if isinstance(one, dict)}
    n = count(score.get("scored_samples"))
    centre = next((key for key in ("mean", "accuracy") if key in values), None)
    return [
        metric(
            f"{scorer} {name(key, path, 'a metric')}"[:100],
            value,
            stderr=values.get("stderr") if key == centre else None,
            n=n,
        )
        for key, value in values.items()
        if key not in _SPREAD
    ]
