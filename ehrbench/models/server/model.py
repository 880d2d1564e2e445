"""A model behind an OpenAI-compatible server, as the run engine sees it."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.models.capabilities import NoProbabilitiesError
from ehrbench.models.protocol import (
    ChoiceRequest,
    ChoiceResponse,
    Doubt,
    Message,
    ModelIdentity,
    Request,
    Response,
    Tokenizer,
)
from ehrbench.models.server.batch_service import BatchService
from ehrbench.models.server.body import Dialect, choice_body, generation_body, with_one_token
from ehrbench.models.server.endpoint import Endpoint, is_loopback
from ehrbench.models.server.line import AiohttpLine, Line
from ehrbench.models.server.loop import background_loop
from ehrbench.models.server.prices import Prices
from ehrbench.models.server.prompt_cut import CountReader, least_tokens
from ehrbench.models.server.pump import pump
from ehrbench.models.server.reply import (
    MOST_TOKENS,
    Answer,
    TokenCounts,
    choice_masses,
    read_answer,
    read_first_token,
    read_usage,
)
from ehrbench.models.server.responses import as_chat
from ehrbench.models.server.tokens import Tokens
from ehrbench.models.server.transport import Outcome, Patience, Transport
from ehrbench.models.words import WORDS

FirstToken = tuple[dict[str, float] | None, TokenCounts]
"""Log-probabilities of the likeliest first tokens, and what the call used."""

_CLOSE_SECONDS = 5.0
_VERSION = re.compile(r"/v\d+[a-z0-9]*/models$")
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
        tokens: Tokens | None = None,
        make_line: Callable[[Endpoint, float], Line] = AiohttpLine,
        forwards_to: str | None = None,
        context_length: int | None = None,
        tokenizer: Tokenizer | None = None,
        render: Callable[[Sequence[Message]], str] | None = None,
        prices: Prices | None = None,
        check_counts: bool = True,
        more_logprobs: Sequence[int] = (),
    ) -> None:
        """Put the parts together; see ``ehrbench.models.server.load``.

        Args:
            identity: of the model.
            endpoint: where the server is.
            dialect: how it wants to be asked.
            patience: how long and how often a call is tried.
            tokens: what is shown to the server in place of a key.
            make_line: opens the connections.
            forwards_to: where the server sends the text on: what the data policy asks an approval for.
            context_length: tokens of prompt and answer; None: what ``describe`` finds.
            tokenizer: for counting; the model's own, or ``WORDS``.
            render: makes a prompt's text of its messages.
            prices: of tokens.
            check_counts: an answer to fewer tokens than the prompt has is an overflow.
            more_logprobs: how many first tokens are asked for next where a choice is not among those that were listed.
        """
        self.identity = identity
        self.endpoint: str | None = endpoint.base_url
        self.is_remote = endpoint.is_remote
        if forwards_to is not None and not is_loopback(forwards_to):
            self.endpoint, self.is_remote = forwards_to, True
        self.context_length = context_length
        self.tokenizer = tokenizer
        self.thinks = dialect.allowance
        self.dialect = dialect
        self.template: str | None = None if dialect.api == "completions" else "of the server"
        base = "no chat template: a base model, given the task's text alone"
        self.introduction = base if self.template is None else "the server's own chat template"
        self._render = render
        self._prices = prices
        self._warned: set[str] = set()
        self._check_counts = check_counts
        self._more_logprobs = tuple(more_logprobs)
        self._counts = CountReader()
        self._asking_again = asyncio.Lock()
        self.call_url = endpoint.call_url
        self.base_url = endpoint.base_url
        self._models_url = endpoint.models_url
        self._transport = Transport(endpoint, patience, tokens, make_line)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """What is tokenised for ``messages``: exact for plain completions, an estimate where the server applies a chat template.

        With a local tokenizer (``--model-arg tokenizer=PATH``) its chat template is applied.
        """
        if self._render is not None:
            return self._render(messages)
        if self.dialect.api == "completions":
            return "\n".join(message.content for message in messages)
        return role_markers(messages)

    def price(self, prompt_tokens: int, answer_tokens: int) -> float | None:
        """US dollars for so many tokens, none of them cached; None without ``--model-arg prices=FILE``."""
        return self._prices.cost(TokenCounts(prompt_tokens, answer_tokens)) if self._prices else None

    def bill_as_batch(self) -> None:
        """Count at the batch service's prices from now on, which may not be known."""
        self._prices = self._prices.batch if self._prices else None

    def batch_service(self) -> BatchService:
        """The server's batch service, under the same address, key and patience."""
        return BatchService(self._transport)

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
        rows = self._listed(self._models_url)
        if not rows and not _VERSION.search(self._models_url):
            nearby = self._listed(f"{self.endpoint}/v1/models")
            if nearby:
                self._warn(
                    "address",
                    f"{self.endpoint} lists no models and {self.endpoint}/v1 does ({_names(nearby)}): give --model-arg "
                    f"base_url={self.endpoint}/v1",
                )
        served: dict[str, Any] = next((row for row in rows if row.get("id") == self.dialect.model), {})
        if rows and not served:
            self._warn(
                "name",
                f"{self.endpoint} does not list a model '{self.dialect.model}' (it lists {_names(rows)}); the results are named "
                "after what was asked for, so check the name",
            )
        window = served.get("max_model_len") or served.get("context_length")
        if isinstance(window, int) and 0 < window <= MOST_TOKENS:
            if self.context_length is None:
                self.context_length = window
            elif self.context_length > window:
                raise UsageError(
                    f"--max-model-len {self.context_length} is more than the {window} tokens that {self.endpoint} takes: "
                    f"give at most {window}, or leave it out"
                )
        known = {"max_model_len": window, "root": served.get("root"), "owned_by": served.get("owned_by")}
        return {name: value for name, value in known.items() if value is not None}

    def _listed(self, url: str) -> list[dict[str, Any]]:
        """What the server lists at an address of models; empty where it has none."""
        listing = asyncio.run_coroutine_threadsafe(self._transport.get(url), background_loop()).result()
        rows = listing.get("data") if isinstance(listing, dict) else None
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

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
            NoProbabilitiesError: the model thinks before its first answer token, or the server gives no log-probabilities.
        """
        if self.dialect.api == "responses":
            raise NoProbabilitiesError("api=responses gives no log-probabilities of choices; use api=chat for this task")
        if self.dialect.thinking:
            raise NoProbabilitiesError(
                "thinking=on: the first token is a thought, not an answer; choose thinking=off for this task"
            )
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
        """The fewest tokens that the server can have read of a request's whole prompt; 0 where that is not checked."""
        if not self._check_counts:
            return 0
        # Words are not the model's tokens: a prompt may have fewer of those.
        return least_tokens(request.messages, None if self.tokenizer is WORDS else self.tokenizer)

    def _prepare(self, request: Request) -> tuple[str, int, bytes]:
        return request.id, self.least_tokens(request), generation_body(self.dialect, request)

    async def _respond(self, prepared: tuple[str, int, bytes]) -> Response:
        id_, least, body = prepared
        outcome = await self._transport.post(body, self.read, id_)
        if outcome.value is not None and self._counts.read(outcome.value.usage, least) == "unclear":
            await self._ask_again(body, outcome.value.usage)
        return self.response_of(id_, outcome, least)

    async def _ask_again(self, body: bytes, usage: TokenCounts) -> None:
        """Make a call a second time, for a single token, to learn what the server's count of the first means."""
        async with self._asking_again:
            if self._counts.counts_uncached is None:
                again = await self._transport.post(
                    with_one_token(self.dialect, body), lambda data: read_usage(as_chat(data)), "the same again"
                )
                self._counts.learn(usage, again.value or usage)

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
        usage = answer.usage
        cost = self._prices.cost(usage) if self._prices else None
        doubts = self._doubts(usage, least)
        if doubts is None:
            n = usage.prompt_tokens
            return Response(
                id_, finish="overflow", prompt_tokens=n, seconds=outcome.seconds, cost=cost, attempts=outcome.attempts
            )
        if answer.finish == "reasoning_length" and not self.dialect.allowance:
            self._warn(
                "thinking",
                f"{self.dialect.model} ran out of tokens while thinking, and has no allowance for it: --model-arg thinking=on "
                "gives it the task's, thinking=off tells the server's chat template not to think",
            )
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
            cost=cost,
            attempts=outcome.attempts,
            doubts=doubts,
        )

    def read(self, data: Any) -> Answer:
        """The answer in a reply; raises ``Malformed`` where there is none."""
        return read_answer(as_chat(data) if self.dialect.api == "responses" else data, self.dialect.thinking, self.dialect.tags)

    def _doubts(self, usage: TokenCounts, least: int) -> tuple[Doubt, ...] | None:
        """What is doubtful about an answer for the tokens that the server counted; None: it answered a part of the prompt."""
        reading = self._counts.read(usage, least)
        if reading == "whole":
            return ()
        if reading == "uncached":
            self._warn(
                "count",
                f"{self.endpoint} counted {usage.prompt_tokens} tokens of a prompt that has {least} or more; it seems to leave "
                "out those that it had in its cache, so such answers stand and are counted as doubtful (prompt_count)",
            )
            return ("prompt_count",)
        self._warn(
            "cut",
            f"{self.endpoint} read {usage.prompt_tokens} tokens of a prompt that has {least} or more: it cuts prompts in "
            "silence, and such items end as overflow. Give its window as --max-model-len, so that records are fitted into it, or "
            "make it larger (Ollama: num_ctx); --model-arg check_counts=off takes such answers all the same",
        )
        return None

    def _warn(self, about: str, line: str) -> None:
        """Say something once."""
        if about not in self._warned:
            self._warned.add(about)
            _log.warning("%s", line)

    def _prepare_choice(self, request: ChoiceRequest) -> tuple[ChoiceRequest, int, bytes]:
        return request, self.least_tokens(request), choice_body(self.dialect, request)

    async def _choose(self, prepared: tuple[ChoiceRequest, int, bytes]) -> ChoiceResponse:
        request, least, body = prepared
        outcome = await self._transport.post(body, read_first, request.id)
        if outcome.value is not None and self._counts.read(outcome.value[1], least) == "unclear":
            await self._ask_again(body, outcome.value[1])
        response = self.choice_response_of(request, outcome, least)
        for most in self._more_logprobs:
            if not (outcome.value and outcome.value[0]) or not choice_masses(outcome.value[0], request.choices).unlisted:
                break
            body = choice_body(replace(self.dialect, top_logprobs=most), request)
            longer = await self._transport.post(body, read_first, request.id)
            if longer.value is None or len(longer.value[0] or ()) <= len(outcome.value[0]):
                self._more_logprobs = ()  # it lists no more than this
                break
            outcome = longer
            found = self.choice_response_of(request, longer, least)
            response = replace(found, cost=_sum(response.cost, found.cost), seconds=response.seconds + found.seconds)
        return response

    def choice_response_of(self, request: ChoiceRequest, outcome: Outcome[FirstToken], least: int) -> ChoiceResponse:
        """The response of a call for probabilities that ended, wherever it was made.

        Raises:
            NoProbabilitiesError: the reply has no log-probabilities.
        """
        common: dict[str, Any] = {"seconds": outcome.seconds, "attempts": outcome.attempts}
        if outcome.value is None:
            return ChoiceResponse(request.id, finish=outcome.finish, error=outcome.error, **common)
        logprobs, usage = outcome.value
        common |= {"prompt_tokens": usage.prompt_tokens, "cost": self._prices.cost(usage) if self._prices else None}
        doubts = self._doubts(usage, least)
        if doubts is None:
            return ChoiceResponse(request.id, finish="overflow", **common)
        if logprobs is None:
            raise NoProbabilitiesError(
                f"{self.endpoint} gives no log-probabilities, which this task needs: choose another server or backend"
            )
        masses = choice_masses(logprobs, request.choices)
        total = math.fsum(masses.values)
        if masses.unlisted == len(request.choices) or total <= 0:
            error = (
                f"no choice among the {len(logprobs)} likeliest first tokens: --model-arg top_logprobs=N asks for more where the "
                "server gives them"
            )
            return ChoiceResponse(request.id, finish="error", error=error, mass=0.0, **common)
        if masses.unlisted:
            doubts = (*doubts, "choice_not_listed")
        return ChoiceResponse(
            request.id,
            tuple(mass / total for mass in masses.values),
            cached_tokens=usage.cached_tokens,
            mass=min(1.0, total),
            doubts=doubts,
            **common,
        )


def _names(rows: Sequence[dict[str, Any]]) -> str:
    """The first few models of a listing."""
    names = [str(row["id"]) for row in rows if isinstance(row.get("id"), str)]
    return ", ".join(f"'{name}'" for name in names[:5]) + (" …" if len(names) > 5 else "") or "none by name"


def _sum(a: float | None, b: float | None) -> float | None:
    return b if a is None else a + (b or 0.0)


def read_first(data: Any) -> FirstToken:
    """What a reply says about the first answer token; raises ``Malformed`` where it has no choices."""
    return read_first_token(data), read_usage(data)


def role_markers(messages: Sequence[Message]) -> str:
    """A conversation in a generic template: the best estimate where the real one is on the server."""
    return "".join([*(f"<|{message.role}|>\n{message.content}\n" for message in messages), "<|assistant|>\n"])
