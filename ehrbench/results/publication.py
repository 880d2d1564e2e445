"""The publish check: what is to be published against runs' private parts and the data that they were made on."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ehrbench.errors import EhrbenchError
from ehrbench.results.leaks import Finding, Search
from ehrbench.results.review import guarded, judge, judge_supplement, seal, sealed
from ehrbench.results.sources import private_files, search_data, search_items, search_private
from ehrbench.results.store import RESULT_FILE, Stored
from ehrbench.results.supplements import Correlation, HumanStats, Supplements, ships

if TYPE_CHECKING:
    from ehrbench.readers.dataset import Dataset
    from ehrbench.results.schema import Result
    from ehrbench.tasks.schema import TaskSpec

C = TypeVar("C", Correlation, HumanStats)


@dataclass
class Searched:
    """What was searched, and what was found."""

    findings: list[Finding] = field(default_factory=list)
    runs: set[Path] = field(default_factory=set)
    """Folders of runs whose data were searched."""
    blind: dict[Path, str] = field(default_factory=dict)
    """Folders of credentialed runs whose data could not be opened, and why."""
    n_private: int = 0
    """Private files that were searched."""

    def warning(self) -> str | None:
        """One loud sentence where the check saw less than it should; None where it saw everything."""
        if not self.blind:
            return None
        first, reason = next(iter(self.blind.items()))
        return (
            f"WARNING: the publish check is blind for {len(self.blind)} of {len(self.blind) + len(self.runs)} runs: their data "
            f"cannot be opened (first: {first.name}: {reason}). Texts that it cannot judge are withheld; give the data with "
            "--data-dir, or --reviewed-by NAME where a person has read every text"
        )


@dataclass
class Sources:
    """What a publication is compared with, opened once: runs' private parts, and the data that the runs were made on."""

    private: list[Path]
    datasets: list[Dataset] = field(default_factory=list)
    folder: Path | None = None
    """A folder of data that is searched too."""
    runs: set[Path] = field(default_factory=set)
    """Folders of runs whose data are at hand."""
    blind: dict[Path, str] = field(default_factory=dict)
    """Folders of credentialed runs whose data cannot be opened, and why."""

    def search(self, files: Mapping[str, str]) -> Searched:
        """Compare texts, by name, with all of it."""
        searched = Searched(runs=self.runs, blind=self.blind, n_private=len(self.private))
        if not self.private and not self.datasets and self.folder is None:
            return searched
        search = Search(files)
        search_private(search, self.private)
        roots: set[Path] = set()
        for dataset in self.datasets:
            search_items(search, dataset, dataset.root.name)
            if dataset.root.is_dir() and dataset.files and dataset.root.resolve() not in roots:
                roots.add(dataset.root.resolve())
                searched.findings += search_data(search, dataset.root)
        if self.folder is not None and self.folder.is_dir() and self.folder.resolve() not in roots:
            searched.findings += search_data(search, self.folder)
        searched.findings += search.findings()
        searched.findings = list(dict.fromkeys(searched.findings))
        return searched


def open_sources(folders: Iterable[Path], data_dir: Path | None = None) -> Sources:
    """The private parts and the data of the runs below some folders.

    Args:
        folders: searched for runs; where a run's data are stands in its ``private/origin.json``.
        data_dir: a folder that is searched too, and where data are looked for that are no longer where they were.
    """
    folders = list(folders)
    sources = Sources(private_files(folders), folder=data_dir)
    runs = {path.parent for folder in folders for path in folder.rglob("manifest.json") if (path.parent / "private").is_dir()}
    seen: set[str] = set()
    for run in sorted(runs):
        try:
            dataset, key = _open(run, data_dir)
        except (EhrbenchError, OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error) if isinstance(error, EhrbenchError) else f"{type(error).__name__} in manifest.json or origin.json"
            if (run / RESULT_FILE).is_file() and not _is_open(run):
                sources.blind[run.resolve()] = reason
            continue
        sources.runs.add(run.resolve())
        if key not in seen:
            seen.add(key)
            sources.datasets.append(dataset)
    return sources


def search_sources(files: Mapping[str, str], folders: Iterable[Path], data_dir: Path | None = None) -> Searched:
    """Compare texts, by name, with the runs below some folders and with their data; see ``open_sources``."""
    return open_sources(folders, data_dir).search(files)


