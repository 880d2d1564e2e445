"""Whatever the ratings and scores, the numbers are finite or absent, and the files are valid."""

from __future__ import annotations

import csv
import io
import math
import warnings

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ehrbench.correlation.correlate import correlate
from ehrbench.correlation.human import human_stats
from ehrbench.correlation.options import Options
from ehrbench.correlation.output import (
    About,
    correlation_result,
    human_result,
    metrics_csv,
    pairs_csv,
    plot,
    systems_csv,
    to_json,
)
from ehrbench.correlation.raters import rater_agreement
from ehrbench.correlation.ratings import build
from ehrbench.correlation.scores import Scores
from ehrbench.errors import UsageError
from ehrbench.results.supplements import Correlation, HumanStats


@st.composite
def tables(draw):
    """Ratings by up to three raters with holes, and scores of up to three metrics with holes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    items, systems, raters = (draw(st.integers(low, high)) for low, high in ((1, 6), (2, 4), (1, 3)))
    hole, levels = draw(st.sampled_from([0.0, 0.3, 0.9])), draw(st.integers(1, 4))
    nan = float("nan")
    rows = {
        (f"i{i}", f"r{r}", f"s{s}"): (
            nan if rng.random() < hole else float(rng.integers(0, levels)),
            float(rng.choice([0, 1, nan])),
            bool(rng.random() < 0.5),
            nan if rng.random() < hole else float(rng.integers(0, 9)),
        )
        for i in range(items)
        for r in range(raters)
        for s in range(systems)
        if (r == 0 and s < 2) or rng.random() < 0.8
    }
    groups = {f"i{i}": f"p{i // 2}" for i in range(items) if rng.random() < 0.9}
    # A table without any rank or verdict is refused, which has a test of its own.
    assume(any(math.isfinite(rank) or math.isfinite(verdict) for rank, verdict, *_ in rows.values()))
    ratings = build("fuzz", rows, groups, with_used=bool(rng.random() < 0.5), with_lengths=bool(rng.random() < 0.5))
    scores = [
        Scores(
            f"m{k}",
            "=m",
            True,
            {
                (f"i{i}", f"s{s}"): float(rng.integers(0, levels))
                for i in range(items)
                for s in range(systems)
                if rng.random() > hole or (i, s) == (0, 0)
            },
        )
        for k in range(draw(st.integers(1, 3)))
    ]
    return ratings, scores


@given(
    tables(),
    st.sampled_from(["b", "a", "wmt", "c"]),
    st.sampled_from(["exclude", "mixed", "zero"]),
    st.sampled_from(["items", "patients", "both"]),
    st.sampled_from([None, "mean-rank", "each", "used"]),
    st.sampled_from(["item", "model"]),
)
@settings(max_examples=60, deadline=None)
def test_any_table(table, tau, policy, unit, triples, level):
    ratings, scores = table
    options = Options(tau, policy, triples, unit, 100, level)
    about = About("fuzz", "fuzz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            human = human_stats(ratings, options)
            raters = rater_agreement(ratings, options)
            report = correlate(ratings, scores, options)
        except UsageError:
            return
        found = Correlation.model_validate_json(to_json(correlation_result(report, about)))
        people = HumanStats.model_validate_json(to_json(human_result(human, about, report)))
    for m in found.metrics:
        assert found.span[0] <= m.value <= found.span[1]
        assert m.low is None or m.low <= m.high
    assert len(people.systems) == len(ratings.systems)
    assert raters.tau.value is None or -1 <= raters.tau.value <= 1
    widths = [
        {len(row) for row in csv.reader(io.StringIO(text))}
        for text in (metrics_csv(report), pairs_csv(report), systems_csv(human))
    ]
    assert all(len(width) == 1 for width in widths)
    assert "nan" not in metrics_csv(report)
    assert (plot(found) is None) == (not found.metrics)
