"""A submission: the public part of one or more runs as a file that another maintainer drops into ``results/``.

Runs under several seeds have their mean in a second file beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import PolicyError, UsageError
from ehrbench.results.publication import publishable, sealed_for, search_sources
from ehrbench.results.repeats import SUFFIX, Repeats, as_one, fault_of, without_words, write_means
from ehrbench.results.review import guarded
from ehrbench.results.schema import Result
from ehrbench.results.store import LIST_SUFFIX, RESULT_FILE, dumps, read_result, write_result
from ehrbench.results.supplements import find_supplements
from ehrbench.results.validate import check_manifest, check_result


class Packed(NamedTuple):
    """The files of a submission."""

    results: Path
    means: Path | None
    """Means over seeds, where all runs of one were packed."""


def pack(
    runs: Sequence[Path],
    out: Path | None = None,
    *,
    data_dir: Path | None = None,
    reviewed_by: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Packed:
    """Check the runs' results and write them into one file, and the means over seeds of them into another.

    Args:
        runs: folders of finished runs (each with ``result.json``).
        out: the file to write, ending in ``.results.json``, or a folder; default: a name made from model, task and
            configuration in the working folder.
        data_dir: where the data are now, if they are no longer where the runs found them.
        reviewed_by: who has read every caveat and note; without a name, those that do not ship with ehrbench are withheld.
        say: told what the check could not see, what was withheld, and which means are left out.

    Raises:
        UsageError: no result, an implausible one, or a wrong file name.
        PolicyError: a result quotes its run's private part or names an item of it.
    """
    folders = [folder.parent if folder.name == RESULT_FILE else folder for folder in runs]
    results = [_checked(folder) for folder in folders]
    path = _place(results, out)
    # The name of the file is made of the model's: a message must not repeat it before it was searched.
    searched = search_sources({"the submission.json": dumps(results), path.name: ""}, folders, data_dir)
    if searched.findings:
        shown = "; ".join(str(finding) for finding in searched.findings[:5])
        raise PolicyError(f"not packed: {shown}. Correct the result and try again")
    if any(map(guarded, results)) and (warning := searched.warning()):
        say(warning)
    packed = []
    for folder, original in zip(folders, results, strict=True):
        result, withheld = publishable(original, folder, searched.runs, reviewed_by)
        if withheld:
            say(f"{original.task}: withheld: {', '.join(withheld)}; read them and give --reviewed-by NAME to publish them")
        packed.append(sealed_for(result, folder, searched, reviewed_by))
    path = _place(packed, out)
    means = _means(folders, packed, say)
    write_result(path, packed)
    return Packed(path, write_means(path.with_name(path.name.removesuffix(LIST_SUFFIX) + SUFFIX), means) if means else None)


def _means(folders: Sequence[Path], packed: Sequence[Result], say: Callable[[str], None]) -> list[Repeats]:
    """The means that lie beside the runs, with no other words than the packed results'."""
    named = {(result.task, result.config_hash): result for result in packed}
    found, problems = find_supplements(sorted({folder.parent for folder in folders}))
    for problem in problems:
        say(problem.message)
    means = {}
    for one in found.repeats:
        runs = [named[key] for name in one.config_hashes if (key := (one.task, name)) in named]
        if runs and (fault := fault_of(one, runs)):
            say(f"{one.task}: the mean over {len(one.seeds)} seeds is left out: {fault}")
        elif runs:
            means[one.task, one.config_hash] = without_words(one, as_one(one, runs))
    return [means[key] for key in sorted(means)]


def _checked(folder: Path) -> Result:
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
