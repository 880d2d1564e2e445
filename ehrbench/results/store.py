"""Results as files: one ``result.json`` a run, or a list of results in a ``*.results.json``."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.jsonl import write_atomically

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ehrbench.results.schema import Result

RESULT_FILE = "result.json"
LIST_SUFFIX = ".results.json"
MAX_FILE_BYTES = 64 << 20
"""A result is kilobytes; a larger file is something else under a result's name."""


class Key(NamedTuple):
    """What makes two results claims about the same thing: only one of them can be shown."""

    task: str
    task_version: int
    kind: str
    protocol: str
    track: str
    prompt: str
    context: str
    synthetic: bool
    model: str
    config_hash: str


@dataclass(frozen=True)
class Stored:
    """A result and the file it was read from."""

    path: Path
    result: Result


@dataclass(frozen=True)
class Problem:
    """Why a file, or one result of it, was left out."""

    path: Path
    message: str
    """One sentence that names the file and the key."""


def result_key(result: Result) -> Key:
    """The key under which a result may exist once."""
    context = result.context
    model = result.model
    return Key(
        result.task,
        result.task_version,
        result.kind,
        result.protocol,
        result.track,
        result.prompt,
        "" if context is None else f"{context.policy}/{context.window}",
        result.synthetic,
        json.dumps([model.name, model.backend, model.revision, model.settings], sort_keys=True),
        result.config_hash,
    )


def dumps(results: Result | Sequence[Result]) -> str:
    """The canonical JSON of a result or of a list of them: sorted keys, two spaces, a newline at the end."""
    from ehrbench.results.schema import Result

    data = _plain(results) if isinstance(results, Result) else [_plain(result) for result in results]
    return json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(result: Result) -> dict[str, Any]:
    """A result as plain data; keys that most results lack are left out where they say nothing."""
    data = result.model_dump(mode="json")
    return {key: value for key, value in data.items() if value or key not in ("strata_withheld", "reviewed")}


def write_result(path: Path, result: Result | Sequence[Result]) -> None:
    """Write a result (or a list of them) so that a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dumps(result).encode(), mode=0o644)


def read_result(path: Path) -> Result:
    """Read one result.

    Raises:
        UsageError: not readable, not JSON, another schema version, or a key with an impossible value; names file and key.
    """
    return parse_result(load_json(path), str(path))


def read_results(path: Path) -> list[Result]:
    """Read a file of one result, or of a list of them; raises UsageError as ``read_result`` does."""
    data = load_json(path)
    if isinstance(data, list):
        return [parse_result(entry, f"{path}, entry {index}") for index, entry in enumerate(data, 1)]
    return [parse_result(data, str(path))]


def find_results(folders: Iterable[Path]) -> tuple[list[Stored], list[Problem]]:
    """Read every ``result.json`` and ``*.results.json`` below the folders, in the order of their paths.

    A ``private`` folder is not entered and no link to a folder is followed. What cannot be read is named and the rest still
    loads. Unlike results under one key are all left out, since nothing says which of them is right; equal copies count once.
    """
    found: dict[Key, list[Stored]] = defaultdict(list)
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    given: dict[frozenset[str], set[str]] = {}
    for path in _result_files(folders):
        try:
            data = _shared(load_json(path), texts)
        except UsageError as error:
            problems.append(Problem(path, str(error)))
            continue
        entries = data if isinstance(data, list) else [data]
        for index, entry in enumerate(entries, 1):
            try:
                result = parse_result(entry, f"{path}, entry {index}" if isinstance(data, list) else str(path))
            except UsageError as error:
                problems.append(Problem(path, str(error)))
                continue
            _lighten(result, given)
            found[result_key(result)].append(Stored(path, result))
    stored: list[Stored] = []
    for key, several in found.items():
        if any(_claim(one.result) != _claim(several[0].result) for one in several[1:]):
            places = ", ".join(dict.fromkeys(str(one.path) for one in several))
            message = (
                f"{len(several)} different results for task '{key.task}', protocol '{key.protocol}', model "
                f"'{several[0].result.model.name[:80]}', config '{key.config_hash[:12]}' in {places}: "
                "none of them is used; remove all but one"
            )
            problems.append(Problem(several[0].path, message))
        else:
            stored.append(several[0])
    return stored, problems


def _shared(data: object, texts: dict[str, str]) -> object:
    """The same data with equal texts as one: thousands of results repeat the same names, labels and versions."""
    if isinstance(data, str):
        return texts.setdefault(data, data)
    if isinstance(data, dict):
        return {texts.setdefault(key, key): _shared(value, texts) for key, value in data.items()}
    return [_shared(value, texts) for value in data] if isinstance(data, list) else data


def _lighten(result: Result, given: dict[frozenset[str], set[str]]) -> None:
    """Let results share what pydantic notes of each part, the names of the fields that were given: half of a result's memory."""
    parts: list[BaseModel | None] = [result, result.model, result.context, result.usage, *result.metrics]
    parts += [metric for own in result.strata.values() for metric in own]
    for part in parts:
        if part is not None:
            names = part.model_fields_set
            object.__setattr__(part, "__pydantic_fields_set__", given.setdefault(frozenset(names), names))


def _claim(result: Result) -> Result:
    """A result without how its texts were checked: a submission says it, the run it was made from does not."""
    return result.model_copy(update={"reviewed": None, "caveats": [], "command": "", "environment": {}})


def parse_result(data: object, where: str) -> Result:
    """Check plain data against the schema; ``where`` names its place in the message of a UsageError."""
    from pydantic import ValidationError

    from ehrbench.results.schema import SCHEMA_VERSION, Result

    if not isinstance(data, dict):
        raise UsageError(f"{where}: expected a result (a JSON object), found {type(data).__name__}")
    version = data.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise UsageError(
            f"{where}: schema_version is {str(version)[:20]}, this ehrbench reads version {SCHEMA_VERSION}: "
            "rebuild the result with 'ehrbench score', or update ehrbench"
        )
    try:
        return Result.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the result"
        message = first["msg"].removeprefix("Value error, ")
        more = f" ({error.error_count() - 1} more like it)" if error.error_count() > 1 else ""
        raise UsageError(f"{where}: {key}: {message}{more}; docs/results-schema.md explains each key") from None


def _result_files(folders: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in folders:
        found: list[Path] = []
        for root, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if name != "private")
            found += [Path(root, name) for name in files if name == RESULT_FILE or name.endswith(LIST_SUFFIX)]
        for path in sorted(found):
            real = path.resolve()
            if real not in seen:
                seen.add(real)
                yield path


def load_json(path: Path) -> object:
    """Plain data of a JSON file.

    Raises:
        UsageError: it is no JSON, or holds a number that is none or a key twice; names the file.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB, so not a result")
        text = path.read_text(encoding="utf-8")
        data: object = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique)
        if "\\u" in text:
            json.dumps(data, ensure_ascii=False).encode("utf-8")
        return data
    except UnicodeEncodeError:
        raise UsageError(f"{path}: a text has half of a surrogate pair (\\ud800 to \\udfff), which is not a character") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text, so not a result") from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply to be a result") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object's fields; which of two values of one key is meant, nothing says."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice[:60]}' stands twice in one object: remove one")
    return fields


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text[:20])


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number a result may hold: give null and a reason under 'missing'")
