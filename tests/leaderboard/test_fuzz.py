"""Whatever stands in results, the site builds, is valid and stays inside its folder."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ehrbench.leaderboard.build import make_site
from ehrbench.leaderboard.check import check_files
from ehrbench.results import ContextInfo, MetricResult, ModelInfo, Result, Source, Usage
from ehrbench.results.supplements import Correlation, Facts, HumanStats, Supplements
from tests.results.factory import make_result

words = st.one_of(
    st.sampled_from(
        ["", "a", "<b>", "../..", "con", "x&y", '"', "'", "a b", "A", "--", "]]>", "</script>", "\u202e", "a=b", "…"]
        + ["{", "{0}", "{}", "{{ 1 }}", "{% x %}", "%s", "\\1", "$x"]
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
        assert re.fullmatch(r"(?:(?:suites|tasks|models|data)/)?[a-z0-9_][a-z0-9_.-]*\.(?:html|csv|json|zip)", name), name
    assert make_site(several[::-1], problems, title) == site


@st.composite
def intervals(draw: st.DrawFn) -> dict[str, object]:
    low, value, high = sorted((draw(share), draw(share), draw(share)))
    bounded = draw(st.booleans())
    return {"value": value, "low": low if bounded else None, "high": high if bounded else None, "n": draw(st.none() | st.just(9))}


@st.composite
def supplements(draw: st.DrawFn) -> Supplements:
    common = {"task": draw(words), "suite": draw(words), "title": draw(words), "caveats": [draw(words)], "command": draw(words)}
    metrics = [
        {"name": draw(words), "label": draw(words), "cluster": draw(st.none() | words), "note": draw(words)} | draw(intervals())
        for _ in range(draw(st.integers(0, 4)))
    ]
    ceiling = draw(st.none() | intervals())
    correlation = Correlation.model_validate(common | {"statistic": draw(words), "metrics": metrics, "inter_rater": ceiling})
    pairs = [{"a": draw(words), "b": draw(words), "wins": draw(share), "ties": draw(st.none() | share)} for _ in range(4)]
    matrix = {"judge": draw(words), "label": draw(words), "pairs": pairs}
    system = {"name": draw(words), "correct": draw(st.none() | intervals()), "mean_rank": draw(st.none() | intervals())}
    human = HumanStats.model_validate(common | {"systems": [system, system], "head_to_head": [matrix, matrix]})
    fact = {"group": draw(words), "label": draw(words), "value": 1.5, "unit": draw(words), "source": {"title": "t", "where": "w"}}
    facts = Facts.model_validate({"suite": common["suite"], "facts": [fact]})
    return Supplements([correlation, correlation], [human], [facts])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(supplements())
def test_any_supplements_make_a_valid_page(extra: Supplements) -> None:
    result = make_result(task=extra.correlations[0].task, suite=extra.correlations[0].suite)
    site = make_site([result], supplements=extra)
    assert check_files(site) == []
    assert "agreement.html" in site
