"""From a file of lm-eval, Inspect or HELM to rows, whichever it is."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from ehrbench.errors import MissingError, UsageError
from ehrbench.exports.foreign import helm, inspect, lm_eval
from ehrbench.exports.foreign.parts import unusable
from ehrbench.jsonl import parse
from ehrbench.results.schema import Result

_MOST_BYTES = 1 << 30


def read_foreign(paths: Sequence[Path]) -> list[Result]:
    """The rows of some files, in their order.

    Args:
        paths: lm-eval's ``results_*.json``, Inspect's ``.eval`` or JSON logs, folders of HELM's runs.

    Raises:
        MissingError: a file, or a package that unpacks it, is not there.
        UsageError: a file of none of the three, of a newer version, or of a run that did not end; or the same numbers twice.
    """
    made: dict[str, tuple[Path, Result]] = {}
    for path in paths:
        for result in _read(path):
            if result.config_hash in made:
                raise UsageError(
                    f"{path}: task '{result.task}' of model '{result.model.name}' was read from {made[result.config_hash][0]} "
                    "already; name each file once"
                )
            made[result.config_hash] = (path, result)
    return [result for _, result in made.values()]


def _read(path: Path) -> list[Result]:
    if not path.exists():
        raise MissingError(f"{path} is not there")
    if (folder := helm.run_folder(path)) is not None:
        return helm.rows(folder)
    if path.is_dir():
        unusable(path, "not the folder of a run of HELM; of lm-eval and Inspect, name the files themselves")
    if zipfile.is_zipfile(path):
        return inspect.rows(_mapping(inspect.read_header(path), path), path)
    if path.stat().st_size > _MOST_BYTES:
        unusable(path, f"larger than {_MOST_BYTES >> 30} GiB; of Inspect, name the .eval file, of which only the header is read")
    try:
        data = _mapping(parse(path.read_text("utf-8")), path)
    except (ValueError, RecursionError):
        unusable(path, "neither JSON nor an .eval file; expected results of lm-eval, a log of Inspect or a run of HELM")
    if inspect.recognises(data):
        return inspect.rows(data, path)
    if lm_eval.recognises(data):
        return lm_eval.rows(data, path)
    unusable(
        path,
        "JSON of none of lm-eval (results, config, versions) and Inspect (eval, status); a run of HELM is named by its folder",
    )


def _mapping(data: object, path: Path) -> dict[str, object]:
    if not isinstance(data, dict):
        unusable(path, f"holds a {type(data).__name__}; expected a JSON object")
    return data
