"""Tokens of records, and the share that fits each window."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.curation.lengths import record_lengths
from ehrbench.errors import UsageError
from ehrbench.models.words import WordTokenizer
from ehrbench.stats.interval import wilson
from tests.curation.ward import write_ward


def test_by_hand() -> None:
    texts = [("1", "a"), ("2", "a b c"), ("3", "a b c d e f"), ("4", "a b")]
    counts = [WordTokenizer().count(text) for _, text in texts]
    found = record_lengths(texts, WordTokenizer(), [counts[1], counts[2], 100, counts[0] - 1 or 1])
    assert (found.n, found.shortest, found.longest) == (4, min(counts), max(counts))
    assert found.mean == sum(counts) / 4
    fits = {fit.window: fit.k for fit in found.fits}
    assert (fits[counts[1]], fits[counts[2]], fits[100]) == (3, 4, 4), "a record as long as the window fits"
    assert list(fits) == sorted(fits)
    assert all((fit.low, fit.high) == wilson(fit.k, 4) for fit in found.fits)


def test_no_records() -> None:
    with pytest.raises(UsageError, match="no records"):
        record_lengths([], WordTokenizer(), [2048])


def test_the_command(tmp_path: Path) -> None:
    _, records = write_ward(tmp_path)
    arguments = ["data", "lengths", "--tokenizer", "words", "--records", str(records), "--windows", "1,1000"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("8 records of ")
    assert "100.0%" in done.stdout
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert [(fit["window"], fit["k"], fit["n"]) for fit in found["fits"]] == [(1, 0, 8), (1000, 8, 8)]


@pytest.mark.parametrize("windows", ["", "0", "2k", "100,", "-5"])
def test_windows_that_are_no_numbers(tmp_path: Path, windows: str) -> None:
    _, records = write_ward(tmp_path)
    done = CliRunner().invoke(app, ["data", "lengths", "--tokenizer", "words", "--records", str(records), f"--windows={windows}"])
    assert isinstance(done.exception, UsageError)
