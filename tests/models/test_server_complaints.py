"""What servers say when they refuse: their wordings, and what each means.

The bodies are written from the servers' documentation and source; none of these servers was asked for this table.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ehrbench.models.server.complaint import read_complaint, status_in
from ehrbench.models.server.retry import judge_status


def error(message: object, **more: object) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


OVERFLOWS: list[tuple[str, int, Any]] = [
    ("OpenAI", 400, error("This model's maximum context length is 8192 tokens.", code="context_length_exceeded")),
    ("vLLM", 400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400}),
    ("vLLM, prompt", 400, error("The prompt (total length 5000) is too long to fit into the model (context length 4096).")),
    ("vLLM, answer", 400, error("'max_tokens' is too large: 900. This model's maximum context length is 4096 tokens and your "
                                "request has 4000 input tokens", param="max_tokens")),
    ("llama.cpp", 400, error("the request exceeds the available context size", type="exceed_context_size_error")),
    ("llama.cpp, older", 500, error("the request exceeds the available context size", type="server_error")),
    ("llama-cpp-python", 500, error("Requested tokens (3000) exceed context window of 2048", type="internal_server_error")),
    ("TGI", 422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000"}),
    ("Together", 422, error("Input validation error: `inputs` must have less than 8193 tokens. Given: 9000")),
    ("SGLang", 400, {"object": "error", "message": "The input (5000 tokens) is longer than the model's context length (4096)."}),
    ("Anthropic", 400, {"type": "error", **error("prompt is too long: 210000 tokens > 200000 maximum")}),
    ("Anthropic, bytes", 413, {"type": "error", **error("Request exceeds the maximum size", type="request_too_large")}),
    ("Gemini", 400, [error("The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).", code=400)]),
    ("Mistral", 400, {"object": "error", "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum "
                      "context length", "type": "invalid_request_prompt", "code": "3051"}),
    ("Bedrock gateway", 400, {"detail": "Input is too long for requested model."}),
    ("Cohere", 400, {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000."}),
    ("Groq", 413, error("Request too large for model `llama` on tokens per minute (TPM): Limit 6000", type="tokens")),
    ("OpenAI, one call", 429, error("Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 60000.",
                                    code="rate_limit_exceeded")),
    ("Ollama", 400, error("the input length exceeds the context length")),
    ("LM Studio", 400, {"error": "Trying to keep the first 5000 tokens when context the overflows."}),
    ("Fireworks", 400, error("The prompt is too long: 9000, model maximum context length: 8191")),
    ("TensorRT-LLM", 500, {"detail": "Prompt length (5000) exceeds maximum input length (4096)"}),
    ("LiteLLM", 400, error("litellm.ContextWindowExceededError: the prompt does not fit", code="400")),
    ("GitHub Models", 413, error("Request body too large for gpt-4o model. Max size: 8000 tokens.", code="tokens_limit_reached")),
    ("nginx", 413, "<html><head><title>413 Request Entity Too Large</title></head></html>"),
]  # fmt: skip

FIELDS: list[tuple[str, int, Any, str]] = [
    ("OpenAI, value", 400, error("Unsupported value: 'temperature' does not support 0 with this model.", param="temperature",
                                 code="unsupported_value"), "temperature"),
    ("OpenAI, parameter", 400, error("Unsupported parameter: 'max_tokens' is not supported.", param="max_tokens"), "max_tokens"),
    ("OpenAI, argument", 400, error("Unrecognized request argument supplied: chat_template_kwargs"), "chat_template_kwargs"),
    ("FastAPI", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
     "seed"),
    ("Mistral", 422, {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"]}]}}, "seed"),
    ("vLLM", 400, error("[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'Extra inputs are forbidden'}]"), "seed"),
    ("Groq", 400, error("property 'chat_template_kwargs' is unsupported"), "chat_template_kwargs"),
    ("Gemini", 400, [error('Invalid JSON payload received. Unknown name "seed": Cannot find field.')], "seed"),
    ("Fireworks", 400, error("Extra inputs are not permitted, field: 'reasoning_effort'"), "reasoning_effort"),
    ("vLLM, tokens", 400, error("Requested sample logprobs of 50 is not supported", param="top_logprobs"), "top_logprobs"),
]  # fmt: skip


def raw(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@pytest.mark.parametrize(("server", "status", "body"), OVERFLOWS, ids=[row[0] for row in OVERFLOWS])
def test_overflow(server: str, status: int, body: Any) -> None:
    verdict = judge_status(status, {}, raw(body), succeeded=True)
    assert (verdict.action, verdict.finish) == ("give_up", "overflow")


@pytest.mark.parametrize(("server", "status", "body", "field"), FIELDS, ids=[row[0] for row in FIELDS])
def test_refused_field(server: str, status: int, body: Any, field: str) -> None:
    first = judge_status(status, {}, raw(body), succeeded=False)
    assert (first.action, f"'{field}'" in first.advice) == ("stop", True)
    assert judge_status(status, {}, raw(body), succeeded=True).action == "give_up"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, error("Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000.", code="rate_limit_exceeded")),
        (429, error("Too many tokens, please wait before trying again.")),
        (429, error("Requests rate limit exceeded")),
        (503, error("Loading model", type="unavailable_error")),
        (500, error("EngineCore encountered an issue.")),
        (500, "Internal Server Error"),
    ],
)
def test_what_passes_is_tried_again(status: int, body: Any) -> None:
    assert judge_status(status, {}, raw(body), succeeded=True).action == "retry"


@pytest.mark.parametrize(
    "message",
    ["the record says temperature 38.5, seed catheter in place", "the patient's temperature = 38", "stop aspirin", ""],
)
def test_a_quoted_prompt_is_not_a_refused_field(message: str) -> None:
    verdict = judge_status(400, {}, raw(error(f"failed on: {message}")), succeeded=False)
    assert (verdict.action, verdict.finish) == ("give_up", "error")


def test_a_moderator_is_told_from_a_refused_key() -> None:
    flagged = error("Your input was flagged", code=403, metadata={"reasons": ["violence"], "flagged_input": "CANARY"})
    assert judge_status(403, {}, raw(flagged), succeeded=False).finish == "refused"
    assert judge_status(403, {}, raw(error("Forbidden")), succeeded=False).alike == 3


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"error": {"code": 429, "message": "m"}}, 429),
        ({"error": {"code": "429", "message": "m"}}, 429),
        ({"error": {"type": "rate_limit_error", "message": "m"}}, 429),
        ({"error": {"type": "authentication_error"}}, 401),
        ({"error": {"type": "overloaded_error"}}, 529),
        ({"error": "anything"}, 500),
        ({"error": {"message": "m"}, "choices": []}, 500),
        ({"choices": [{"error": {"code": 502, "message": "m"}, "finish_reason": "error"}]}, 502),
        ({"error": None, "choices": [{"message": {"content": "x"}}]}, None),
        ({"choices": [{"message": {"content": "x"}}]}, None),
        ({"choices": "x"}, None),
        ([], None),
    ],
)
def test_errors_in_a_reply_of_200(data: Any, status: int | None) -> None:
    assert status_in(data) == status


@pytest.mark.parametrize(
    "body", [b"", b"[" * 200_000, b"9" * 5000, b"null", b'{"error": {"code": %s}}' % (b"9" * 400), b"\xff" * 9]
)
def test_any_body_is_read(body: bytes) -> None:
    assert read_complaint(body).field == ""
