"""docs/results-schema.md explains every key, and no key that is gone."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from ehrbench.results import ContextInfo, MetricResult, ModelInfo, Result, Source, Usage
from ehrbench.results.schema import Review
from ehrbench.results.supplements import (
    Comparison,
    Correlation,
    Fact,
    Facts,
    HeadToHead,
    HumanStats,
    Interval,
    MetricAgreement,
    Pair,
    SystemJudgement,
)

DOC = (Path(__file__).resolve().parents[2] / "docs" / "results-schema.md").read_text(encoding="utf-8")
SECTIONS: dict[str, tuple[type[BaseModel], ...]] = {
    "## A result": (Result,),
    "### `model`": (ModelInfo,),
    "### An entry of `metrics`": (MetricResult,),
    "### `context`": (ContextInfo,),
    "### `usage`": (Usage,),
    "### `source`": (Source,),
    "### `reviewed`": (Review,),
    "## Metrics beside clinicians": (Correlation, MetricAgreement, Interval),
    "## People's judgement": (HumanStats, SystemJudgement, HeadToHead, Pair, Interval),
    "## Paired tests of two runs": (Comparison,),
    "## Facts of a dataset": (Facts, Fact),
}


def _section(heading: str) -> str:
    start = DOC.index(heading)
    following = [m.start() for m in re.finditer(r"^#{2,3} ", DOC, re.MULTILINE) if m.start() > start]
    return DOC[start : following[0] if following else len(DOC)]


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_is_explained(heading: str) -> None:
    named = set(re.findall(r"`([a-z_]+)`", _section(heading)))
    for model in SECTIONS[heading]:
        assert set(model.model_fields) <= named, (model.__name__, set(model.model_fields) - named)


@pytest.mark.parametrize("heading", [h for h in SECTIONS if len(SECTIONS[h]) == 1])
def test_no_table_explains_a_key_that_is_gone(heading: str) -> None:
    (model,) = SECTIONS[heading]
    for row in re.findall(r"^\| (`.*?) \|", _section(heading), re.MULTILINE):
        assert set(re.findall(r"`([a-z_]+)`", row)) <= set(model.model_fields), row
