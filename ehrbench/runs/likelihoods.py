"""Tasks answered by log-likelihoods of given texts: wraps a model so that its answer is those numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import isfinite

from ehrbench.errors import UsageError
from ehrbench.models.capabilities import GivesLikelihoods, LikelihoodRequest
from ehrbench.models.finite import NOT_A_NUMBER
from ehrbench.models.protocol import Model, Request, Response, usage_of
from ehrbench.runs.wrapped import Wrapped


class WithLikelihoods(Wrapped):
    """Answers a request with a JSON list of ``[log-likelihood, greedy]``, one for each of its ``spellings``."""

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
        super().__init__(model)
        self._scorer: GivesLikelihoods = model

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Score one round."""
        asked = (LikelihoodRequest(request.id, request.spellings) for request in requests)
        for found in self._scorer.log_likelihoods(asked):
            if not all(isfinite(one.value) for one in found.likelihoods):
                found = replace(found, likelihoods=(), finish="error", error=NOT_A_NUMBER)
            yield Response(
                id=found.id,
                text=json.dumps([[one.value, one.greedy] for one in found.likelihoods]) if found.finish == "stop" else "",
                finish=found.finish,
                error=found.error,
                **{**usage_of(found), "answer_tokens": 0},
            )
