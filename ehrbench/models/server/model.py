"""A model behind an OpenAI-compatible server, as the run engine sees it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.models.protocol import (
    ChoiceRequest,
    ChoiceResponse,
    Message,
    ModelIdentity,
    Request,
    Response,
    Tokenizer,
)
from ehrbench.models.server.body import Dialect, choice_body, generation_body
from ehrbench.models.server.endpoint import Endpoint
from ehrbench.models.server.loop import background_loop
from ehrbench.models.server.prices import Prices
from ehrbench.models.server.prompt_cut import is_cut, least_tokens
from ehrbench.models.server.pump import pump
from ehrbench.models.server.reply import Answer, Usage, choice_masses, read_answer, read_first_token, read_usage
from ehrbench.models.server.transport import Outcome, Patience, Transport

FirstToken = tuple[dict[str, float] | None, Usage]
"""Log-probabilities of the likeliest first tokens, and what the call used."""

_CLOSE_SECONDS = 5.0
_log = logging.getLogger(__name__)


class ServerModel:
    """Many calls in flight to one server. Making it opens no socket, starts no thread and looks up no name."""

    streaming = True

    def __init__(
        self,
        identity: ModelIdentity,
        endpoint: Endpoint,
        dialect: Dialect,
        patience: Patience,
        *,
        context_length: int | None = None,
        tokenizer: Tokenizer | None = None,
        render: Callable[[Sequence[Message]], str] | None = None,
        prices: Prices | None = None,
    ) -> None:
        """Put the parts together; see ``ehrbench.models.server.load``."""
        self.identity = identity
        self.endpoint: str | None = endpoint.base_url
        self.is_remote = endpoint.is_remote
        self.context_length = context_length
        self.tokenizer = tokenizer
        self.thinks = dialect.allowance
        self.dialect = dialect
        self._render = render
        self._prices = prices
        self._warned = self._warned_of_cut = False
        self.call_url = endpoint.call_url
        self._models_url = endpoint.models_url
        self._transport = Transport(endpoint, patience)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """What is tokenised for ``messages``: exact for plain completions, an estimate where the server applies a chat template.

        With a local tokenizer (``--model-arg tokenizer=PATH``) its chat template is applied.
        """
        if self.dialect.api == "completions":
            return "\n".join(message.content for message in messages)
        if self._render is not None:
            return self._render(messages)
        return role_markers(messages)

    def price(self, prompt_tokens: int, answer_tokens: int) -> float | None:
        """US dollars for so many tokens, none of them cached; None without ``--model-arg prices=FILE``."""
        return self._prices.cost(Usage(prompt_tokens, answer_tokens)) if self._prices else None

    def describe(self) -> dict[str, Any]:
        """Ask the server what it serves and how long its window is.

        Sends no text, but does reach the server, so it comes after the policy gate. Sets ``context_length`` where it is not
        known yet.

        Returns:
            ``max_model_len``, ``root`` and ``owned_by`` as far as the server tells them; empty where it tells nothing.

        Raises:
            UsageError: the key is missing or refused, or ``--max-model-len`` is more than the server takes.
            MissingError: nothing listens at the address.
        """
        if self._models_url is None:
            return {}
        listing = asyncio.run_coroutine_threadsafe(self._transport.get(self._models_url), background_loop()).result()
        rows = listing.get("data") if isinstance(listing, dict) else None
        rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        served: dict[str, Any] = next((row for row in rows if row.get("id") == self.dialect.model), {})
        window = served.get("max_model_len") or served.get("context_length")
        if isinstance(window, int) and window > 0:
            if self.context_length is None:
                self.context_length = window
            elif self.context_length > window:
                raise UsageError(
                    f"--max-model-len {self.context_length} is more than the {window} tokens that {self.endpoint} takes: "
                    f"give at most {window}, or leave it out"
                )
        known = {"max_model_len": window, "root": served.get("root"), "owned_by": served.get("owned_by")}
        return {name: value for name, value in known.items() if value is not None}

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer every request, each response as it comes; ``requests`` may block until earlier responses have been seen.

        Raises:
            UsageError: what would fail for every item: a missing or refused key, no quota, an unknown model, an unknown field.
            MissingError: nothing listens at the address.
        """
        loop = background_loop()
        return pump(requests, self._prepare, self._respond, loop, self._transport.patience.concurrency)

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """Probabilities from the log-probabilities of the first answer token, in any order.

        Raises:
            UsageError: the model thinks before its first answer token, or the server gives no log-probabilities.
        """
        if self.dialect.thinking:
            raise UsageError("thinking=on: the first token is a thought, not an answer; choose thinking=off for this task")
        loop = background_loop()
        return pump(requests, self._prepare_choice, self._choose, loop, self._transport.patience.concurrency)

    def close(self) -> None:
        """Close the connections."""
        closing = asyncio.run_coroutine_threadsafe(self._transport.close(), background_loop())
        try:
            closing.result(_CLOSE_SECONDS)
        except FutureTimeoutError:
            closing.cancel()

    def least_tokens(self, request: Request | ChoiceRequest) -> int:
        """The fewest tokens that the server can have read of a request's prompt, if it read all of it."""
        return least_tokens(request.messages, self.tokenizer)

    def _prepare(self, request: Request) -> tuple[str, int, bytes]:
        return request.id, self.least_tokens(request), generation_body(self.dialect, request)

    async def _respond(self, prepared: tuple[str, int, bytes]) -> Response:
        id_, least, body = prepared
        return self.response_of(id_, await self._transport.post(body, self.read), least)

    def response_of(self, id_: str, outcome: Outcome[Answer], least: int) -> Response:
        """The response of a call that ended, wherever it was made.

        Args:
            id_: of the request.
            outcome: how the call ended.
            least: the request's ``least_tokens``; an answer to less of the prompt is an overflow, and its text is not kept.
        """
        answer = outcome.value
        if answer is None:
            return Response(id_, finish=outcome.finish, error=outcome.error, seconds=outcome.seconds, attempts=outcome.attempts)
        if self._cut(answer.usage, least):
            n = answer.usage.prompt_tokens
            return Response(id_, finish="overflow", prompt_tokens=n, seconds=outcome.seconds, attempts=outcome.attempts)
        if answer.finish == "reasoning_length" and not self.dialect.allowance and not self._warned:
            self._warned = True
            _log.warning(
                "%s ran out of tokens while thinking, and has no allowance for it: --model-arg thinking=on gives it the task's, "
                "thinking=off tells the server's chat template not to think",
                self.dialect.model,
            )
        usage = answer.usage
        thought = usage.reasoning_tokens
        if thought is None and answer.reasoning is not None and self.tokenizer is not None:
            thought = self.tokenizer.count(answer.reasoning)
        completion = usage.completion_tokens
        return Response(
            id_,
            answer.text,
            answer.finish,
            reasoning=answer.reasoning,
            prompt_tokens=usage.prompt_tokens,
            answer_tokens=None if completion is None else max(0, completion - (thought or 0)),
            reasoning_tokens=thought,
            cached_tokens=usage.cached_tokens,
            seconds=outcome.seconds,
            cost=self._prices.cost(usage) if self._prices else None,
            attempts=outcome.attempts,
        )

    def read(self, data: Any) -> Answer:
        """The answer in a reply; raises ``Malformed`` where there is none."""
        return read_answer(data, self.dialect.thinking)

    def _cut(self, usage: Usage, least: int) -> bool:
        """Whether the server cut the prompt; the first time it is said aloud."""
        if not is_cut(usage, least):
            return False
        if not self._warned_of_cut:
            self._warned_of_cut = True
            _log.warning(
                "%s read %d tokens of a prompt that has %d or more: it cuts prompts in silence, and such items end as overflow. "
                "Give its window as --max-model-len, so that records are fitted into it, or make it larger (Ollama: num_ctx)",
                self.endpoint,
                usage.prompt_tokens,
                least,
            )
        return True

    def _prepare_choice(self, request: ChoiceRequest) -> tuple[ChoiceRequest, int, bytes]:
        return request, self.least_tokens(request), choice_body(self.dialect, request)

    async def _choose(self, prepared: tuple[ChoiceRequest, int, bytes]) -> ChoiceResponse:
        request, least, body = prepared
        return self.choice_response_of(request, await self._transport.post(body, read_first), least)

    def choice_response_of(self, request: ChoiceRequest, outcome: Outcome[FirstToken], least: int) -> ChoiceResponse:
        """The response of a call for probabilities that ended, wherever it was made.

        Raises:
            UsageError: the reply has no log-probabilities.
        """
        if outcome.value is None:
            return ChoiceResponse(request.id, finish=outcome.finish, error=outcome.error, seconds=outcome.seconds)
        logprobs, usage = outcome.value
        if self._cut(usage, least):
            return ChoiceResponse(request.id, finish="overflow", prompt_tokens=usage.prompt_tokens, seconds=outcome.seconds)
        if logprobs is None:
            raise UsageError(
                f"{self.endpoint} gives no log-probabilities, which this task needs: choose another server or backend"
            )
        masses = choice_masses(logprobs, request.choices)
        total = math.fsum(masses)
        if total <= 0:
            error = f"no choice among the {len(logprobs)} likeliest tokens"
            return ChoiceResponse(request.id, finish="error", error=error, seconds=outcome.seconds, mass=0.0)
        return ChoiceResponse(
            request.id,
            tuple(mass / total for mass in masses),
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            seconds=outcome.seconds,
            mass=total,
        )


def read_first(data: Any) -> FirstToken:
    """What a reply says about the first answer token; raises ``Malformed`` where it has no choices."""
    return read_first_token(data), read_usage(data)


def role_markers(messages: Sequence[Message]) -> str:
    """A conversation in a generic template: the best estimate where the real one is on the server."""
    return "".join([*(f"<|{message.role}|>\n{message.content}\n" for message in messages), "<|assistant|>\n"])
