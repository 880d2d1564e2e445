"""How the variance of an AUROC depends on the AUROC: as it does for normal scores with equal variances in both classes.

A share's variance is in proportion to share * (1 - share), and Wilson's interval follows it away from the estimate. An AUROC's
falls faster towards 1: it is the chance that two items of one class are both on the right side, less the square of the AUROC,
which holds for both classes and so for any numbers of items in them (Bamber 1975 has the variance, Owen 1956 the integral). With
Wilson's proportion the lower end of an interval near 1 is too high (``benchmarks/coverage``).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()
_REACH = 1 / math.sqrt(3)
"""Two items that share an opponent: the differences of scores have correlation 1/2, and sqrt((1 - 1/2) / (1 + 1/2)) is this."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_AT = 1 + (_REACH * (_NODES + 1) / 2) ** 2
_BY = _WEIGHTS * _REACH / 2 / _AT
_STEPS = 50


def variance(auroc: float) -> float:
    """Of an AUROC in [0, 1], up to a factor that the items decide."""
    if not 0 < auroc < 1:
        return 0.0
    a = NORMAL.inv_cdf(auroc)
    owen = float(np.exp(-a * a / 2 * _AT) @ _BY) / (2 * math.pi)
    return max(0.0, auroc * (1 - auroc) - 2 * owen)


def slope(auroc: float) -> float:
    """The derivative of ``variance``, in (0, 1)."""
    return 1 - 2 * auroc + math.erf(NORMAL.inv_cdf(auroc) * _REACH / math.sqrt(2))


def score_interval(auroc: float, stderr: float, quantile: float) -> tuple[float, float]:
    """All values that the estimate is within ``quantile`` standard errors of, with the standard error that *they* imply.

    Args:
        auroc: the estimate, above 0 and below 1.
        stderr: its standard error, above 0.
        quantile: how many standard errors.
    """
    factor = (quantile * stderr) ** 2 / variance(auroc)

    def furthest(end: float) -> float:
        inside, outside = auroc, end
        for _ in range(_STEPS):
            middle = (inside + outside) / 2
            if (auroc - middle) ** 2 < factor * variance(middle):
                inside = middle
            else:
                outside = middle
        return outside

    return furthest(0.0), furthest(1.0)
