"""The calls of the checked MedS-Bench examples, answered with our ``paper`` metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ehrbench.metrics import METRICS, Scorable
from ehrbench.stats.aggregate import AGGREGATES

CT = [f"task{number}" for number in range(83, 89)]
MRI = [f"task{number}" for number in range(89, 95)]
TEXT = ("bleu_1", "rouge_l_set")
RATIONALE_LANGUAGE = {"task51": "_zh", "task54": "_ja"}
TOKENS_OF_LANGUAGE = {"zh": "_zh", "jp": "_ja"}

SINGLE = {
    "information_extraction_accuracy": "ie_containment",
    "diagnosis_accuracy": "diagnosis_containment",
    "treatment_planning_accuracy": "treatment_containment",
    "clinical_outcome_accuracy": "outcome_true_false",
    "fact_verification_accuracy": "fact_containment",
    "nli_accuracy": "nli_containment",
    "hard_ner_f1": "ner_f1_cut",
}
"""Functions on one pair."""


def metrics_of(category: str, task: str) -> tuple[str, ...]:
    """Our metrics for a category of the examples and one of its tasks."""
    if category == "MCQA":
        return ("mcqa_first_letter_yes_no" if task == "task123" else "mcqa_first_letter",)
    if category == "Explanation":
        return tuple(f"{name}_explanation" for name in TEXT)
    if category == "Rationale":
        return tuple(f"{name}_rationale{RATIONALE_LANGUAGE.get(task, '')}" for name in TEXT)
    if category == "Fact Verification" and task == "task100":
        return tuple(f"{name}_ebms" for name in TEXT)
    return {
        "Text Summarization": TEXT,
        "NLI (generative)": TEXT,
        "NLI (discriminative)": ("nli_containment",),
        "Fact Verification": ("fact_containment",),
        "Information Extraction": ("ie_containment",),
        "Diagnosis": ("diagnosis_containment",),
        "Treatment Planning": ("treatment_containment",),
        "Clinical Outcome Prediction": ("outcome_true_false",),
        "Named Entity Recognition": ("ner_f1_cut",),
        "Text Classification": ("hoc_macro_precision", "hoc_macro_recall", "hoc_macro_f1"),
    }[category]


def corpus_value(name: str, pairs: Sequence[tuple[str, str]]) -> float | None:
    """A metric over pairs (answer, gold); None without a defined item."""
    metric = METRICS.get(name)
    if missing := metric.unavailable():
        pytest.skip(missing)
    scored = metric.score([Scorable(str(i), answer, (gold,)) for i, (answer, gold) in enumerate(pairs)])
    defined = [statistics for statistics in scored if statistics is not None]
    return float(AGGREGATES[metric.aggregate](defined, np.ones((1, len(defined))))[0]) if defined else None


def answer(case):
    """Our result in the shape of the reference's: numbers, or {task: number or [numbers]} in percent; None: no item to score."""
    call = case["call"]
    if call == "cal_similarity":
        pair = [(case["prediction"], case["gold"])]
        return [corpus_value(name + TOKENS_OF_LANGUAGE.get(case["lang"], ""), pair) for name in TEXT]
    if "rows" not in case:
        task = case.get("kwargs", {}).get("task_id", "")
        name = SINGLE[call] if call in SINGLE else metrics_of(case["category"], task)[0]
        return corpus_value(name, [(case["prediction"], case["gold"])])
    by_task: dict[str, list[tuple[str, str]]] = {}
    for row in case["rows"]:
        by_task.setdefault(row["task_id"], []).append((row["output"], row["GT"]))
    if case["category"] == "Text Summarization":
        for name, tasks in (("CT", CT), ("MRI", MRI)):
            by_task[name] = [pair for task in tasks for pair in by_task.pop(task, [])]
    return {
        task: [
            None if (value := corpus_value(name, pairs)) is None else 100 * value for name in metrics_of(case["category"], task)
        ]
        for task, pairs in by_task.items()
    }
