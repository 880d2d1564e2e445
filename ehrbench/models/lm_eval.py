"""The ``lm-eval`` backend: any model class of lm-evaluation-harness that runs on this machine, behind our ``Model``.

``lm-eval:BACKEND,key=value,…`` takes lm-eval's own model arguments. Its servers' clients are not used: they retry without end,
hide why an answer ended and cut prompts; ``openai:`` is for servers.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from itertools import islice
from math import isfinite
from typing import Any

from ehrbench.errors import EhrbenchError, MissingError, UsageError, unknown_name
from ehrbench.models.answers import cut_at_stop
from ehrbench.models.arguments import refuse_secrets
from ehrbench.models.capabilities import Likelihood, LikelihoodRequest, LikelihoodResponse
from ehrbench.models.choices import log_sums, normalised
from ehrbench.models.finite import NOT_A_NUMBER, NotFiniteError, failure
from ehrbench.models.hf.checkpoint import require_weights, resolve, weights_hash
from ehrbench.models.hf.coverage import require_loadable
from ehrbench.models.local import versions
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, Model, ModelIdentity, Request, Response, Tokenizer
from ehrbench.models.thinking import split

_LOCAL = (
    "hf",
    "hf-auto",
    "huggingface",
    "vllm",
    "sglang",
    "gptqmodel",
    "mamba_ssm",
    "openvino",
    "optimum-intel",
    "ipex",
    "dummy",
)
_TRANSFORMERS = ("hf", "hf-auto", "huggingface")
"""Those that load a checkpoint as transformers does by itself: what the files lack is filled with random numbers."""
_PORTION = 64
"""Requests given to lm-eval at once; what it answers is stored before the next are given."""
_ALIKE = 3
"""Copies of one piece at an answer's end, at least, where a model's scores are not numbers: it then takes one token each time."""
_LONGEST_PIECE = 16
"""Characters."""
_ANY_TEXT = " ."
"""Scored after a prompt whose answer is empty; where scores are not numbers, those of every text are none."""


def load(name: str, args: Mapping[str, str], max_model_len: int | None) -> Model:
    """Make a model; it is loaded when the first request comes.

    Args:
        name: ``BACKEND,key=value,…`` as lm-eval's ``--model`` and ``--model_args``.
        args: further arguments of the same kind.
        max_model_len: a smaller window than lm-eval's own.

    Raises:
        MissingError: lm-eval is not installed, or the checkpoint is not on this machine.
        UsageError: an unknown backend, one that calls a server, or an argument that is not ``key=value``.
    """
    from ehrbench.models.lm_eval_package import require_lm_eval

    found = require_lm_eval()
    backend, *parts = name.split(",")
    arguments = {**_pairs(name, parts), **args}
    refuse_secrets(arguments)
    if backend not in _LOCAL:
        raise UsageError(
            f"--model lm-eval:{backend}: {unknown_name('local backend of lm-eval', backend, _LOCAL)}; servers are asked with "
            "openai:NAME and --model-arg base_url=…"
        )
    checkpoint = arguments.get("pretrained")
    revision = None
    if checkpoint is not None:
        folder = resolve(checkpoint, arguments.get("revision"))
        require_weights(folder)
        revision = weights_hash(folder)
    elif backend != "dummy":
        raise UsageError(f"--model lm-eval:{backend}: no checkpoint; expected for instance lm-eval:{backend},pretrained=PATH")
    quiet = {"batch_size", "max_batch_size", "device", "pretrained"}
    identity = ModelIdentity(
        name=checkpoint.rstrip("/").rsplit("/", 1)[-1] if checkpoint else backend,
        backend=f"lm-eval-{backend}",
        revision=revision,
        settings={key: value for key, value in sorted(arguments.items()) if key not in quiet},
        versions={"lm-eval": found, **versions(("torch", "transformers", "vllm"))},
    )
    return LmEvalModel(backend, arguments, identity, max_model_len)


def _pairs(name: str, parts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise UsageError(f"--model lm-eval:{name}: '{part}' is not key=value")
        pairs[key] = value
    return pairs


class LmEvalModel:
    """A ``Model`` made from an ``lm_eval.api.model.LM``."""

    endpoint: str | None = None
    is_remote: bool = False
    streaming: bool = False
    thinks: bool = False
    tokenizer: Tokenizer | None = None

    def __init__(self, backend: str, arguments: Mapping[str, str], identity: ModelIdentity, max_model_len: int | None) -> None:
        """Use ``load`` instead."""
        self.identity = identity
        self.context_length = max_model_len
        self._backend = backend
        self._arguments = dict(arguments)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The prompt: the checkpoint's chat template where it has one, else the contents, a newline between."""
        if self._chats:
            turns = [{"role": message.role, "content": message.content} for message in messages]
            return str(self._model.apply_chat_template(turns))
        return "\n".join(message.content for message in messages)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer every request, some at a time. A prompt that does not fit ends as ``overflow``; lm-eval would cut it."""
        source = iter(requests)
        while portion := list(islice(source, _PORTION)):
            prompts: list[tuple[Request, str, int | None]] = []
            for request in portion:
                try:
                    text = self.prompt_text(request.messages)
                    n = self._count(text)
                except EhrbenchError:  # the model cannot be made, which is not the item's fault
                    raise
                except Exception as error:
                    yield Response(request.id, finish="error", error=failure(error))
                    continue
                if self._overflows(n, request.max_tokens):
                    yield Response(request.id, finish="overflow", prompt_tokens=n)
                else:
                    prompts.append((request, text, n))
            calls = [("generate_until", (text, _settings(request))) for request, text, _ in prompts]
            answers = self._with_numbers(prompts, self._ask(calls))
            for (request, _, n), (outcome, seconds) in zip(prompts, answers, strict=True):
                yield self._response(request, n, outcome, seconds)

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """Probabilities of the choices' whole spellings after the prompt, normalised: lm-eval tells no first token's."""
        source = iter(requests)
        while portion := list(islice(source, _PORTION)):
            texts = [self.prompt_text(request.messages) for request in portion]
            asked = [
                LikelihoodRequest(
                    request.id, tuple((text, spelling) for choice in request.choices for spelling in dict.fromkeys(choice))
                )
                for request, text in zip(portion, texts, strict=True)
            ]
            by_id = {request.id: request for request in portion}
            for found in self.log_likelihoods(asked):
                if found.finish != "stop":
                    yield ChoiceResponse(found.id, finish=found.finish, error=found.error, prompt_tokens=found.prompt_tokens)
                    continue
                sizes = [len(dict.fromkeys(choice)) for choice in by_id[found.id].choices]
                try:
                    shares, mass = normalised(log_sums([one.value for one in found.likelihoods], sizes))
                except NotFiniteError as error:
                    yield ChoiceResponse(found.id, finish="error", error=failure(error), prompt_tokens=found.prompt_tokens)
                    continue
                yield ChoiceResponse(found.id, shares, prompt_tokens=found.prompt_tokens, seconds=found.seconds, mass=mass)

    def log_likelihoods(self, requests: Iterable[LikelihoodRequest]) -> Iterator[LikelihoodResponse]:
        """Log-likelihoods of given texts, by lm-eval's own tokenisation. A pair that does not fit ends as ``overflow``."""
        source = iter(requests)
        while portion := list(islice(source, _PORTION)):
            ready: list[tuple[LikelihoodRequest, int | None]] = []
            for request in portion:
                pairs = [sum(self._count(part) or 0 for part in text) for text in request.texts if len(text) > 1]
                longest = max(pairs, default=0)
                if self._overflows(longest, 0):
                    yield LikelihoodResponse(request.id, finish="overflow", prompt_tokens=longest)
                else:
                    ready.append((request, longest or None))
            calls = [
                ("loglikelihood" if len(text) > 1 else "loglikelihood_rolling", tuple(text))
                for request, _ in ready
                for text in request.texts
            ]
            outcomes = iter(self._ask(calls))
            for request, n in ready:
                found = [next(outcomes) for _ in request.texts]
                failed = next((outcome for outcome, _ in found if isinstance(outcome, Exception)), None)
                seconds = sum(took for _, took in found)
                if failed is not None:
                    yield LikelihoodResponse(request.id, finish="error", error=failure(failed), prompt_tokens=n, seconds=seconds)
                    continue
                likelihoods = tuple(_likelihood(outcome) for outcome, _ in found)
                if all(isfinite(one.value) for one in likelihoods):
                    yield LikelihoodResponse(request.id, likelihoods, prompt_tokens=n, seconds=seconds)
                else:
                    yield LikelihoodResponse(request.id, finish="error", error=NOT_A_NUMBER, prompt_tokens=n, seconds=seconds)

    def close(self) -> None:
        """Free the weights."""
        if self.__dict__.pop("_model", None) is not None:
            import gc

            gc.collect()

    @cached_property
    def _model(self) -> Any:
        try:
            if self._backend in _TRANSFORMERS:
                trusts = self._arguments.get("trust_remote_code", "").lower() in ("true", "on", "1")
                folder = resolve(self._arguments["pretrained"], self._arguments.get("revision"))
                require_loadable(folder, trust_remote_code=trusts)
            registry: Any = import_module("lm_eval.api.registry")
            return registry.get_model(self._backend).create_from_arg_obj(
                {key: _value(value) for key, value in self._arguments.items()}
            )
        except EhrbenchError:
            raise
        except ImportError as error:
            raise MissingError(
                f"lm-eval's model '{self._backend}' needs {error.name or error}, not installed here: pip install "
                f"'lm-eval[{'vllm' if self._backend == 'vllm' else 'hf'}]'"
            ) from None
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise UsageError(
                f"lm-eval cannot make the model '{self._backend}': {type(error).__name__}: {reason}; correct the arguments after "
                "the backend's name"
            ) from None

    @cached_property
    def _chats(self) -> bool:
        tokenizer = getattr(self._model, "tokenizer", None)
        return bool(getattr(tokenizer, "chat_template", None))

    def _count(self, text: str) -> int | None:
        encode = getattr(self._model, "tok_encode", None)
        return None if encode is None else len(encode(text))

    def _overflows(self, n: int | None, more: int) -> bool:
        own = getattr(self._model, "max_length", None)
        window = min((size for size in (own, self.context_length) if isinstance(size, int)), default=None)
        return n is not None and window is not None and n + more > window

    def _ask(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[tuple[Any, float]]:
        """Outcomes in the calls' order; a call that fails is found by halving and does not take the others along."""
        outcomes: list[tuple[Any, float] | None] = [None] * len(calls)
        for kind in dict.fromkeys(kind for kind, _ in calls):
            places = [i for i, (one, _) in enumerate(calls) if one == kind]
            for place, outcome in zip(places, self._isolated(kind, [calls[i][1] for i in places]), strict=True):
                outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _isolated(self, kind: str, arguments: Sequence[tuple[Any, ...]]) -> list[tuple[Any, float]]:
        instance: Any = import_module("lm_eval.api.instance").Instance
        model = self._model
        began = time.perf_counter()
        try:
            call = getattr(model, kind)
            quiet = {"disable_tqdm": True} if "disable_tqdm" in inspect.signature(call).parameters else {}  # its bars tear ours
            found = call(
                [
                    instance(request_type=kind, doc={}, arguments=one, idx=0, metadata=(None, i, 1))
                    for i, one in enumerate(arguments)
                ],
                **quiet,
            )
        except EhrbenchError:
            raise
        except Exception as error:
            if len(arguments) == 1:
                return [(error, time.perf_counter() - began)]
            half = len(arguments) // 2
            return [*self._isolated(kind, arguments[:half]), *self._isolated(kind, arguments[half:])]
        share = (time.perf_counter() - began) / len(arguments)
        return [(one, share) for one in found]

    def _with_numbers(
        self, prompts: Sequence[tuple[Request, str, int | None]], answers: Sequence[tuple[Any, float]]
    ) -> list[tuple[Any, float]]:
        """Answers, or NotFiniteError for one that came from scores which are not numbers.

        lm-eval gives a text and no scores, so those of answers that look like it are asked for.
        """
        checked = list(answers)
        limits = [request.max_tokens for request, _, _ in prompts]
        doubtful = [i for i, (one, _) in enumerate(answers) if not isinstance(one, Exception) and _repeats(str(one), limits[i])]
        calls = [("loglikelihood", (prompts[i][1], str(answers[i][0]) or _ANY_TEXT)) for i in doubtful]
        for i, (found, seconds) in zip(doubtful, self._ask(calls), strict=True):
            answer, took = answers[i]
            if isinstance(found, NotImplementedError):  # a model class that writes, and scores nothing
                continue
            if not isinstance(found, Exception):
                answer = answer if isfinite(_likelihood(found).value) else NotFiniteError()
            checked[i] = found if isinstance(found, Exception) else answer, took + seconds
        return checked

    def _response(self, request: Request, n: int | None, outcome: Any, seconds: float) -> Response:
        if isinstance(outcome, Exception):
            return Response(request.id, finish="error", error=failure(outcome), prompt_tokens=n, seconds=seconds)
        made = self._count(str(outcome))
        answer, reasoning, closed = split(str(outcome))
        if not closed:
            return Response(request.id, finish="reasoning_length", reasoning=reasoning, prompt_tokens=n, seconds=seconds)
        text, _ = cut_at_stop(answer, request.stop)
        full = made is not None and made >= request.max_tokens
        return Response(
            request.id,
            text,
            "length" if full else "stop",
            reasoning,
            prompt_tokens=n,
            answer_tokens=made,
            reasoning_tokens=0,
            seconds=seconds,
        )


def _settings(request: Request) -> dict[str, Any]:
    settings: dict[str, Any] = {"until": list(request.stop), "max_gen_toks": request.max_tokens, "do_sample": False}
    if request.temperature > 0:
        settings |= {"do_sample": True, "temperature": request.temperature, "top_p": request.top_p}
    return settings


def _repeats(text: str, most_tokens: int) -> bool:
    """Whether an answer is empty or ends in one piece again and again, as often as its limit of tokens lets it."""
    copies = min(_ALIKE, most_tokens)
    pieces = (text[-size:] for size in range(1, _LONGEST_PIECE + 1) if size * copies <= len(text))
    return not text.strip() or any(text.endswith(piece * copies) for piece in pieces)


def _likelihood(outcome: Any) -> Likelihood:
    if isinstance(outcome, tuple | list):
        return Likelihood(float(outcome[0]), bool(outcome[1]) if len(outcome) > 1 else False)
    return Likelihood(float(outcome), False)


def _value(text: str) -> Any:
    """As lm-eval reads its own argument strings."""
    utilities: Any = import_module("lm_eval.utils")
    return utilities.handle_arg_string(text)
