"""Write finished MedS-Bench runs as the CSV files that its leaderboard takes: one a category."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError
from ehrbench.jsonl import write_atomically, write_private_folder
from ehrbench.readers.data_dir import open_dataset
from ehrbench.results.schema import SCORED_OUTCOMES
from ehrbench.runs.fewshot import draw_examples, example_pool
from ehrbench.scoring.loaded import LoadedRun
from ehrbench.suites.meds_bench.layout import task_id
from ehrbench.suites.meds_bench.submission.reader import write_submission
from ehrbench.tasks.prompts import render
from ehrbench.tasks.slots import prompt_slots


class Exported(NamedTuple):
    """One file that was written."""

    path: Path
    n_rows: int
    credentialed: bool
    """Whether it holds text of credentialed data, which may not be sent to the leaderboard without more ado."""


def export_runs(runs: Sequence[LoadedRun], out: Path) -> list[Exported]:
    """Write the runs' answers; the prompt is the messages' contents joined by a newline, the gold the first of several.

    Args:
        runs: finished runs of one model.
        out: a folder; made readable by its owner only and ignored by git, for the files quote the data.

    Raises:
        UsageError: a run of another suite, runs of several models or two of one task, or an item without an answer.
    """
    by_folder: dict[str, list[LoadedRun]] = defaultdict(list)
    models = {str(run.manifest["config"]["model"]["name"]) for run in runs}
    if len(models) != 1:
        raise UsageError(f"the runs are of {len(models)} models ({', '.join(sorted(models))}); a submission is of one")
    seen: set[str] = set()
    for run in runs:
        if run.task.data.reader != "meds_bench":
            raise UsageError(f"{run.folder.path} is a run of {run.task.task}, not of a MedS-Bench release")
        if run.task.task in seen:
            raise UsageError(f"two runs of {run.task.task}; name one of them")
        seen.add(run.task.task)
        folder = run.task.data.options["folder"]
        shots = 1 if run.manifest["config"]["num_fewshot"] else 0
        by_folder[f"eval_results_{folder}_{shots}_context_1_oriINS_{_plain(models)}.csv"].append(run)
    write_private_folder(out)
    return [_write(out / name, several) for name, several in sorted(by_folder.items())]


def _plain(models: set[str]) -> str:
    """The model's name without underscores, which separate the parts of the file's name, and without slashes."""
    return "".join(sign if sign.isalnum() or sign in ".-" else "-" for sign in next(iter(models)))


def _write(path: Path, runs: Sequence[LoadedRun]) -> Exported:
    rows: list[tuple[str, str, str, str]] = []
    for run in sorted(runs, key=lambda run: run.task.task):
        name = task_id(run.task.data.options["file"])
        pool = example_pool(open_dataset(run.task, run.data_dir), run.task.fewshot)
        seed = int(run.manifest["config"]["seed"])
        for item in run.items:
            prediction = run.predictions[item.id]
            if prediction.outcome not in SCORED_OUTCOMES:
                raise UsageError(
                    f"{run.folder.path}: item {item.id} has no answer ({prediction.outcome}); finish the run before exporting it"
                )
            examples = draw_examples(pool, item, run.task.fewshot, run.task.task, seed)
            messages = render(run.task.prompt, prompt_slots(item, examples))
            prompt = "\n".join(message.content for message in messages)
            rows.append((name, prompt, item.references[0] if item.references else "", prediction.steps[-1].text))
    write_atomically(path, write_submission(rows))
    path.chmod(0o600)
    private = any(run.task.data.policy == "credentialed" and not run.manifest.get("synthetic") for run in runs)
    return Exported(path, len(rows), private)
