"""The papers' own tables, shipped as result files in ``results/published/``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ehrbench.errors import UsageError

if TYPE_CHECKING:
    from ehrbench.results.schema import Result
    from ehrbench.results.supplements import Supplements


def published_results(suite: str | None = None) -> list[Result]:
    """Every published row, or those of one suite, in the order of the files.

    Raises:
        UsageError: a shipped file is damaged.
    """
    from ehrbench.assets import asset_dir
    from ehrbench.results.store import find_results

    stored, problems = find_results([asset_dir("published")])
    if problems:
        raise UsageError(f"{problems[0].message}; the file was shipped with ehrbench, so install it again")
    return [one.result for one in stored if suite in (None, one.result.suite)]


def published_supplements() -> Supplements:
    """The papers' correlations, pairings and facts of datasets; raises UsageError when a shipped file is damaged."""
    from ehrbench.assets import asset_dir
    from ehrbench.results.supplements import find_supplements

    found, problems = find_supplements([asset_dir("published")])
    if problems:
        raise UsageError(f"{problems[0].message}; the file was shipped with ehrbench, so install it again")
    return found
