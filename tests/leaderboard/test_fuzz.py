"""Whatever stands in results, the site builds, is valid and stays inside its folder."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ehrbench.leaderboard.build import make_site
from ehrbench.leaderboard.check import check_files
from ehrbench.results import ContextInfo, MetricResult, ModelInfo, Result, Source, Usage

words = st.one_of(
    st.sampled_from(
        ["", "a", "<b>", "../..", "con", "x&y", '"', "'", "a b", "A", "--", "]]>", "</script>", "\u202e", "a=b", "…"]
    ),
    st.text(max_size=12),
)
share = st.floats(0, 1, allow_nan=False)


@st.composite
def metrics(draw: st.DrawFn) -> MetricResult:
    value = draw(st.none() | share)
    low, high = sorted((draw(share), draw(share)))
    bounded = draw(st.booleans())
    return MetricResult(
        name=draw(words),
        label=draw(words),
        value=value,
        low=low if bounded else None,
        high=high if bounded else None,
        interval=draw(words),
        n=draw(st.integers(0, 50)),
        strict_value=draw(st.none() | share),
        higher_is_better=draw(st.booleans()),
        note=draw(words),
        missing="why not",
        baseline=draw(st.none() | share),
    )


@st.composite
def results(draw: st.DrawFn) -> Result:
    numbers = draw(st.lists(metrics(), max_size=3))
    names = [metric.name for metric in numbers]
    context = ContextInfo(
        policy=draw(words), window=draw(st.none() | st.integers(0, 10**6)), share_seen_median=draw(st.none() | share)
    )
    return Result(
        kind=draw(st.sampled_from(["run", "published", "human"])),
        task=draw(words),
        suite=draw(words),
        protocol=draw(st.sampled_from(["clean", "paper"])),
        track=draw(words),
        prompt=draw(st.sampled_from(["default", "x y", "<i>"])),
        model=ModelInfo(name=draw(words), backend=draw(words), revision=draw(st.none() | words), settings={"k": draw(words)}),
        config_hash=draw(words),
        data_policy=draw(st.sampled_from(["open", "credentialed"])),
        synthetic=draw(st.booleans()),
        n_items=draw(st.integers(0, 60)),
        n_expected=draw(st.none() | st.integers(0, 60)),
        n_groups=draw(st.none() | st.integers(0, 60)),
        metrics=numbers,
        primary=draw(st.sampled_from(names)) if names else "none",
        strata={f"{draw(words)}={draw(words)}": numbers} if draw(st.booleans()) else {},
        context=draw(st.none() | st.just(context)),
        usage=Usage(calls=3, prompt_tokens=draw(st.integers(0, 10**9)), cost=draw(st.none() | st.floats(0, 1e6))),
        source=Source(title=draw(words), where=draw(words)),
        caveats=[draw(words)],
        command=draw(words),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(results(), max_size=5), words, st.lists(words, max_size=2))
def test_any_results_make_a_valid_site_that_stays_in_its_folder(several: list[Result], title: str, problems: list[str]) -> None:
    site = make_site(several, problems, title)
    assert check_files(site) == []
    for name in site:
        assert re.fullmatch(r"(?:(?:suites|tasks|models|data)/)?[a-z0-9_][a-z0-9_.-]*\.(?:html|csv|json)", name), name
    assert make_site(several[::-1], problems, title) == site
