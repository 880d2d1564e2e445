"""What may leave the machine: results as they may be published, after the publish check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ehrbench.errors import MissingError, PolicyError
from ehrbench.results.publication import publishable_all, search_sources
from ehrbench.results.schema import Result
from ehrbench.results.store import dumps, find_results


def checked_results(
    folders: Sequence[Path], data_dir: Path | None = None, reviewed_by: str | None = None
) -> tuple[list[Result], list[str]]:
    """The results at or below some folders, as they may be published, and what is to be said of them.

    Args:
        folders: of runs, or of result files.
        data_dir: where data are looked for that are no longer where they were.
        reviewed_by: who has read every text.

    Raises:
        MissingError: there is no result.
        PolicyError: a result quotes its run's private part or data.
    """
    stored, problems = find_results(folders)
    if not stored:
        raise MissingError(f"no result at or below {', '.join(map(str, folders))}; `ehrbench score` writes them")
    searched = search_sources({str(one.path): dumps(one.result) for one in stored}, folders, data_dir)
    if searched.findings:
        shown = "; ".join(str(finding) for finding in searched.findings[:5])
        raise PolicyError(f"not exported: {shown}. Correct the result and try again")
    results, withheld = publishable_all(stored, searched.runs, reviewed_by)
    return results, [*(problem.message for problem in problems), *filter(None, [searched.warning()]), *withheld]
