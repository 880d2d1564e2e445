"""The ``hf`` backend: a checkpoint on this machine, run by transformers in padded batches."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import NamedTuple, TypeVar
from zlib import crc32

from ehrbench.errors import MissingError
from ehrbench.models.answers import read_answer, stop_rule, token_limit
from ehrbench.models.arguments import Arguments
from ehrbench.models.batches import BatchLimits, Size, in_portions, run_in_batches
from ehrbench.models.capabilities import Likelihood, LikelihoodRequest, LikelihoodResponse
from ehrbench.models.choices import SpellingReader, Spellings, log_sums, normalised
from ehrbench.models.finite import ItemError, NotFiniteError, failure
from ehrbench.models.hf.chat import Chat
from ehrbench.models.hf.checkpoint import require_weights, resolve, weights_hash
from ehrbench.models.hf.config import load_config, setting
from ehrbench.models.hf.engine import Engine, LoadOptions
from ehrbench.models.hf.rows import Generated, Row
from ehrbench.models.hf.tokenizer import HFTokenizer
from ehrbench.models.hf.window import usable_window
from ehrbench.models.likelihoods import Scored, tokens_of
from ehrbench.models.local import (
    CHAT_ARGUMENTS,
    introduction,
    load_named_tokenizer,
    read_chat,
    read_window,
    require_vocabulary,
    saved_dtype,
    template_source,
    versions,
)
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, Model, ModelIdentity, Request, Response, Tokenizer

ARGUMENTS = {
    "revision": "branch, tag or commit of a hub id in the local cache",
    "dtype": "auto, float32, bfloat16 or float16",
    "device": "auto, cpu, cuda, cuda:1 …",
    "device_map": "auto: spread the layers over all GPUs (needs accelerate)",
    "batch_size": "most prompts in a batch; auto: as many as batch_tokens allows",
    "batch_tokens": "most tokens in a batch, prompts and answers together; auto: by the free memory",
    "attn_implementation": "sdpa, eager, flash_attention_2 …",
    "trust_remote_code": "on: run the checkpoint's own Python code",
    **CHAT_ARGUMENTS,
}
"""Every ``--model-arg`` of the backend."""

T = TypeVar("T")
Shares = tuple[tuple[float, ...], float]
"""Of the choices, with the mass that they held."""


class _Prompt(NamedTuple):
    ids: array[int]
    limit: int
    opened: bool


class _Question(NamedTuple):
    ids: array[int]
    spellings: Spellings
    size: Size


def load(name: str, args: Mapping[str, str], max_model_len: int | None) -> Model:
    """Make a model from a checkpoint; its weights are read when the first request comes.

    Args:
        name: folder or hub id; a hub id has to be in the local hub cache, nothing is downloaded.
        args: see ``ARGUMENTS``.
        max_model_len: a smaller window than the model's own; None takes that.

    Raises:
        MissingError: torch or transformers is not installed, or the checkpoint is not on this machine or not complete.
        UsageError: an argument that the backend or the checkpoint cannot follow.
    """
    given = Arguments("hf", args, ARGUMENTS)
    if absent := [package for package in ("torch", "transformers") if find_spec(package) is None]:
        raise MissingError(f"the hf backend needs {' and '.join(absent)}, not installed here: pip install 'ehrbench[hf]'")
    options = _load_options(given)
    folder = resolve(name, given.text("revision"))
    require_weights(folder)
    tokenizer = load_named_tokenizer(name, folder)
    chat = read_chat(tokenizer, given)
    limits = BatchLimits(
        rows=None if given.text("batch_size", "auto") == "auto" else given.integer("batch_size", 1, 1),
        tokens=None if given.text("batch_tokens", "auto") == "auto" else given.integer("batch_tokens", 1, 1),
    )
    config = load_config(folder, trust_remote_code=options.trust_remote_code)
    require_vocabulary(name, config, tokenizer)
    own = read_window(name, folder, config, tokenizer, given)
    identity = ModelIdentity(
        name=tokenizer.name,
        backend="hf",
        revision=weights_hash(folder),
        settings={
            "dtype": options.dtype if options.dtype != "auto" else saved_dtype(config),
            **({"window": own.tokens} if given.text("window") is not None else {}),
            **({"attn_implementation": options.attn_implementation} if options.attn_implementation else {}),
            **({"trust_remote_code": True} if options.trust_remote_code else {}),
            "tokenizer": tokenizer.fingerprint,
            "checkpoint_sampling_settings": "ignored",
            **chat.settings,
        },
        versions=versions(("torch", "transformers", "tokenizers")),
    )
    length, template = usable_window(own, max_model_len, name), template_source(chat, given)
    model = HFModel(folder, tokenizer, chat, identity, length, options, limits, setting(config, "vocab_size"))
    model.template, model.introduction = template, introduction(chat, template, own, length)
    return model


class HFModel:
    """A ``Model`` that answers in this process."""

    endpoint: str | None = None
    is_remote: bool = False
    streaming: bool = False

    def __init__(
        self,
        folder: Path,
        tokenizer: HFTokenizer,
        chat: Chat,
        identity: ModelIdentity,
        context_length: int | None,
        options: LoadOptions,
        limits: BatchLimits,
        vocabulary: int | None = None,
    ) -> None:
        """Use ``load`` instead."""
        self.identity = identity
        self.tokenizer: Tokenizer | None = tokenizer
        self._tokenizer = tokenizer
        self.context_length = context_length
        self.thinks: bool = chat.thinks
        self.template: str | None = None
        self.introduction: str = ""
        self._folder = folder
        self._chat = chat
        self._options = options
        self._limits = limits
        self._vocabulary = vocabulary
        self._spellings = SpellingReader(tokenizer)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The exact text that is tokenised for ``messages``, its first token's text included."""
        return self._chat.text(messages)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer every request, the longest prompts first; responses come as each batch finishes.

        Greedy unless a request has a temperature: what the checkpoint's own generation settings say about sampling, penalties and
        lengths is ignored, its end tokens are kept. A request that does not fit ends as ``overflow``.
        """
        for portion in in_portions(requests):
            yield from self._generate(portion)

    def _generate(self, listed: Sequence[Request]) -> Iterator[Response]:
        prompts: dict[int, _Prompt] = {}
        for i, request in enumerate(listed):
            try:
                text = self._chat.text(request.messages)
                ids = self._known(self._chat.ids(text))
            except Exception as error:  # one bad item never costs the batch
                yield Response(request.id, finish="error", error=failure(error))
                continue
            limit = token_limit(self._chat, request)
            if self._overflows(len(ids) + limit):
                yield Response(request.id, finish="overflow", prompt_tokens=len(ids))
            elif limit < 1:
                yield Response(request.id, finish="length", prompt_tokens=len(ids), answer_tokens=0, reasoning_tokens=0)
            else:
                prompts[i] = _Prompt(array("i", ids), limit, self._chat.opens_thinking(text))

        def run(batch: Sequence[int]) -> list[Generated | NotFiniteError]:
            found = self._engine.generate([self._row(listed[i], prompts[i]) for i in batch])
            return [one if one.finite else NotFiniteError() for one in found]

        sizes = {i: Size(len(prompt.ids), prompt.limit) for i, prompt in prompts.items()}
        for i, outcome, seconds in self._in_batches(sizes, run):
            request, prompt = listed[i], prompts.pop(i)
            if isinstance(outcome, Exception):
                yield Response(request.id, finish="error", error=failure(outcome), prompt_tokens=len(prompt.ids), seconds=seconds)
                continue
            answer = read_answer(self._chat, request, outcome.ids, ended=outcome.ended, opened=prompt.opened)
            yield Response(request.id, **answer._asdict(), prompt_tokens=len(prompt.ids), seconds=seconds)

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """Probabilities of the choices at the first token of the answer proper, from the unchanged distribution.

        Thinking is turned off, or closed before it begins. A choice's probability is the sum over the distinct first tokens of
        its spellings, tokenised as they follow the prompt. Where two choices share a first token, or a request says ``whole``,
        it is the sum over the probabilities of its whole spellings instead, each the product over its tokens; of two spellings of
        which one begins the other, the shorter then counts for both.
        """
        for portion in in_portions(requests):
            yield from self._choice_probabilities(portion)

    def _choice_probabilities(self, listed: Sequence[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        prompts: dict[int, _Question] = {}
        for i, request in enumerate(listed):
            try:
                text = self._chat.answer_text(request.messages)
                ids = self._known(self._chat.ids(text))
                spellings = self._spellings.read(text, request.choices, request.whole)
            except Exception as error:
                yield ChoiceResponse(request.id, finish="error", error=failure(error))
                continue
            rows, longest = 1, 1
            if spellings.collide:
                every = [tokens for choice in spellings.sequences for tokens in choice]
                rows, longest = len(every), max(len(tokens) for tokens in every)
            if self._overflows(len(ids) + longest):
                yield ChoiceResponse(request.id, finish="overflow", prompt_tokens=len(ids))
            else:
                prompts[i] = _Question(array("i", ids), spellings, Size(rows * len(ids), rows * longest))

        def first(batch: Sequence[int]) -> list[Shares | NotFiniteError]:
            groups = [prompts[i].spellings.first for i in batch]
            found = self._engine.first_log_probabilities([prompts[i].ids for i in batch], [sum(tokens, []) for tokens in groups])
            return [_shares(log_sums(values, list(map(len, group)))) for values, group in zip(found, groups, strict=True)]

        def whole(batch: Sequence[int]) -> list[Shares | NotFiniteError]:
            rows = [(i, tokens) for i in batch for choice in prompts[i].spellings.sequences for tokens in choice]
            found = iter(
                self._engine.sequence_log_probabilities([prompts[i].ids for i, _ in rows], [tokens for _, tokens in rows])
            )
            sizes = [[len(choice) for choice in prompts[i].spellings.sequences] for i in batch]
            return [_shares(log_sums([next(found) for _ in range(sum(lengths))], lengths)) for lengths in sizes]

        for run, collide in ((first, False), (whole, True)):
            sizes = {i: prompt.size for i, prompt in prompts.items() if prompt.spellings.collide is collide}
            for i, outcome, seconds in self._in_batches(sizes, run):
                request, n = listed[i], len(prompts[i].ids)
                if isinstance(outcome, Exception):
                    yield ChoiceResponse(request.id, finish="error", error=failure(outcome), prompt_tokens=n, seconds=seconds)
                else:
                    shares, mass = outcome
                    yield ChoiceResponse(request.id, shares, prompt_tokens=n, seconds=seconds, mass=mass)

    def log_likelihoods(self, requests: Iterable[LikelihoodRequest]) -> Iterator[LikelihoodResponse]:
        """Log-likelihoods of given texts, tokenised without a chat template (see ``likelihoods.tokens_of``)."""
        source = iter(requests)
        while listed := list(islice(source, 256)):
            yield from self._log_likelihoods(listed)

    def _log_likelihoods(self, listed: Sequence[LikelihoodRequest]) -> Iterator[LikelihoodResponse]:
        asked: dict[int, list[list[Scored]]] = {}
        for i, request in enumerate(listed):
            try:
                texts = [tokens_of(self._tokenizer, text, self.context_length) for text in request.texts]
            except Exception as error:
                yield LikelihoodResponse(request.id, finish="error", error=failure(error))
                continue
            longest = max((len(part.before) + len(part.scored) - 1 for parts in texts for part in parts), default=0)
            if self._overflows(longest):
                yield LikelihoodResponse(request.id, finish="overflow", prompt_tokens=longest)
            else:
                asked[i] = texts

        def run(batch: Sequence[int]) -> list[list[Likelihood] | NotFiniteError]:
            rows = [part for i in batch for parts in asked[i] for part in parts if part.scored]
            scores = self._engine.score_endings([row.before for row in rows], [row.scored for row in rows]) if rows else []
            found = iter(scores)
            likelihoods = [
                [
                    Likelihood(sum(value for value, _ in windows), all(greedy for _, greedy in windows))
                    for parts in asked[i]
                    for windows in [[next(found) for part in parts if part.scored]]
                ]
                for i in batch
            ]
            return [one if all(isfinite(value) for value, _ in one) else NotFiniteError() for one in likelihoods]

        lengths = {i: [len(part.before) + len(part.scored) for parts in texts for part in parts] for i, texts in asked.items()}
        sizes = {i: Size(max(each, default=1) * max(1, len(each)), 0) for i, each in lengths.items()}
        for i, outcome, seconds in self._in_batches(sizes, run):
            n = sum(lengths[i])
            if isinstance(outcome, Exception):
                yield LikelihoodResponse(listed[i].id, finish="error", error=failure(outcome), prompt_tokens=n, seconds=seconds)
            else:
                yield LikelihoodResponse(listed[i].id, tuple(outcome), prompt_tokens=n, seconds=seconds)

    def close(self) -> None:
        """Free the weights."""
        if self.__dict__.pop("_engine", None) is not None:
            import gc

            import torch

            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    @cached_property
    def _engine(self) -> Engine:
        # Everything is read from a folder; libraries that look for more are to find out at once that there is no network.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        named = (self._tokenizer.special_tokens.get(key) for key in ("eos_token", "pad_token"))
        eos, pad = (None if token is None else self._tokenizer.token_id(token) for token in named)
        padding = next((token for token in (pad, eos) if token is not None), 0)
        return Engine(self._folder, self._options, [] if eos is None else [eos], padding)

    def _in_batches(
        self, sizes: Mapping[int, Size], run: Callable[[Sequence[int]], Sequence[T | Exception]]
    ) -> Iterator[tuple[int, T | Exception, float]]:
        if not sizes:
            return
        if self._limits == BatchLimits():
            self._limits = BatchLimits(rows=256, tokens=self._engine.batch_tokens())
        yield from run_in_batches(sizes, run, self._limits, self._lower)

    def _lower(self, limits: BatchLimits) -> None:
        self._limits = limits

    def _known(self, ids: list[int]) -> list[int]:
        """The tokens of a prompt; on a GPU, one without an embedding would stop the process instead of its item."""
        if self._vocabulary is not None and max(ids, default=0) >= self._vocabulary:
            raise ItemError(f"token {max(ids)} of the prompt is not in the model's vocabulary, which ends at {self._vocabulary}")
        return ids

    def _overflows(self, tokens: int) -> bool:
        return self.context_length is not None and tokens > self.context_length

    def _row(self, request: Request, prompt: _Prompt) -> Row:
        rule = stop_rule(self._chat, request.stop) if request.stop else None
        seed = request.seed if request.seed is not None else crc32(request.id.encode("utf-8", "surrogatepass"))
        return Row(prompt.ids, prompt.limit, request.temperature, request.top_p, seed, rule)


def _shares(logs: Sequence[float]) -> Shares | NotFiniteError:
    try:
        return normalised(logs)
    except NotFiniteError as error:  # this item's alone; the others of its batch keep their numbers
        return error


def _load_options(given: Arguments) -> LoadOptions:
    device_map = given.choice("device_map", ("auto",))
    if device_map and find_spec("accelerate") is None:
        raise MissingError("--model-arg device_map=auto needs accelerate, not installed here: pip install accelerate")
    return LoadOptions(
        dtype=given.choice("dtype", ("auto", "float32", "bfloat16", "float16"), "auto") or "auto",
        device=given.text("device", "auto") or "auto",
        device_map=device_map,
        attn_implementation=given.text("attn_implementation"),
        trust_remote_code=bool(given.switch("trust_remote_code")),
    )
