"""A judgement as a result file beside the run it judges, and as one over several tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ehrbench.judge.judging import Judgement
from ehrbench.judge.relative import PRIMARY, relative_scores, summarise_judgement
from ehrbench.models.protocol import ModelIdentity
from ehrbench.results.schema import AnswerInfo, ModelInfo, Result
from ehrbench.results.store import write_result
from ehrbench.runs.folder import slug
from ehrbench.runs.manifest import environment
from ehrbench.scoring.loaded import LoadedRun
from ehrbench.tasks.schema import Protocol


class JudgedRun(NamedTuple):
    """One candidate under one judge."""

    candidate: LoadedRun
    reference: LoadedRun
    judge: ModelIdentity
    judgement: Judgement


def judge_result(judged: Sequence[JudgedRun], protocol: Protocol) -> Result:
    """The judge's numbers over one run, or pooled over several of one model.

    Args:
        judged: runs of one model under one judge and one reference model; several are pooled item by item, as the paper's overall
            column is.
        protocol: ``paper`` or ``clean``.
    """
    first = judged[0]
    config = first.candidate.manifest["config"]
    tasks = [one.candidate.task.task for one in judged]
    pooled = Judgement(
        judged=[item for one in judged for item in one.judgement.judged],
        orders=first.judgement.orders,
        dropped=sum(one.judgement.dropped for one in judged),
        unreadable=sum(one.judgement.unreadable for one in judged),
        failed_calls=sum(one.judgement.failed_calls for one in judged),
        config_hash=first.judgement.config_hash,
        ways=sum((Counter(one.judgement.ways) for one in judged), Counter()),
    )
    reference = first.reference.manifest["config"]["model"]["name"]
    judge = f"{first.judge.backend}:{first.judge.name}"
    signature = f"judge:{judge}|reference:{reference}|protocol:{protocol}|orders:{len(pooled.orders)}|{pooled.config_hash}"
    n = sum(len(one.candidate.items) for one in judged)
    caveats = [f"{pooled.dropped} of {n} items were not judged, because an answer is missing"] if pooled.dropped else []
    caveats += [f"{pooled.unreadable} verdicts could not be read and are not imputed"] if pooled.unreadable else []
    caveats += [f"{pooled.failed_calls} verdicts never came and are not imputed"] if pooled.failed_calls else []
    if _family(first.judge.name) == _family(config["model"]["name"]):
        caveats.append("judge and candidate look like the same family: self-preference is possible")
    return Result(
        task=tasks[0] if len(tasks) == 1 else first.candidate.task.task.partition(".")[0],
        task_version=first.candidate.task.version,
        suite=first.candidate.task.task.partition(".")[0],
        protocol=protocol,
        track=f"judge {first.judge.name}, reference {reference}",
        prompt=config["prompt"],
        model=ModelInfo(**config["model"]),
        config_hash=pooled.config_hash,
        signature=signature,
        data_policy=first.candidate.task.data.policy,
        synthetic=bool(first.candidate.manifest.get("synthetic")),
        n_items=n,
        n_groups=len({item.pair.item.group or item.pair.item.id for item in pooled.complete()}),
        metrics=summarise_judgement(pooled, protocol, signature),
        primary=PRIMARY[protocol],
        answers=AnswerInfo(verdicts=dict(pooled.ways)),
        environment=environment(),
        caveats=caveats,
        command="ehrbench judge",
    )


def write_judgement(one: JudgedRun, protocol: Protocol) -> Path:
    """Write a judgement's result beside the run it judges."""
    path = one.candidate.folder.path / f"judge-{slug(one.judge.name)}-{one.judgement.config_hash[:8]}.results.json"
    write_result(path, [judge_result([one], protocol)])
    return path


def judge_agreement(by_judge: Sequence[Sequence[JudgedRun]]) -> float | None:
    """Krippendorff's alpha (interval) of several judges' relative scores over the items; None for one judge or no overlap."""
    from ehrbench.stats.agreement import krippendorff_alpha

    scores = []
    for runs in by_judge:
        complete = [(one.candidate.task.task, item) for one in runs for item in one.judgement.complete()]
        ratios = relative_scores([item for _, item in complete])
        scores.append({(task, item.pair.item.id): ratio for (task, item), ratio in zip(complete, ratios, strict=True)})
    items = sorted({key for row in scores for key in row})
    if len(scores) < 2 or not items:
        return None
    table = np.array([[row.get(key, np.nan) for key in items] for row in scores], dtype=float)
    alpha = float(krippendorff_alpha(table, "interval"))
    return alpha if np.isfinite(alpha) else None


def _family(name: str) -> str:
    return name.lower().replace("_", "-").split("-")[0].rstrip("0123456789.")
