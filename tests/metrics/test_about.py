"""What each metric says of itself: a name, a sentence for a reader who does not know it, and where it is from."""

from __future__ import annotations

from collections import Counter

import pytest

from ehrbench.metrics import METRICS


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_says_what_it_is_and_where_it_is_from(name: str) -> None:
    metric = METRICS.get(name)
    assert metric.name == name
    assert metric.label
    assert 40 <= len(metric.about) <= 300
    assert metric.about[0].isupper() and metric.about.endswith(".") and ".." not in metric.about
    assert 10 <= len(metric.cite) <= 200 and metric.cite.endswith((".", ")"))


def test_metrics_that_differ_are_described_differently() -> None:
    """But for those that differ only by the closed set that an answer is read against, or by their treatment of empty answers."""
    counts = Counter(METRICS.get(name).about for name in METRICS)
    assert {about: times for about, times in counts.items() if times > 1} == {}


def test_what_is_said_of_a_metric_is_no_part_of_its_signature() -> None:
    metric = METRICS.get("chrf_pp")
    assert metric.about not in metric.signature()
    assert metric.cite not in metric.signature()
