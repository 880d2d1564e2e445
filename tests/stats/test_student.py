"""Student's quantile against scipy's, over degrees of freedom that are whole or not, and levels that intervals have."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from ehrbench.stats.student import student


@pytest.mark.parametrize("level", [0.01, 0.5, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("df", [1.0, 1.3, 2.0, 2.7, 3.0, 5.0, 10.0, 29.3, 49.9, 99.9, 100.0, 100.1, 1e3, 12_345.6, 1e6, 1e9])
def test_it_is_scipys(df: float, level: float) -> None:
    from scipy.special import stdtr
    from scipy.stats import t

    # By scipy's distribution function: its quantiles had 11 digits before 1.16. Over the density it is the quantile's own error.
    quantile = student(df, level)
    beyond = stdtr(df, quantile) - (1 + level) / 2
    assert abs(beyond / t.pdf(quantile, df)) <= 1e-12 * quantile


def test_published_values() -> None:
    """Cauchy's and the normal distribution's are known in closed form; the others stand in every table."""
    assert student(1, 0.95) == pytest.approx(math.tan(math.pi * 0.95 / 2), rel=1e-14)
    assert student(2, 0.95) == pytest.approx(4.302652729749464, rel=1e-13)
    assert student(30, 0.95) == pytest.approx(2.0422724563012373, rel=1e-13)
    assert student(math.inf, 0.95) == pytest.approx(1.959963984540054, rel=1e-15)


def test_intervals_do_not_import_scipy() -> None:
    """It would cost every run a quarter of a second of processor time."""
    code = "import sys; from ehrbench.stats.interval import wilson; wilson(3, 9); print('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
