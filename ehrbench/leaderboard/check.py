"""The publish check: nothing private in a site, no cell of too few patients, links and pages in order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ehrbench.errors import PolicyError, UsageError
from ehrbench.leaderboard.entries import MIN_GROUPS
from ehrbench.leaderboard.files import ENDINGS, MARKER, NOT_FOUND, PLAIN, ZIPPED, read_text
from ehrbench.leaderboard.htmlcheck import check_pages
from ehrbench.results.leaks import Finding
from ehrbench.results.publication import search_sources


def check_files(files: Mapping[str, str], run_folders: Iterable[Path] = (), data_dir: Path | None = None) -> list[Finding]:
    """Every finding in a site.

    Args:
        files: the site's files by their place.
        run_folders: folders with runs, whose private parts the site must not quote.
        data_dir: the data the runs were made on.

    Runs' data are searched too, where the runs found them. Without runs and data, only small cells are looked for. A finding
    names a place in the site and a line in a source, and quotes neither.
    """
    findings = [*_small_cells(files), *search_sources(files, run_folders, data_dir).findings]
    return list(dict.fromkeys(findings))


def check_site(
    site: Path, run_folders: Iterable[Path] = (), data_dir: Path | None = None, *, reviewed_by: str | None = None
) -> list[Finding]:
    """Every finding in a built site; raises UsageError when there is none.

    Runs whose data cannot be opened are a finding, too, unless somebody has read the site: nothing is proved about them.
    """
    if not (site / "index.html").is_file():
        raise UsageError(f"{site} holds no site; 'ehrbench leaderboard build --out {site}' makes one")
    files: dict[str, str] = {}
    strange: list[Finding] = []
    for path in sorted(p for p in site.rglob("*") if p.is_file()):
        place = path.relative_to(site).as_posix()
        if path.suffix in ENDINGS:
            try:
                files[place] = "" if path.suffix == ".png" else read_text(path)
            except ValueError as error:
                strange.append(Finding(place, f"cannot be looked into: {error}"))
        elif place not in (MARKER, PLAIN):
            strange.append(Finding(place, "is not a file that a build makes"))
    # The page for wrong addresses stands in for any place, so its links are whole and lead to the host.
    pages = {name: text for name, text in files.items() if name != NOT_FOUND}
    searched = search_sources(files, run_folders, data_dir)
    blind = [
        Finding("the site", f"was not compared with the data of the run {run.name}: {reason}; --data-dir, or --reviewed-by NAME")
        for run, reason in searched.blind.items()
        if reviewed_by is None
    ]
    return list(dict.fromkeys([*strange, *check_pages(pages), *_small_cells(files), *searched.findings, *blind]))


def refuse(findings: list[Finding]) -> None:
    """Raise PolicyError when there are findings."""
    if findings:
        shown = "; ".join(str(finding) for finding in findings[:5])
        more = f"; and {len(findings) - 5} more" if len(findings) > 5 else ""
        raise PolicyError(f"the site is not published: {shown}{more}. Correct the results it is made from and build again")


def _small_cells(files: Mapping[str, str]) -> Iterator[Finding]:
    for name in sorted(files):
        if name.startswith("data/results--") and name.endswith(ZIPPED):
            yield from _small_cells_of(name, files[name])


def _small_cells_of(name: str, text: str) -> Iterator[Finding]:
    try:
        results = json.loads(text)
    except ValueError:
        results = None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        yield Finding(name, "does not hold a task's results in the form of this version: build the site again")
        return
    for number, result in enumerate(results, 1):
        if result.get("kind", "run") != "run" or result.get("synthetic") or result.get("data_policy") != "credentialed":
            continue
        groups = result.get("n_groups") if result.get("n_groups") is not None else result.get("n_items")
        place = f"{name}, entry {number}"
        if (groups is None or groups < MIN_GROUPS) and any(m.get("value") is not None for m in result.get("metrics", ())):
            yield Finding(place, f"shows numbers of fewer than {MIN_GROUPS} patients")
        for metrics in result.get("strata", {}).values():
            if any((m.get("n") or 0) < MIN_GROUPS and m.get("value") is not None for m in metrics):
                yield Finding(place, f"shows a subset of fewer than {MIN_GROUPS} items")
