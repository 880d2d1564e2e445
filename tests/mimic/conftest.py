"""Fixtures on the open demo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from ehrbench.mimic.cohort import Cohort, build_cohort
from ehrbench.mimic.events import EVENT_TABLES, event_rows
from ehrbench.mimic.questions import Chart, charts
from ehrbench.mimic.tables import Mimic


@pytest.fixture(scope="session")
def demo(shared_dir: Path) -> Mimic:
    """The open demo, with its emergency-department part."""
    return Mimic(shared_dir / "data" / "mimic-iv-demo", ed=shared_dir / "data" / "mimic-iv-ed-demo")


@pytest.fixture(scope="session")
def demo_cohort(demo: Mimic) -> Cohort:
    """The demo's 119 admissions."""
    return build_cohort(demo)


@pytest.fixture(scope="session")
def demo_events(demo: Mimic, demo_cohort: Cohort) -> Mapping[str, pl.DataFrame]:
    """Every event of the demo's cohort, by type."""
    return {e: event_rows(demo, demo_cohort, e) for e in EVENT_TABLES}


@pytest.fixture(scope="session")
def demo_charts(demo_cohort: Cohort, demo_events: Mapping[str, pl.DataFrame]) -> Mapping[int, Chart]:
    """The demo's admissions, ready to be asked about."""
    return {chart.hadm_id: chart for chart in charts(demo_cohort.admissions, demo_events)}
