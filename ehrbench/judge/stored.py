"""A judge's verdicts as its runs hold them: whom they are about, and each item's relative score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.judge.prompt import Order
from ehrbench.judge.verdict import Verdict, read_verdict
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import read_manifest
from ehrbench.runs.store import read_predictions


class JudgeFolder(NamedTuple):
    """One run of a judge, about one candidate; an unreadable verdict is asked for again in a further one."""

    folder: RunFolder
    manifest: Mapping[str, Any]

    @property
    def judge(self) -> str:
        """The judge's name."""
        return str(self.manifest["config"]["model"]["name"])

    @property
    def candidate(self) -> str:
        """The judged model's name."""
        return str(self.manifest["judged"]["candidate"]["model"])

    @property
    def reference(self) -> str:
        """The model that is the measure."""
        return str(self.manifest["judged"]["reference"]["model"])

    @property
    def strict(self) -> bool:
        """Whether verdicts are read as the paper's code does."""
        return bool(self.manifest["judged"]["protocol"] == "paper")


class JudgeScores(NamedTuple):
    """What one judge makes of several systems' answers."""

    judge: str
    reference: str
    scores: Mapping[tuple[str, str], float]
    """(item, system) to the score in percent of the reference's; the reference itself has 100."""
    n_unreadable: int
    """Answers without a verdict that can be read."""


def find_judge_folders(paths: Sequence[Path]) -> list[JudgeFolder]:
    """Every judge's run at or below some folders that says whom it judged."""
    places = {m.parent for path in paths if path.is_dir() for m in path.rglob("manifest.json")}
    folders = [RunFolder(path) for path in sorted(places) if path.parent.name.startswith("judge.")]
    read = [JudgeFolder(folder, read_manifest(folder)) for folder in folders]
    return [one for one in read if "judged" in one.manifest]


def read_judges(paths: Sequence[Path]) -> list[JudgeScores]:
    """The relative scores of every judge whose runs are at or below some folders.

    Raises:
        UsageError: there is none, or one judge measured candidates by different references.
    """
    by_judge: dict[str, list[JudgeFolder]] = defaultdict(list)
    for one in find_judge_folders(paths):
        by_judge[one.judge].append(one)
    if not by_judge:
        raise UsageError(
            f"no judge's run at or below {', '.join(map(str, paths))}: name what `ehrbench judge … --out` wrote; runs of a judge "
            "made before it was kept whom they are about have to be made again"
        )
    return [_scores(judge, folders) for judge, folders in sorted(by_judge.items())]


def _scores(judge: str, folders: Sequence[JudgeFolder]) -> JudgeScores:
    references = sorted({one.reference for one in folders})
    if len(references) > 1:
        raise UsageError(
            f"judge '{judge}' measured candidates by {' and by '.join(references)}; scores relative to different models cannot "
            "be ranked together, so name the runs of one reference"
        )
    verdicts: dict[tuple[str, str], dict[Order, Verdict]] = defaultdict(dict)
    for one in folders:
        for key, prediction in read_predictions(one.folder.predictions).items():
            item, _, order = key.rpartition("/")
            found = verdicts[item, one.candidate]
            verdict = read_verdict(prediction.answer or "", order, one.strict)  # type: ignore[arg-type]
            if verdict is not None:
                found.setdefault(order, verdict)  # type: ignore[arg-type]
    scores = {key: sum(v.ratio for v in found.values()) / len(found) for key, found in verdicts.items() if found}
    scores |= {(item, references[0]): 100.0 for item, _ in list(scores)}
    return JudgeScores(judge, references[0], scores, sum(not found for found in verdicts.values()))
