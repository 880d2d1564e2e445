"""The demonstration: baselines and six imaginary models on the synthetic sample, scored, rated, set beside its clinicians."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.correlation.correlate import CorrelationReport, correlate
from ehrbench.correlation.human import human_stats
from ehrbench.correlation.options import Options
from ehrbench.correlation.sources import about, collect_scores, open_ratings
from ehrbench.correlation.write import write_correlation
from ehrbench.evaluation import answer_and_score
from ehrbench.hashing import hash_data
from ehrbench.jsonl import write_rows
from ehrbench.models.loading import load_model
from ehrbench.readers.data_dir import open_dataset
from ehrbench.readers.item import Item
from ehrbench.results.schema import Result
from ehrbench.runs.events import Listener, ignore
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import find_runs
from ehrbench.suites.medalign.ratings import Rating
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.schema import TaskSpec
from ehrbench.workbench.rate.export import collect, ratings_csv, write_private
from ehrbench.workbench.rate.plan import Wish, plan_study
from ehrbench.workbench.rate.serve import open_study
from ehrbench.workbench.rate.store import Action
from ehrbench.workbench.rate.study import Rater, write_study

BASELINES = ("baseline:bm25", "baseline:newest", "baseline:empty")
TASK = "medalign"
WINDOWS = (512, 1024, 2048, 4096)
"""Windows, in words, at which two baselines read the records: what the figure of score against context length shows."""
WINDOW_METRICS = ("chrf_pp", "rouge_l")
OTHER_TASKS = "meds_bench.mcqa,meds_bench.ner,mimic_instr.schema,ehr_bench.decision.labevents,ehr_bench.decision.prescriptions"
SKILLS = {"imaginary-large": 0.9, "imaginary-medium": 0.65, "imaginary-small": 0.35}
"""Invented models and how often they give the gold answer; else they give that of another item."""
STUDY_ITEMS = 12


class DemoRun(NamedTuple):
    """One finished run of the demonstration."""

    result: Result
    folder: Path


def run_demo(out: Path, on_event: Listener = ignore) -> Iterator[DemoRun]:
    """Answer and score, one model after the other.

    Args:
        out: folder of the results; what is finished there is not run again.
        on_event: told what happens.
    """
    task = load_catalog().get(TASK)
    for spec in (*BASELINES, *(f"replay:{path}" for path in write_answers(out / "answers"))):
        yield _run(task, spec, RunOptions(data_dir="sample", out=out / "results", model=spec), on_event)


def run_windows(out: Path, on_event: Listener = ignore) -> Iterator[DemoRun]:
    """Let baselines that read the record read it through windows of several sizes."""
    task = load_catalog().get(TASK)
    for spec in BASELINES[:2]:
        for window in WINDOWS:
            options = RunOptions(
                data_dir="sample", out=out / "results", model=spec, max_model_len=window, budget_tokenizer="words", max_tokens=64
            )
            yield _run(task, spec, options, on_event, WINDOW_METRICS)


def run_other_suites(out: Path, on_event: Listener = ignore) -> Iterator[DemoRun]:
    """Answer tasks of the other suites with invented models, so that the site shows how suites stand beside one another."""
    for task in load_catalog().select(OTHER_TASKS):
        baseline = RunOptions(data_dir="sample", out=out / "results", model="baseline:majority")
        yield _run(task, "baseline:majority", baseline, on_event)
        for name, skill in SKILLS.items():
            path = out / "answers" / task.task / f"{name}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            items = open_dataset(task, "sample").items
            write_rows(path, ({"item": item.id, "answer": _answer(items, k, name, skill)} for k, item in enumerate(items)))
            spec = f"replay:{path}"
            yield _run(task, spec, RunOptions(data_dir="sample", out=out / "results", model=spec), on_event)


def _run(task: TaskSpec, spec: str, options: RunOptions, on_event: Listener, metrics: Sequence[str] | None = None) -> DemoRun:
    model = load_model(spec, {}, options.max_model_len)
    try:
        shown = f"replay:{Path(spec).name}" if spec.startswith("replay:") else spec
        command = f"ehrbench run --model {shown} --tasks {task.task} --data-dir sample"
        if options.max_model_len:
            command += f" --max-model-len {options.max_model_len} --budget-tokenizer {options.budget_tokenizer}"
        done = answer_and_score(prepare(task, model, options), metrics, command=command, on_event=on_event)
    finally:
        model.close()
    assert done.result is not None
    return DemoRun(done.result, done.folder)


def _answer(items: Sequence[Item], k: int, name: str, skill: float) -> str:
    """The gold of the item, or of another where this model does not know it; the same each time."""
    draw = int(hash_data([name, items[k].id])[:8], 16) / 16**8
    other = items[(k + 1 + int(draw * 997)) % len(items)]
    chosen = items[k] if draw < skill else other
    return "; ".join(chosen.labels) or next(iter(chosen.references), "")


def correlate_sample(out: Path) -> CorrelationReport:
    """Set the task's metrics beside the invented clinicians of the sample, and write what the leaderboard shows of it."""
    options = Options()
    source, scores = collect_scores(open_ratings(TASK, "sample", None), None)
    report = correlate(source.rankings, scores, options)
    described = about(source, options, f"ehrbench correlate --task {TASK} --data-dir sample", report.triples)
    write_correlation(out / "results" / "clinicians", report, human_stats(source.rankings, options), described)
    return report


