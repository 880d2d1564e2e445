"""Every task of the synthetic sample, answered with its own gold answers: what is read from a gold must be what it says."""

from __future__ import annotations

import numpy as np
import pytest

from ehrbench.metrics import METRICS, Scorable
from ehrbench.readers.data_dir import open_dataset
from ehrbench.readers.item import gold_class
from ehrbench.stats.aggregate import AGGREGATES
from ehrbench.stats.majority import majority
from ehrbench.tasks.answers import clean
from ehrbench.tasks.catalog import load_catalog

CATALOG = load_catalog()
TASKS = [task.task for task in CATALOG.select("meds_bench")]
NOT_ENGLISH = ("medqa_zh", "igakuqa", "frenchmedmcqa", "rumedbench", "headqa")


def values(name, protocol, answer_of):
    task = CATALOG.get(name, protocol)
    items = open_dataset(task, "sample").items
    scorables = []
    for item in items:
        references = item.references[:1] if task.references == "first" else item.references
        answer = clean(answer_of(item, items), item, task.answer)
        scorables.append(Scorable(item.id, answer or "", references, item.labels, item.choices, item.question))
    found = {}
    for metric in map(METRICS.get, task.metrics):
        if metric.unavailable():
            pytest.skip(metric.unavailable())
        scored = metric.score(scorables)
        assert None not in scored, metric.name
        found[metric.name] = float(AGGREGATES[metric.aggregate](scored, np.ones((1, len(scored))))[0])
    return found


@pytest.mark.parametrize("name", TASKS)
def test_clean_golds_score_1(name):
    for metric, value in values(name, "clean", lambda item, items: item.references[0]).items():
        assert value == pytest.approx(0 if metric.endswith("_ambiguous") else 1, abs=1e-8), metric


@pytest.mark.parametrize("name", TASKS)
def test_paper_golds_score_1_but_for_its_defects(name):
    for metric, value in values(name, "paper", lambda item, items: item.references[0]).items():
        if name.endswith(NOT_ENGLISH):
            assert value == 0, metric
        elif name.endswith(("mcqa.pubmedqa", "ebms", "text_classification.hoc")):
            # "maybe" never scores; full stops are deleted on one side; classes without a case count 0
            assert 0 < value <= 1, metric
        else:
            assert value == pytest.approx(1, abs=1e-8), metric


@pytest.mark.parametrize("name", [name for name in TASKS if CATALOG.get(name).majority])
def test_the_commonest_answer_is_read_as_one(name):
    def commonest(item, items):
        return majority(map(gold_class, items))[0]

    for metric, value in values(name, "clean", commonest).items():
        # "False" is the commonest outcome, and F1 is that of "True"
        assert value == 0 if metric.endswith(("_ambiguous", "outcome_f1")) else 0 < value <= 1, metric
