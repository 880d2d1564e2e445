"""A backend of another package: answers that follow from the prompts, given slowly.

Arguments: ``seconds`` an answer, ``dies_at`` a word (the process ends), ``marks``: a folder for one file a process that answers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from ehrbench.models.capabilities import Likelihood, LikelihoodRequest, LikelihoodResponse
from ehrbench.models.protocol import Request, Response
from tests.support.scripted import ScriptedModel, digest_answer

ENTRY_POINT = "[ehrbench.models]\nslow = tests.support.slow:load\n"


class Slow(ScriptedModel):
    """Gives likelihoods, too: the number of a text's characters."""

    before: Callable[[], None] = staticmethod(lambda: None)
    """Called before each."""

    def log_likelihoods(self, requests: Iterable[LikelihoodRequest]) -> Iterator[LikelihoodResponse]:
        for request in requests:
            self.before()
            found = tuple(Likelihood(-float(len("".join(text))), False) for text in request.texts)
            yield LikelihoodResponse(request.id, found)


def load(name: str, args: Mapping[str, str], max_model_len: int | None) -> Slow:
    seconds, word = float(args.get("seconds", 0)), args.get("dies_at")

    def before() -> None:
        if "marks" in args:
            (Path(args["marks"]) / str(os.getpid())).touch()
        time.sleep(seconds)

    def answer(request: Request) -> Response:
        before()
        if word and any(word in message.content for message in request.messages):
            os._exit(1)
        return digest_answer(request)

    model = Slow(answer, streaming=False)
    model.before = before
    return model
