"""When two scores of one item are the same: up to rounding, whatever the scale of the scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

OF_SPREAD = 1e-12
"""Of the item's largest difference."""
OF_SIZE = 64 * float(np.finfo(np.float64).eps)
"""Of the item's largest score: what adding up the same numbers in another order may change."""


def tolerance(scores: FloatArray) -> FloatArray:
    """The largest difference (..., 1) at which two scores of an item (..., scores) are tied; NaN where all are missing.

    It grows with the scores, so that a metric in percent, or times 1e-14, has the ties of the metric itself.
    """
    if not scores.shape[-1]:
        return np.zeros((*scores.shape[:-1], 1))
    high, low = (f.reduce(scores, axis=-1, keepdims=True) for f in (np.fmax, np.fmin))
    return np.asarray(np.maximum(OF_SPREAD * (high - low), OF_SIZE * np.maximum(np.abs(high), np.abs(low))), dtype=np.float64)
