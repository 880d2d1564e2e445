"""Fixtures every test may use."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import settings

from ehrbench.mimic.cohort import Cohort, build_cohort
from ehrbench.mimic.events import EVENT_TABLES, event_rows
from ehrbench.mimic.tables import Mimic

# A slow machine is no failure, and the examples are the same each time, so that what passed once passes on any day. New ones
# are sought on purpose: pytest --hypothesis-profile fresh.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("fresh", deadline=None)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
"""Examples that were checked by hand or against the authors' code; tests/golden/README.md says where each is from."""
CHROMIUM = os.environ.get("EHRBENCH_CHROMIUM", "/usr/bin/chromium")
NEEDS = {
    "hf": ("torch", "transformers"),
    "vllm": ("vllm",),
    "lm_eval": ("lm_eval", "torch"),
    "ray": ("ray",),
    "browser": ("playwright",),
    "meds": ("MIMIC_IV_MEDS", "aces", "meds_evaluation", "torch", "transformers"),
    "every_eval_ever": ("every_eval_ever",),
    "datasets": ("datasets",),
    "litellm": ("litellm",),
    "inspect": ("inspect_ai",),
    "openai": ("openai", "azure"),
}
"""What a mark's tests import: their modules can be collected without it, so that ``-m`` deselects them as a whole."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Skip what was asked for and cannot run here."""
    absent = {mark: [name for name in names if find_spec(name) is None] for mark, names in NEEDS.items()}
    for item in items:
        for mark, names in absent.items():
            if names and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=f"{mark}: {' and '.join(names)} not installed"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with how many tests were skipped and why: each stands for something that was not checked."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} skipped", yellow=True, bold=True)
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    for reason, times in reasons.most_common():
        terminalreporter.line(f"{times:5}  {reason}", yellow=True)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with the open demo data, which the repository does not hold."""
    folder = Path(os.environ.get("EHRBENCH_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(
            "no open MIMIC demo here: set EHRBENCH_SHARED to the folder that holds data/mimic-iv-demo "
            "(docs/data.md says where to get it)"
        )
    return folder


@pytest.fixture(scope="session", autouse=True)
def _session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of what is made once for several tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EHRBENCH_HOME", str(tmp_path_factory.mktemp("ehrbench-session-home")))
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's approvals and caches."""
    home = tmp_path_factory.mktemp("ehrbench-home")
    monkeypatch.setenv("EHRBENCH_HOME", str(home))


@pytest.fixture(scope="session")
def demo(shared_dir: Path) -> Mimic:
    """The open demo, with its emergency-department part."""
    return Mimic(shared_dir / "data" / "mimic-iv-demo", ed=shared_dir / "data" / "mimic-iv-ed-demo")


@pytest.fixture(scope="session")
def official(shared_dir: Path) -> Path:
    """The open demo as MEDS, by the official extraction."""
    root = shared_dir / "data" / "mimic-iv-demo-meds"
    if not root.is_dir():
        pytest.skip("no MEDS extract of the open MIMIC demo here")
    return root


@pytest.fixture(scope="session")
def demo_cohort(demo: Mimic) -> Cohort:
    """The demo's 119 admissions."""
    return build_cohort(demo)


@pytest.fixture(scope="session")
def demo_events(demo: Mimic, demo_cohort: Cohort) -> Mapping[str, pl.DataFrame]:
    """Every event of the demo's cohort, by type."""
    return {e: event_rows(demo, demo_cohort, e) for e in EVENT_TABLES}


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium without a window; one in each process, as playwright does not run twice in one."""
    from playwright.sync_api import sync_playwright

    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: install one or set EHRBENCH_CHROMIUM")
    quiet = ("gpu", "quic", "background-networking", "component-update", "sync")
    arguments = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()
