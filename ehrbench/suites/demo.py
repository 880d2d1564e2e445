"""The demonstration: baselines and six imaginary models on the synthetic sample, scored, set beside the sample's clinicians."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ehrbench.correlation.correlate import CorrelationReport, correlate
from ehrbench.correlation.human import human_stats
from ehrbench.correlation.options import Options
from ehrbench.correlation.sources import about, collect_scores, open_ratings
from ehrbench.correlation.write import write_correlation
from ehrbench.jsonl import write_rows
from ehrbench.models.loading import load_model
from ehrbench.results.schema import Result
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog

BASELINES = ("baseline:bm25", "baseline:newest", "baseline:empty")
TASK = "medalign"


class DemoRun(NamedTuple):
    """One finished run of the demonstration."""

    result: Result
    folder: Path


def run_demo(out: Path, quiet: bool = False) -> Iterator[DemoRun]:
    """Answer and score, one model after the other.

    Args:
        out: folder of the results; what is finished there is not run again.
        quiet: no progress.
    """
    task = load_catalog().get(TASK)
    for spec in (*BASELINES, *(f"replay:{path}" for path in write_answers(out / "answers"))):
        options = RunOptions(data_dir="sample", out=out / "results", model=spec)
        model = load_model(spec, {}, None)
        try:
            shown = spec if spec in BASELINES else f"replay:{Path(spec).name}"
            command = f"ehrbench run --model {shown} --tasks {TASK} --data-dir sample"
            folder, _ = generate(prepare(task, model, options), quiet=quiet, command=command)
        finally:
            model.close()
        yield DemoRun(score_run(load_run(folder)), folder.path)


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
