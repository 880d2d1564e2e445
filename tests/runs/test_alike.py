"""Numbers that are none: caught where a model's answer comes in, whichever model it is; and a run of nothing else stops."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan

import pytest

from ehrbench.errors import UsageError
from ehrbench.metrics.metric import Scorable
from ehrbench.metrics.probability import score_probability
from ehrbench.models.choices import normalised
from ehrbench.models.finite import NOT_A_NUMBER, NotFiniteError
from ehrbench.models.protocol import ChoiceResponse, Message, Request
from ehrbench.runs.alike import FIRST, AlikeFailures
from ehrbench.runs.choices import likeliest
from ehrbench.runs.prediction import Prediction, Step

BROKEN = Prediction("a", "api_error", None, (Step("k", "", "error"),), NOT_A_NUMBER)
GOOD = Prediction("b", "answered", "yes", (Step("k", "yes", "stop"),))
NOT_ASKED = Prediction("c", "overflow", None)


def test_a_run_without_any_number_stops_and_any_number_lets_it_go_on() -> None:
    watch = AlikeFailures(finished=0)
    for prediction in [NOT_ASKED, *[BROKEN] * (FIRST - 1)]:
        watch.add(prediction)
    with pytest.raises(UsageError, match=f"the first {FIRST} items failed in the same way: the model's output is not a number"):
        watch.add(BROKEN)
    for predictions, finished in (([GOOD, *[BROKEN] * 20], 0), ([BROKEN] * 20, 1), ([BROKEN], 0), ([NOT_ASKED], 0), ([], 0)):
        watch = AlikeFailures(finished)
        for prediction in predictions:
            watch.add(prediction)
        watch.end()
    watch = AlikeFailures(finished=0)
    for prediction in (BROKEN, BROKEN):
        watch.add(prediction)
    with pytest.raises(UsageError, match="all 2 items failed in the same way"):
        watch.end()


@pytest.mark.parametrize("shares", [(nan, nan), (0.3, nan), (-0.1, 1.1), (inf, 0.0)])
def test_what_is_no_probability_is_an_items_error(shares: Sequence[float]) -> None:
    request = Request("a", (Message("user", "?"),), 1, choices=("yes", "no"))
    found = likeliest(request, ChoiceResponse("a", tuple(shares)))
    assert (found.finish, found.error, found.probabilities, found.text) == ("error", NOT_A_NUMBER, None, "")
    assert likeliest(request, ChoiceResponse("a", (0.75, 0.25))).text == "yes"


def test_one_stored_nan_costs_its_own_item_alone() -> None:
    made = [Scorable(str(p), "", ("yes",), choices=("yes", "no"), probabilities={"yes": p, "no": 1 - p}) for p in (0.2, nan)]
    assert score_probability(made) == [(1.0, 0.2), None]


@pytest.mark.parametrize("logs", [[nan, -1.0], [-inf, -inf], [inf, 0.0]])
def test_logarithms_that_hold_no_distribution(logs: Sequence[float]) -> None:
    with pytest.raises(NotFiniteError):
        normalised(logs)
    assert normalised([-inf, -1.0])[0] == (0.0, 1.0)
