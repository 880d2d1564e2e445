"""A submission: the public part of one or more runs as one file that another maintainer drops into ``results/``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ehrbench.errors import PolicyError, UsageError
from ehrbench.results.leaks import SiteText, private_leaks
from ehrbench.results.schema import Result
from ehrbench.results.store import LIST_SUFFIX, RESULT_FILE, dumps, read_result, write_result
from ehrbench.results.validate import check_manifest, check_result


def pack(runs: Sequence[Path], out: Path | None = None) -> Path:
    """Check the runs' results and write them into one file.

    Args:
        runs: folders of finished runs (each with ``result.json``).
        out: the file to write, ending in ``.results.json``, or a folder; default: a name made from model, task and
            configuration in the working folder.

    Raises:
        UsageError: no result, an implausible one, or a wrong file name.
        PolicyError: a result quotes its run's private part or names an item of it.
    """
    results = [_checked(folder) for folder in runs]
    path = _place(results, out)
    texts = {path.name: dumps(results)}
    private = sorted(path for folder in runs for path in (folder / "private").glob("*.jsonl"))
    findings = list(private_leaks(SiteText(texts), private))
    if findings:
        raise PolicyError(f"not packed: {'; '.join(str(finding) for finding in findings[:5])}. Mend the result and try again")
    write_result(path, results)
    return path


def _checked(folder: Path) -> Result:
    folder = folder.parent if folder.name == RESULT_FILE else folder
    if not (folder / RESULT_FILE).is_file():
        raise UsageError(f"{folder} has no {RESULT_FILE}: name the folder of a finished run, or finish it with 'ehrbench run'")
    result = read_result(folder / RESULT_FILE)
    faults = [*check_result(result), *check_manifest(result, folder)]
    if faults:
        raise UsageError(f"{folder / RESULT_FILE}: {faults[0]}" + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""))
    return result


def _place(results: Sequence[Result], out: Path | None) -> Path:
    if out is not None and not out.is_dir():
        if not out.name.endswith(LIST_SUFFIX):
            raise UsageError(f"{out}: a submission's name ends in {LIST_SUFFIX}")
        return out
    models = {result.model.name for result in results}
    if len(models) > 1:
        raise UsageError("the runs are of several models: name the file with --out")
    first = results[0]
    parts = [_plain(first.model.name)]
    parts += [_plain(first.task), first.config_hash[:8]] if len(results) == 1 else []
    return (out or Path()) / (".".join(parts) + LIST_SUFFIX)


def _plain(name: str) -> str:
    """A piece of a file name from any name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:80] or "model"
