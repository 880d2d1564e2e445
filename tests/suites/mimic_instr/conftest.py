"""Fixtures on the open demo."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pytest

from ehrbench.mimic.cohort import Cohort
from ehrbench.suites.mimic_instr.questions import Chart, charts


@pytest.fixture(scope="session")
def demo_charts(demo_cohort: Cohort, demo_events: Mapping[str, pl.DataFrame]) -> Mapping[int, Chart]:
    """The demo's admissions, ready to be asked about."""
    return {chart.hadm_id: chart for chart in charts(demo_cohort.admissions, demo_events)}
