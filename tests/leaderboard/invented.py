"""An invented season: many models on the shipped tasks of two suites, some never run, some items never answered.

Skills, tasks' difficulties and patients are drawn once from a seed, so that numbers hang together as real ones do: better models
are better almost everywhere, intervals are as wide as their items make them, and neighbours cannot be told apart.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from math import sqrt

from ehrbench.hashing import hash_data
from ehrbench.results import MetricResult, ModelInfo, Result, Usage
from ehrbench.tasks.catalog import load_catalog

FAMILIES = ("Alder", "Birch", "Cedar", "Doveberry", "Elm", "Fir", "Ginkgo", "Hazel")
SIZES = ("1B", "3B", "8B", "14B", "32B", "70B", "120B", "235B")
LABELS = {"accuracy": "Accuracy", "bleu": "BLEU-1", "f1": "F1", "auroc": "AUROC"}


def model_names(n: int) -> list[str]:
    """Invented names of models."""
    return [f"{FAMILIES[k % 8]}-{k // 64 + 1}.{k // 8 % 8}-{SIZES[(3 * k + k // 8) % 8]}" for k in range(n)]


def task_names(n: int) -> list[str]:
    """Tasks that ehrbench ships, by name; those of suites with many tasks first."""
    names = sorted(load_catalog().raw, key=lambda name: (name.count(".") < 2, name))
    return sorted(names[:n])


def invented(n_models: int, n_tasks: int, *, missing: float = 0.08, unanswered: float = 0.05, seed: int = 5) -> Iterator[Result]:
    """Results of every model on every task but a share of ``missing``; up to a share of ``unanswered`` items have no answer."""
    rng = random.Random(seed)
    names = model_names(n_models)
    skills = {name: rng.gauss(0, 0.06) + 0.07 * SIZES.index(name.rpartition("-")[2]) / 8 for name in names}
    for task in task_names(n_tasks):
        suite = task.partition(".")[0]
        base, n_items = rng.uniform(0.25, 0.7), rng.choice((200, 300, 500, 1000, 1500))
        kind = _kind(task)
        for name in names:
            if rng.random() < missing:
                continue
            lost = int(n_items * rng.uniform(0, unanswered)) if rng.random() < 0.5 else 0
            value = min(0.97, max(0.03, base + skills[name] + rng.gauss(0, 0.025)))
            yield _result(name, task, suite, kind, value, n_items, lost, rng)


def _kind(task: str) -> str:
    if ".risk." in task or task.endswith(("mortality", "readmission", "los")):
        return "auroc"
    if ".ner." in task or ".decision." in task:
        return "f1"
    return "bleu" if any(part in task for part in ("summar", "explanation", "rationale")) else "accuracy"


def _result(name: str, task: str, suite: str, kind: str, value: float, n_items: int, lost: int, rng: random.Random) -> Result:
    n = n_items - lost
    half = 1.96 * sqrt(value * (1 - value) / n) * (0.7 if kind == "bleu" else 1)
    strict = None if kind == "auroc" else value * n / n_items
    majority = 0.5 if kind == "auroc" else 0.25 if kind == "accuracy" else None
    primary = _metric(kind, value, half, n, strict, majority)
    second = _metric("exact", value * 0.8, half, n, None if strict is None else strict * 0.8, None)
    config = hash_data([name, task])[:16]
    return Result(
        task=task,
        suite=suite,
        protocol="clean",
        model=ModelInfo(name=name, backend="hf", revision=hash_data(name)[:8]),
        config_hash=config,
        signature=f"{config}|task:{task}@1|protocol:clean|n:{n}/{n_items}|v:0.1.0",
        data_policy="open",
        n_items=n_items,
        n_expected=n_items,
        outcomes={"answered": n, "api_error": lost} if lost else {"answered": n},
        metrics=[primary, second],
        primary=primary.name,
        usage=Usage(
            calls=n_items,
            prompt_tokens=n_items * rng.randrange(600, 4000),
            answer_tokens=n_items * rng.randrange(5, 90),
            seconds=60.0,
        ),
        environment={"ehrbench": "0.1.0", "python": "3.11.9", "platform": "Linux x86_64"},
        date=f"2026-{1 + int(hash_data(name)[:4], 16) % 11:02d}-{1 + int(hash_data(name)[4:8], 16) % 28:02d}",
        command=f"ehrbench run --model {name} --tasks {task}",
    )


def _metric(kind: str, value: float, half: float, n: int, strict: float | None, majority: float | None) -> MetricResult:
    return MetricResult(
        name={"accuracy": "accuracy", "bleu": "bleu_1", "f1": "f1", "auroc": "auroc"}.get(kind, "exact_match"),
        label=LABELS.get(kind, "Exact match"),
        value=round(value, 6),
        low=round(max(0.0, value - half), 6),
        high=round(min(1.0, value + half), 6),
        interval=f"percentile bootstrap, 10000 resamples of {n} items",
        n=n,
        strict_value=None if strict is None else round(strict, 6),
        signature=f"{kind}|v:1",
        baseline=majority,
    )


def models_yaml(names: Sequence[str]) -> str:
    """Cards of the invented models."""
    lines = ["models:"]
    for k, name in enumerate(names):
        family, _, size = name.rpartition("-")
        maker = f"{family.partition('-')[0]} Research"
        lines.append(
            f"  - {{name: {name}, organisation: {maker}, parameters: {size}, open_weights: {str(k % 3 > 0).lower()}, "
            f"released: {2023 + k % 4}-0{1 + k % 9}-15, licence: {'Apache 2.0' if k % 3 else 'proprietary'}}}"
        )
    return "\n".join(lines) + "\n"
