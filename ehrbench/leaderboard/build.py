"""Build the site: results in, a folder of plain pages out, the same bytes for the same results."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ehrbench.assets import asset_dir
from ehrbench.leaderboard.check import check_files, refuse
from ehrbench.leaderboard.entries import make_entries
from ehrbench.leaderboard.files import Draft, may_replace, write_site
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.seeds import over_seeds
from ehrbench.leaderboard.site import Site
from ehrbench.results.models import ModelRegistry, read_models
from ehrbench.results.publication import open_sources, publishable_all, publishable_supplements
from ehrbench.results.repeats import Repeats
from ehrbench.results.schema import Result
from ehrbench.results.store import find_results
from ehrbench.results.supplements import Supplements, find_supplements

TITLE = "EHR benchmarks"


@dataclass(frozen=True)
class Built:
    """What a build made."""

    out: Path
    n_results: int
    n_pages: int
    n_bytes: int
    n_changed: int = 0
    """Files that were written: those whose content is another than before."""
    problems: list[str] = field(default_factory=list)
    """Files, results and entries of ``models.yaml`` that were left out, and why."""
    withheld: list[str] = field(default_factory=list)
    """What the publish check could not see, and which texts are not shown."""


def build(
    folders: Sequence[Path],
    out: Path,
    *,
    title: str = TITLE,
    data_dir: Path | None = None,
    include_paths: Sequence[Path] = (),
    address: str = "",
    reviewed_by: str | None = None,
    repeats: Sequence[Repeats] = (),
) -> Built:
    """Build the site into ``out``; of a site that is there, only the files that change are written.

    Args:
        folders: searched for ``result.json``, ``*.results.json`` and supplements; ``models.yaml`` there adds to the shipped one.
        out: the site's folder; made if absent.
        title: stands at the head of every page.
        data_dir: searched for text and identifiers that must not stand in the site; runs' private parts, and the data where the
            runs found them, always are.
        include_paths: folders with the user's own tasks, for their titles.
        address: where the site will be published; adds what a public site needs.
        reviewed_by: who has read the texts of credentialed results; without a name, those that nobody can judge are withheld.
        repeats: means over seeds beside those that the folders hold.

    Raises:
        UsageError: ``out`` holds something that is not a site.
        PolicyError: the publish check found something; the message names the place and nothing is written.
    """
    may_replace(out)
    stored, problems = find_results(folders)
    beside, more = find_supplements(folders)
    beside.repeats.extend(repeats)
    models, faults = read_models([asset_dir("published"), *folders])
    said = [*(problem.message for problem in (*problems, *more)), *faults]
    shown = [_without_folder(message, folders) for message in said]
    sources = open_sources(folders, data_dir)
    names = Names(include_paths)
    results, withheld = publishable_all(stored, sources.runs, reviewed_by)
    supplements, more_withheld = publishable_supplements(beside, names.policy, reviewed_by)
    # A text that is withheld may quote a record all the same, and then the run should be looked at before anything is published.
    # A model's name may do so too, so that no message may repeat it.
    unseen = {
        f"withheld-texts-{number}.json": one.result.model_dump_json()
        for number, (one, result) in enumerate(zip(stored, results, strict=True), 1)
        if result is not one.result and result != one.result
    }
    for number, found in enumerate((*beside.correlations, *beside.humans) if more_withheld else (), 1):
        unseen[f"withheld-supplement-{number}.json"] = found.model_dump_json()
    del stored
    with TemporaryDirectory(prefix="ehrbench-site-") as temporary:
        draft = Draft(Path(temporary))
        make_site(results, shown, title, supplements, models, names, draft)
        del results
        pictures: dict[str, bytes] = {}
        if address:
            from ehrbench.leaderboard.publish import for_hosts

            texts, pictures = for_hosts(draft, title, address)
            draft.update(texts)
        searched = sources.search(ChainMap(draft, unseen))
        refuse([*check_files(draft), *searched.findings])
        n_results = draft["data/results.csv"].count("\n") - 1
        written = write_site(out, draft, pictures)
        pages = sum(name.endswith(".html") for name in draft)
    hidden = [*filter(None, [searched.warning()]), *withheld, *more_withheld]
    return Built(out, n_results, pages, written.n_bytes, written.n_changed, said, hidden)


def make_site(
    results: Sequence[Result],
    problems: Sequence[str] = (),
    title: str = TITLE,
    supplements: Supplements | None = None,
    models: ModelRegistry | None = None,
    names: Names | None = None,
    files: MutableMapping[str, str] | None = None,
) -> MutableMapping[str, str]:
    """The site's files by their place, from results and supplements alone; put into ``files`` where that is given."""
    extra = supplements or Supplements()
    kept, left_out = _usable(results)
    registry = models or ModelRegistry()
    shown, seeds, without = over_seeds(kept, extra.repeats)
    entries = make_entries(shown, extra.comparisons, registry, seeds)
    made = {} if files is None else files
    Site(entries, extra, registry, names or Names(), title, [*problems, *left_out, *without]).write(made)
    return made


def _usable(results: Sequence[Result]) -> tuple[list[Result], list[str]]:
    """Results whose text can be written at all; half a character (a lone surrogate) cannot."""
    kept, left_out = [], []
    for result in results:
        try:
            result.model_dump_json().encode()
        except (UnicodeEncodeError, ValueError):
            who = result.model.name.encode("ascii", "replace").decode()[:60]
            what = result.task.encode("ascii", "replace").decode()[:60]
            left_out.append(f"the result of '{who}' on '{what}' holds half a character (a lone surrogate), which is not text")
            continue
        kept.append(result)
    return kept, sorted(left_out)


def _without_folder(message: str, folders: Sequence[Path]) -> str:
    """A message for the public page: where a folder lies on this machine is nobody's business."""
    for folder in sorted((str(f) for f in folders), key=len, reverse=True):
        message = message.replace(folder.rstrip("/") + "/", "")
    return message.replace(str(asset_dir("published")) + "/", "")
