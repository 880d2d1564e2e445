"""Tasks answered by log-likelihoods of given texts: a model in the clothes of one whose answer is those numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from ehrbench.errors import UsageError
from ehrbench.models.likelihoods import GivesLikelihoods, LikelihoodRequest
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, Model, Request, Response


class WithLikelihoods:
    """Answers a request with a JSON list of ``[log-likelihood, greedy]``, one for each of its ``spellings``."""

    streaming = False

    def __init__(self, model: Model) -> None:
        """Wrap a model.

        Raises:
            UsageError: it gives no log-likelihoods.
        """
        if not isinstance(model, GivesLikelihoods):
            raise UsageError(
                f"this task needs log-likelihoods of whole texts, which {model.identity.backend}: does not give; use hf:PATH, "
                "vllm:PATH or lm-eval:BACKEND,…, or for multiple choice lm_eval:NAME@generate, another task with numbers of its "
                "own"
            )
        self._model = model
        self._scorer: GivesLikelihoods = model
        self.identity = model.identity
        self.endpoint, self.is_remote = model.endpoint, model.is_remote
        self.context_length, self.tokenizer, self.thinks = model.context_length, model.tokenizer, model.thinks

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The model's own."""
        return self._model.prompt_text(messages)

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """The model's own."""
        return self._model.choice_probabilities(requests)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Score one round."""
        asked = (LikelihoodRequest(request.id, request.spellings) for request in requests)
        for found in self._scorer.log_likelihoods(asked):
            yield Response(
                id=found.id,
                text=json.dumps([[one.value, one.greedy] for one in found.likelihoods]) if found.finish == "stop" else "",
                finish=found.finish,
                error=found.error,
                prompt_tokens=found.prompt_tokens,
                answer_tokens=0,
                seconds=found.seconds,
            )

    def close(self) -> None:
        """Close the model."""
        self._model.close()
