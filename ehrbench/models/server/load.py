"""The backends ``openai:NAME`` and ``azure:DEPLOYMENT``: from model arguments to a ``ServerModel``, without opening a socket."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_text
from ehrbench.models.arguments import Arguments
from ehrbench.models.hf.tokenizer import HFTokenizer
from ehrbench.models.protocol import Message, ModelIdentity, Tokenizer
from ehrbench.models.server.body import Api, Dialect, TokenField
from ehrbench.models.server.endpoint import (
    OPENAI_URL,
    PATHS,
    Endpoint,
    azure_endpoint,
    openai_endpoint,
    parse_base_url,
    through_proxy,
    with_certificate,
    with_headers,
)
from ehrbench.models.server.line import AiohttpLine, Line
from ehrbench.models.server.model import ServerModel, role_markers
from ehrbench.models.server.prices import read_prices
from ehrbench.models.server.tokens import SCOPE, Tokens, command_tokens, entra_tokens
from ehrbench.models.server.transport import Patience
from ehrbench.models.thinking import TAGS, Tags
from ehrbench.models.thinking_tags import find_tags, read_tags

ARGUMENTS = {
    "auth": "key (default), or entra: tokens of Microsoft Entra ID (service principal, managed identity, az login)",
    "base_url": "address of the server, up to /v1 (openai: default $OPENAI_BASE_URL, or "
    f"{OPENAI_URL}; azure: default $AZURE_OPENAI_ENDPOINT)",
    "api": "chat (default); completions, for base models; responses, OpenAI's Responses API",
    "api_key_env": "environment variable that holds the key",
    "check_counts": "on (default): an answer to fewer tokens than the prompt has is an overflow; off: it stands",
    "client": "ehrbench (default), or openai: every call goes through the package openai",
    "client_certificate": "PEM file of a client certificate that an https server is shown",
    "client_key_file": "PEM file of its key, where that is a file of its own",
    "concurrency": "calls in flight at most (default 32)",
    "extra_body": "JSON object of further fields of every call",
    "first_wait": "longest wait before the first retry in seconds (default 0.5); it doubles from there",
    "forwards_to": "address of the API to which a gateway at base_url sends the text on; the data policy goes by it",
    "headers": "further headers, HEADER=VARIABLE: the environment variable holds the value; commas between several",
    "max_retries": "further attempts after a failure that may pass (default 8)",
    "omit": "fields that the server does not take, separated by commas (temperature,seed)",
    "prices": "JSON file of prices per million tokens",
    "proxy": "http://host:port of a proxy to an https server, which it cannot read (default: none)",
    "reasoning_effort": "passed to the server",
    "retry_seconds": "no attempt begins later than this after the first, and so long is waited for a server (default 600)",
    "scope": f"what an Entra token is for (default {SCOPE})",
    "stop_after": "first calls that may all fail in the same way before the run stops (default 10); 0: any number",
    "think_tags": "the markers around the model's thinking, as <thought>,</thought>",
    "thinking": "on or off: told to the server's chat template; on adds the reasoning allowance",
    "timeout": "seconds of one attempt (default 900)",
    "token_field": "max_tokens or max_completion_tokens",
    "token_command": "command that prints a token, shown in place of a key and renewed before it ends",
    "tokenizer": "folder of the model's tokenizer, for counting",
    "top_logprobs": "how many first tokens are looked at (default 20, and more where a choice is not among them)",
}
"""What ``--model-arg`` takes, in one line each."""

Render = Callable[[Sequence[Message]], str]
_OWN_FIELDS = frozenset({"model", "messages", "prompt", "input", "stream", "n"})
_MORE_LOGPROBS = (1_000, 20_000)
"""Asked for where a choice is not among the first tokens that a server lists; llama.cpp and llama-cpp-python give that many."""


def openai(name: str, args: Mapping[str, str], max_model_len: int | None) -> ServerModel:
    """A model behind any OpenAI-compatible server.

    Raises:
        UsageError: an unknown argument or a bad value.
        MissingError: a tokenizer or price file that is not there.
    """
    arguments = Arguments("openai", args, ARGUMENTS)
    api = arguments.choice("api", tuple(PATHS), "chat") or "chat"
    base_url = arguments.text("base_url") or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    endpoint = openai_endpoint(base_url, api, arguments.text("api_key_env", "OPENAI_API_KEY") or "")
    at_openai = endpoint.base_url == OPENAI_URL
    return _model("openai", name, arguments, endpoint, max_model_len, newest_fields=at_openai, template_switch=not at_openai)


def azure(name: str, args: Mapping[str, str], max_model_len: int | None) -> ServerModel:
    """A deployment of Azure OpenAI.

    Raises:
        UsageError: an unknown argument, a bad value, or no endpoint.
        MissingError: a tokenizer or price file that is not there.
    """
    known = {**ARGUMENTS, "api_version": "version of the API (default 2024-10-21), or v1"}
    arguments = Arguments("azure", args, known)
    base_url = arguments.text("base_url") or os.environ.get("AZURE_OPENAI_ENDPOINT")
    if not base_url:
        raise UsageError(f"azure:{name}: which resource? give --model-arg base_url=https://NAME.openai.azure.com")
    api = arguments.choice("api", tuple(PATHS), "chat") or "chat"
    version = arguments.text("api_version", "2024-10-21") or ""
    if api == "responses" and version != "v1":
        raise UsageError("--model-arg api=responses: Azure has it in its API without dated versions; give api_version=v1, too")
    endpoint = azure_endpoint(base_url, name, api, version, arguments.text("api_key_env", "AZURE_OPENAI_API_KEY") or "")
    return _model("azure", name, arguments, endpoint, max_model_len, newest_fields=False, template_switch=False)


def _model(
    backend: str,
    name: str,
    arguments: Arguments,
    endpoint: Endpoint,
    max_model_len: int | None,
    *,
    newest_fields: bool,
    template_switch: bool,
) -> ServerModel:
    endpoint = through_proxy(endpoint, arguments.text("proxy"))
    endpoint = with_headers(endpoint, arguments.text("headers"))
    endpoint = with_certificate(endpoint, arguments.text("client_certificate"), arguments.text("client_key_file"))
    tokens = _tokens(arguments)
    if tokens is not None:  # no key is looked for, and none is shown
        endpoint = replace(endpoint, key_env="", key_header="Authorization", key_required=False)
    line = _line(arguments)
    client = "aiohttp" if line is AiohttpLine else "openai"
    extra = arguments.json_object("extra_body")
    if own := sorted(_OWN_FIELDS & extra.keys()):
        raise UsageError(f"--model-arg extra_body: '{own[0]}' is set by ehrbench; leave it out")
    effort = arguments.text("reasoning_effort")
    default_field = "max_completion_tokens" if newest_fields or effort else "max_tokens"
    api = cast(Api, arguments.choice("api", tuple(PATHS), "chat"))
    if api == "completions":
        default_field = "max_tokens"
    token_fields: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    if api == "responses":
        default_field, token_fields = "max_output_tokens", ("max_output_tokens",)
    thinking = arguments.switch("thinking")
    tokenizer, render = _tokenizer(arguments.text("tokenizer"), thinking, api)
    dialect = Dialect(
        model=name,
        api=api,
        token_field=cast(TokenField, arguments.choice("token_field", token_fields, default_field)),
        thinking=thinking,
        template_switch=template_switch,
        reasoning_effort=effort,
        top_logprobs=arguments.integer("top_logprobs", 5 if newest_fields and api == "completions" else 20, 1, 100_000),
        omit=frozenset(field.strip() for field in (arguments.text("omit") or "").split(",") if field.strip()),
        extra=extra,
        tags=_tags(arguments.text("think_tags"), tokenizer),
    )
    if own := sorted((_OWN_FIELDS - {"stream"}) & dialect.omit):
        raise UsageError(f"--model-arg omit: '{own[0]}' cannot be left out")
    patience = Patience(
        concurrency=arguments.integer("concurrency", 32, 1, 4096),
        max_retries=arguments.integer("max_retries", 8, 0, 100),
        retry_seconds=arguments.number("retry_seconds", 600.0, 0.0),
        timeout=arguments.number("timeout", 900.0, 0.01),
        first_wait=arguments.number("first_wait", 0.5, 0.0, 60.0),
        stop_after=arguments.integer("stop_after", 10, 0),
    )
    prices = arguments.text("prices")
    forwards_to = arguments.text("forwards_to")
    return ServerModel(
        ModelIdentity(name.rsplit("/", 1)[-1], backend, None, _settings(dialect, endpoint, arguments), _versions(client)),
        endpoint,
        dialect,
        patience,
        tokens=tokens,
        make_line=line,
        forwards_to=None if forwards_to is None else parse_base_url(forwards_to, "forwards_to", "https://host"),
        context_length=max_model_len,
        tokenizer=tokenizer,
        render=render,
        prices=read_prices(prices, name) if prices else None,
        check_counts=arguments.switch("check_counts") is not False,
        more_logprobs=() if newest_fields or arguments.text("top_logprobs") else _MORE_LOGPROBS,
    )


def _tokens(arguments: Arguments) -> Tokens | None:
    """What gives tokens in place of a key; None: nothing does."""
    command, scope = arguments.text("token_command"), arguments.text("scope")
    entra = arguments.choice("auth", ("key", "entra"), "key") == "entra"
    if command is not None and entra:
        raise UsageError("--model-arg auth=entra and token_command both give tokens: leave one of them out")
    if scope is not None and not entra:
        raise UsageError("--model-arg scope is what an Entra token is for: give auth=entra, too")
    if entra:
        return entra_tokens(scope or SCOPE)
    return None if command is None else command_tokens(command)


def _line(arguments: Arguments) -> Callable[[Endpoint, float], Line]:
    if arguments.choice("client", ("ehrbench", "openai"), "ehrbench") == "ehrbench":
        return AiohttpLine
    from ehrbench.models.server.openai_line import OpenAILine, require_openai

    require_openai()
    return OpenAILine


def _settings(dialect: Dialect, endpoint: Endpoint, arguments: Arguments) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "model": dialect.model,
        "api": dialect.api,
        # The same name on another server may be another model; the address itself is nobody else's business.
        "server": hash_text(endpoint.call_url)[:12],
    }
    chosen = {
        "thinking": dialect.thinking,
        "reasoning_effort": dialect.reasoning_effort,
        "omit": sorted(dialect.omit) or None,
        "extra_body": dict(dialect.extra) or None,
        "api_version": arguments.text("api_version"),
        "think_tags": arguments.text("think_tags"),
        "top_logprobs": dialect.top_logprobs if arguments.text("top_logprobs") else None,
    }
    return {**settings, **{name: value for name, value in chosen.items() if value is not None}}


def _versions(client: str) -> dict[str, str]:
    from importlib.metadata import version

    return {client: version(client)}


def _tags(given: str | None, tokenizer: Tokenizer | None) -> tuple[Tags, ...]:
    """The markers around the model's thinking: the user's, those of the tokenizer's folder, and those that are always known."""
    known = TAGS
    if isinstance(tokenizer, HFTokenizer):
        known = find_tags(tokenizer.chat_template, tokenizer.config, tokenizer.added_tokens)
    return known if given is None else (read_tags(given), *known)


def _tokenizer(path: str | None, thinking: bool | None, api: str) -> tuple[Tokenizer | None, Render | None]:
    """The tokenizer for counting, and what makes a prompt's text with its chat template."""
    if path is None:
        return None, None
    if path == "words":
        from ehrbench.models.words import WORDS

        return WORDS, None
    from ehrbench.models.hf.chat import load_chat
    from ehrbench.models.hf.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(path)
    if api == "completions" or tokenizer.chat_template is None:
        # A server puts the token that begins a text before a plain prompt; it has to be counted.
        return tokenizer, load_chat(tokenizer, template="none").text if api == "completions" else None
    try:
        chat = load_chat(tokenizer, thinking=thinking)
    except UsageError:  # no switch in the template: the server's model thinks, or does not, by itself
        chat = load_chat(tokenizer)

    def render(messages: Sequence[Message]) -> str:
        from jinja2 import TemplateError

        try:
            return chat.text(messages)
        except TemplateError:  # only an estimate is asked for; the server applies its own template
            return role_markers(messages)

    return tokenizer, render
