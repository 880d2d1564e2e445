"""Stopping a run whose model gives no numbers at all: the cause is not in the items, and all of them would fail alike."""

from __future__ import annotations

from ehrbench.errors import UsageError
from ehrbench.models.finite import NOT_A_NUMBER
from ehrbench.runs.prediction import Prediction

FIRST = 8
"""So many first items without numbers stop the run."""


class AlikeFailures:
    """Watches how items end, until one has numbers."""

    def __init__(self, finished: int) -> None:
        """Begin.

        Args:
            finished: items that an earlier run of the same configuration finished; with any at all, nothing is stopped.
        """
        self._n = 0
        self._watching = finished == 0

    def add(self, prediction: Prediction) -> None:
        """Take an item that has ended.

        Raises:
            UsageError: it is the last of ``FIRST`` items, none of which has numbers.
        """
        if not prediction.steps:  # the model was not asked
            return
        self._watching = self._watching and prediction.error == NOT_A_NUMBER
        self._n += 1
        if self._watching and self._n == FIRST:
            self._stop(f"the first {self._n} items")

    def end(self) -> None:
        """All items have ended.

        Raises:
            UsageError: there were several, none of which has numbers.
        """
        if self._watching and self._n > 1:
            self._stop(f"all {self._n} items")

    def _stop(self, which: str) -> None:
        raise UsageError(f"{which} failed in the same way: {NOT_A_NUMBER}; the run is stopped, the same command tries them again")
