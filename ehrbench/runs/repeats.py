"""Tasks that ask each question several times: wraps a model so that its answer is the list of its answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ehrbench.errors import UsageError
from ehrbench.models.capabilities import MeetsServerByFile
from ehrbench.models.protocol import Model, Request, Response, usage_of_all
from ehrbench.runs.wrapped import Wrapped
from ehrbench.tasks.schema import TaskSpec


def answers_wanted(task: TaskSpec) -> int:
    """How many answers a task wants of each question."""
    return int(task.data.options.get("repeats", 1)) if task.data.reader == "lm_eval" else 1


class WithRepeats(Wrapped):
    """Answers a request with a JSON list of as many answers, each sampled with a seed of its own.

    Greedy decoding gives the same answer each time, so it is asked for once. A call that fails, or does not fit, is the whole
    item's outcome; thinking that never ends is an empty answer among the others.
    """

    def __init__(self, model: Model, times: int) -> None:
        """Wrap a model.

        Raises:
            UsageError: it meets its server by file.
        """
        if isinstance(model, MeetsServerByFile):
            raise UsageError(
                "a task that asks each question several times cannot be asked through batch files; ask the server itself"
            )
        super().__init__(model)
        self._times = times

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer one round, each request when all its answers are there."""
        asked = {request.id: request for request in requests}
        calls = [(id_, k) for id_, request in asked.items() for k in range(self._times if request.temperature > 0 else 1)]
        origin = {f"{id_}#{k}": (id_, k) for id_, k in calls}
        found: dict[str, dict[int, Response]] = {id_: {} for id_ in asked}
        for response in self._model.generate([_again(asked[id_], k) for id_, k in calls]):
            id_, k = origin[response.id]
            answers = found[id_]
            answers[k] = response
            if len(answers) == (self._times if asked[id_].temperature > 0 else 1):
                yield self._joined(id_, [answers[i] for i in sorted(answers)])
                del found[id_]

    def _joined(self, id_: str, answers: list[Response]) -> Response:
        whole = next((one for one in answers if one.finish in ("overflow", "refused", "error")), None)
        texts = [one.text for one in answers] * (self._times // len(answers))
        return Response(
            id=id_,
            text="" if whole else json.dumps(texts, ensure_ascii=False),
            finish=whole.finish if whole else "stop",
            error=whole.error if whole else None,
            doubts=tuple(dict.fromkeys(doubt for one in answers for doubt in one.doubts)),
            **usage_of_all(answers),
        )


def _again(request: Request, k: int) -> Request:
    return replace(request, id=f"{request.id}#{k}", seed=None if request.seed is None else request.seed + k)
