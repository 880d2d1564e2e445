"""A model that cannot give probabilities is asked for its answer; any other error of it is the run's, and no label hides it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.capabilities import NoProbabilitiesError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, Request, Response
from ehrbench.runs.choices import WithProbabilities
from tests.support.scripted import ScriptedModel
from tests.support.server import Raw, Server

ASKED = Request("a", (Message("user", "sodium?"),), 8, choices=("yes", "no"), spellings=(("yes",), ("no",)))


class Failing(ScriptedModel):
    """Answers, and raises where probabilities are asked for."""

    error: Exception

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        raise self.error


def failing(error: Exception) -> WithProbabilities:
    model = Failing(lambda request: Response(request.id, "no"))
    model.error = error
    return WithProbabilities(model)


def test_a_model_without_probabilities_gives_labels() -> None:
    (response,) = failing(NoProbabilitiesError("it gives none")).generate([ASKED])
    assert (response.text, response.probabilities, response.hard) == ("no", (0.0, 1.0), True)


def test_any_other_error_ends_the_run() -> None:
    with pytest.raises(UsageError, match="its weights are damaged"):
        list(failing(UsageError("its weights are damaged")).generate([ASKED]))


def test_a_server_that_does_not_take_the_field_gives_labels() -> None:
    refusal = Raw.of({"error": {"message": "Unsupported parameter: 'logprobs'.", "param": "logprobs"}}, 400)
    with Server(script=[refusal, "ok"]) as server:
        model = WithProbabilities(load_model("openai:stub", {"base_url": server.url}, None))
        (response,) = model.generate([ASKED])
    assert response.hard
    with Server(script=["401"]) as server:
        model = WithProbabilities(load_model("openai:stub", {"base_url": server.url}, None))
        with pytest.raises(UsageError, match="the key was refused"):
            list(model.generate([ASKED]))
