"""Running a metric over items: order, processes, progress and failures without patient text."""

from __future__ import annotations

import math
import os
import time
import traceback
from dataclasses import replace

import pytest

from ehrbench.errors import EhrbenchError, MissingError
from ehrbench.metrics import METRICS, Metric, Scorable
from ehrbench.scoring import compute as module
from ehrbench.scoring.compute import compute

SECRET = "the patient is called Wilhelmina"


def slow_process_id(scorables):
    time.sleep(0.01 * len(scorables))
    return [(float(s.answer), float(os.getpid())) for s in scorables]


def fails_on_13(scorables):
    if any(s.item == "13" for s in scorables):
        raise ValueError(scorables[0].answer)
    time.sleep(0.01 * len(scorables))
    return [(1.0,) for _ in scorables]


def dies_in_a_worker(scorables):
    import multiprocessing

    if multiprocessing.parent_process() is not None:
        os._exit(9)
    time.sleep(0.01 * len(scorables))
    return [(1.0,) for _ in scorables]


def missing_weights(scorables):
    raise MissingError("weights are not here: fetch them")


def metric(score, **more):
    return Metric("trial", 1, "Trial", "item_mean", score, **more)


@pytest.fixture
def eager(monkeypatch):
    """Small chunks, and a pool for a saving of a tenth of a second."""
    monkeypatch.setattr(module, "CHUNK_ITEMS", 4)
    monkeypatch.setattr(module, "POOL_START_S", 0.05)


def items(n, text="{}"):
    return [Scorable(str(i), text.format(i)) for i in range(n)]


def test_worker_processes_keep_the_order(eager):
    done = []
    got = compute(metric(slow_process_id), items(30), processes=2, progress=done.append)
    assert [value for value, _ in got] == [float(i) for i in range(30)]
    workers = {process for _, process in got[4:]}
    assert os.getpid() not in workers and got[0][1] == os.getpid()
    assert sum(done) == 30


@pytest.mark.parametrize("options", [{"processes": 1}, {"processes": 2, "n": 6}])
def test_little_work_stays_here(eager, options):
    n = options.pop("n", 30)
    assert {process for _, process in compute(metric(slow_process_id), items(n), **options)} == {os.getpid()}


def slow_to_load(scorables):
    if not LOADED:
        time.sleep(0.6)
        LOADED.append(True)
    return slow_process_id(scorables)


LOADED = []


def test_what_a_metric_loads_is_a_cost_of_each_worker(eager):
    LOADED.clear()
    assert {process for _, process in compute(metric(slow_to_load), items(30), processes=2)} == {os.getpid()}


def test_a_metric_may_refuse_processes(eager):
    assert {p for _, p in compute(metric(slow_process_id, processes=False), items(30), processes=2)} == {os.getpid()}


def test_a_function_that_cannot_travel_stays_here(eager):
    local = metric(lambda scorables: slow_process_id(scorables))
    assert {p for _, p in compute(local, items(30), processes=2)} == {os.getpid()}


@pytest.mark.parametrize("n", [14, 3])
def test_a_failure_names_metric_and_item_but_no_text(eager, n):
    these = [replace(s, item=str(13 - i)) for i, s in enumerate(items(n, SECRET + " {}"))]
    for processes in (1, 2):
        with pytest.raises(EhrbenchError) as caught:
            compute(metric(fails_on_13), these, processes=processes)
        assert str(caught.value) == "metric 'trial' failed on item '13' (ValueError)"
        assert "Wilhelmina" not in "".join(traceback.format_exception(caught.value))


def test_a_failure_in_a_worker_names_metric_and_item_but_no_text(eager):
    with pytest.raises(EhrbenchError, match="item '13'") as caught:
        compute(metric(fails_on_13), items(30, SECRET + " {}"), processes=2)
    assert "Wilhelmina" not in "".join(traceback.format_exception(caught.value))


def test_a_killed_worker_is_told(eager):
    with pytest.raises(EhrbenchError, match="was killed"):
        compute(metric(dies_in_a_worker), items(30), processes=2)


def test_user_errors_pass_through():
    with pytest.raises(MissingError, match="weights"):
        compute(metric(missing_weights), items(2))


def test_wrong_results_are_refused():
    with pytest.raises(EhrbenchError, match="1 results for 2 items"):
        compute(metric(lambda s: [(1.0,)]), items(2))
    with pytest.raises(EhrbenchError, match="item '1'"):
        compute(metric(lambda s: [None, (math.nan,)]), items(2))


def test_chunks_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_CHARACTERS", 10)
    sizes = []
    watched = metric(lambda s: sizes.append(len(s)) or [None] * len(s))
    assert compute(watched, [Scorable(str(i), "x" * size) for i, size in enumerate([4, 4, 4, 50, 1])]) == [None] * 5
    assert sizes == [2, 1, 1, 1]
    assert compute(watched, []) == []


def test_a_real_metric_travels(eager, monkeypatch):
    monkeypatch.setattr(module, "POOL_START_S", -100.0)
    rouge = METRICS.get("rouge_1")
    these = [Scorable(str(i), f"dose of {i} mg", ("dose of 5 mg daily",)) for i in range(9)]
    assert compute(rouge, these, processes=2) == rouge.score(these)