def _open(run: Path, data_dir: Path | None) -> tuple[Dataset, str]:
    """A run's data, and a name for what its reader makes of them."""
    from ehrbench.readers.data_dir import open_dataset
    from ehrbench.tasks.schema import TaskSpec

    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    task = TaskSpec.model_validate(manifest["task"])
    origin = json.loads((run / "private" / "origin.json").read_text(encoding="utf-8"))["data_dir"]
    wanted = manifest["config"]["data_hash"]
    dataset = None
    for place in dict.fromkeys([origin, *([str(data_dir)] if data_dir is not None else [])]):
        try:
            found = open_dataset(task, place)
        except EhrbenchError as error:
            reason = error
            continue
        if found.digest() == wanted:
            dataset, origin = found, place
            break
        reason = EhrbenchError("the data there are not those that the run was made on")
    if dataset is None:
        raise reason
    return dataset, f"{origin} {task.data.model_dump_json()} {wanted}"


def _is_open(run: Path) -> bool:
    """Whether a run says that it was made on open data or on the synthetic sample."""
    manifest = _manifest(run)
    try:
        policy = manifest.get("task", {}).get("data", {}).get("policy")
    except AttributeError:
        return False
    return bool(manifest.get("synthetic") or manifest.get("open_data") or policy == "open")


def publishable(
    result: Result, folder: Path | None, searched: Collection[Path], reviewed_by: str | None
) -> tuple[Result, list[str]]:
    """A result as it may be published, and the keys whose text is withheld.

    Args:
        result: as it was read.
        folder: of its run; None for a submission.
        searched: folders of runs whose data a publication is compared with.
        reviewed_by: who has read its texts.
    """
    if not guarded(result) or reviewed_by or sealed(result):
        return result, []
    was_searched = folder is not None and folder.resolve() in searched
    manifest = {} if folder is None else _manifest(folder)
    task = _task(manifest)
    may_publish = None if task is None else task.may_publish
    judged = judge(result, searched=was_searched, may_publish=may_publish, model=_model(manifest))
    return judged.result, judged.withheld


def publishable_all(
    stored: Sequence[Stored], searched: Collection[Path], reviewed_by: str | None
) -> tuple[list[Result], list[str]]:
    """The results of a site, and a sentence about each of whose texts something is withheld."""
    results, said = [], []
    for one in stored:
        folder = one.path.parent if one.path.name == RESULT_FILE else None
        result, withheld = publishable(one.result, folder, searched, reviewed_by)
        results.append(result)
        if withheld:
            said.append(f"{one.path}: withheld, because nobody has reviewed the text: {', '.join(withheld)}")
    return results, said


def publishable_supplements(
    found: Supplements, policy: Callable[[str], str | None], reviewed_by: str | None
) -> tuple[Supplements, list[str]]:
    """What stands beside results, and a sentence about each of whose texts something is withheld.

    Args:
        found: as it was read.
        policy: of a task's data; None for a task that nobody knows.
        reviewed_by: who has read the texts.
    """
    said: list[str] = []

    def shown(one: C) -> C:
        if reviewed_by or one.synthetic or one.is_sealed or policy(one.task) == "open" or ships(one):
            return one
        kept, withheld = judge_supplement(one)
        if withheld:
            said.append(
                f"{one.kind} of {one.task}: withheld, because nobody has vouched for the text: {', '.join(withheld)}; make the "
                "file again with the command that writes it, or read it and give --reviewed-by NAME"
            )
        return kept

    kept = replace(found, correlations=[*map(shown, found.correlations)], humans=[*map(shown, found.humans)])
    return kept, said


def sealed_for(result: Result, folder: Path, searched: Searched, reviewed_by: str | None) -> Result:
    """A result for other maintainers, who have neither the run nor its data: with a note of how its texts were checked."""
    was_searched = folder.resolve() in searched.runs
    return seal(result, searched=was_searched, by=reviewed_by) if guarded(result) and (was_searched or reviewed_by) else result


def _manifest(run: Path) -> dict[str, Any]:
    """A run's manifest; empty where there is none that can be read."""
    try:
        found = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _model(manifest: Mapping[str, Any]) -> str:
    """The name that a run's manifest gives its model."""
    try:
        return str(manifest["config"]["model"]["name"])
    except (LookupError, TypeError):
        return ""


def _task(manifest: Mapping[str, Any]) -> TaskSpec | None:
    from pydantic import ValidationError

    from ehrbench.tasks.schema import TaskSpec

    try:
        return TaskSpec.model_validate(manifest["task"])
    except (LookupError, ValidationError):
        return None