def write_answers(folder: Path) -> list[Path]:
    """Write each imaginary model's answers, as the sample's release holds them, to a file that ``replay:`` reads."""
    from ehrbench.readers.samples import ensure_sample
    from ehrbench.suites.medalign.ratings import answers_of, read_ratings

    ratings = read_ratings(ensure_sample(TASK))
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for system in ratings.systems:
        path = folder / f"{system}.jsonl"
        write_rows(path, ({"item": item, "answer": answer} for item, answer in answers_of(ratings, system).items()))
        paths.append(path)
    return paths


def rate_sample(out: Path) -> Path:
    """Hold a small study on the six systems' runs: the sample's invented clinicians say there what its release says they said.

    Args:
        out: the demonstration's folder, with the finished runs.

    Returns:
        The study's folder; the exported ratings lie in its private part.
    """
    from ehrbench.readers.samples import ensure_sample
    from ehrbench.suites.medalign.ratings import read_ratings

    folder = out / "study"
    if folder.exists():
        return folder
    rows = read_ratings(ensure_sample(TASK)).rows
    said: dict[tuple[str, str], dict[str, Rating]] = defaultdict(dict)
    for row in rows:
        said[row.item, row.rater][row.system] = row
    systems = {row.system for row in rows}
    runs = [run for run in find_runs([out / "results"]) if run.path.parent.parent.name in systems]
    raters = [Rater(name=name) for name in sorted({rater for _, rater in said})]
    planned = plan_study(runs, raters, Wish(items=STUDY_ITEMS), folder, None).study
    readers = {item: tuple(sorted(rater for i, rater in said if i == item)) for item in planned.assignments}
    study = planned.model_copy(update={"assignments": readers, "title": "MedAlign, synthetic sample"})
    write_study(folder, study)
    with open_study(folder, alone=True) as opened:
        for item, names in readers.items():
            for name in names:
                for k, (field, system, value) in enumerate(_clicks(said[item, name])):
                    opened.store.act(name, item, Action(field, system, value, f"{item}-{k:06}", k, 8.0))
        found = collect(study, opened.material, opened.store.all_work())
        write_private(opened.folder.private / "ratings.csv", ratings_csv(study, found.judgements))
    return folder


def _clicks(said: Mapping[str, Rating]) -> Iterator[tuple[str, str, Any]]:
    """What a clinician would have clicked; the sample does not say why an answer is wrong, so the first reason stands for all."""
    ranks = {system: row.rank for system, row in said.items() if row.rank is not None}
    for system, row in said.items():
        yield "correct", system, row.correct is True
        if row.correct is not True:
            yield "reasons", system, ["not_appropriate"]
        if system in ranks:
            yield "rank", system, 1 + sum(other < ranks[system] for other in ranks.values())
    yield "done", "", True
