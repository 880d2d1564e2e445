"""``ehrbench metrics list``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ehrbench.cli.metrics import app
from ehrbench.metrics import METRICS, Metric


@pytest.fixture
def other_metric(monkeypatch):
    """A metric that this machine cannot compute."""
    metric = Metric(
        "trial",
        2,
        "Trial",
        "item_mean",
        lambda s: [],
        (0.0, 50.0),
        False,
        libraries=("no-such-distribution",),
        unavailable=lambda: "get it.",
    )
    monkeypatch.setitem(METRICS._targets, "trial", metric)


def test_list_shows_every_metric_and_what_is_missing(other_metric):
    shown = CliRunner().invoke(app, ["list"])
    assert shown.exit_code == 0
    assert {line.split()[0] for line in shown.stdout.splitlines()[2:]} >= set(METRICS)
    assert "trial: get it." in shown.stdout
    assert "0 to 50, lower is better" in shown.stdout


def test_json_carries_the_signature(other_metric):
    rows = {row["name"]: row for row in json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)}
    assert list(rows) == sorted(METRICS)
    assert rows["chrf_pp"]["signature"] == METRICS.get("chrf_pp").signature()
    assert rows["chrf_pp"]["available"] is True and rows["chrf_pp"]["needs"] == ["reference"]
    assert rows["trial"]["signature"] is None and rows["trial"]["available"] is False


def test_listing_imports_nothing_heavy():
    program = (
        "import sys; from typer.testing import CliRunner; from ehrbench.cli.metrics import app; "
        "CliRunner().invoke(app, ['list']); "
        "print(sorted({'numpy', 'nltk', 'sacrebleu', 'rouge_score', 'torch', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
