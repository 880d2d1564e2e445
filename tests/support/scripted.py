"""A model whose answers follow from its prompts, for tests of everything around a model."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, ModelIdentity, Request, Response, Tokenizer


def digest_answer(request: Request) -> Response:
    """An answer that depends on every character of the prompt."""
    text = hashlib.sha256(repr(request.messages).encode()).hexdigest()[:12]
    return Response(id=request.id, text=f"answer {text}", prompt_tokens=len(repr(request.messages)) // 4, answer_tokens=5)


class ScriptedModel:
    """Answers with a function; counts the prompts it was asked."""

    def __init__(
        self,
        answer: Callable[[Request], Response] = digest_answer,
        *,
        streaming: bool = True,
        concurrency: int = 4,
        context_length: int | None = None,
        tokenizer: Tokenizer | None = None,
        endpoint: str | None = None,
        is_remote: bool = False,
    ) -> None:
        self.identity = ModelIdentity(name="scripted", backend="test", revision="1")
        self.endpoint, self.is_remote = endpoint, is_remote
        self.context_length, self.tokenizer, self.streaming = context_length, tokenizer, streaming
        self.thinks = False
        self._answer, self._concurrency = answer, concurrency
        self._lock = threading.Lock()
        self.asked: list[tuple[Message, ...]] = []
        self.batches: list[int] = []
        self.closed = False

    def prompt_text(self, messages: Sequence[Message]) -> str:
        return "\n".join(m.content for m in messages)

    def _reply(self, request: Request) -> Response:
        with self._lock:
            self.asked.append(request.messages)
        return self._answer(request)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        if not self.streaming:
            batch = list(requests)
            self.batches.append(len(batch))
            for request in reversed(batch):
                yield self._reply(request)
            return
        source = iter(requests)
        with ThreadPoolExecutor(self._concurrency + 1) as pool:
            running: set[Future[Response]] = set()
            pulling: Future[Request | None] | None = pool.submit(next, source, None)
            while running or pulling:
                done, _ = wait([*running, *([pulling] if pulling else [])], return_when=FIRST_COMPLETED)
                for future in done:
                    if future is pulling:
                        request = future.result()
                        pulling = None
                        if request is not None:
                            running.add(pool.submit(self._reply, request))
                            if len(running) < self._concurrency:
                                pulling = pool.submit(next, source, None)
                    else:
                        running.discard(future)
                        yield future.result()
                        if pulling is None:
                            pulling = pool.submit(next, source, None)

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        for request in requests:
            share = 1 / len(request.choices)
            yield ChoiceResponse(id=request.id, probabilities=tuple(share for _ in request.choices))

    def close(self) -> None:
        self.closed = True
