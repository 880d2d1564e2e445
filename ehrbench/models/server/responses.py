"""OpenAI's Responses API: its reply in the form of a chat completion, so that one reader takes both."""

from __future__ import annotations

from typing import Any

LEAST_TOKENS = 16
"""A call may ask for no fewer."""


def as_chat(data: Any) -> Any:
    """A reply of the Responses API as a chat completion has it; anything else as it is.

    The texts of its messages are the content, summaries of its thoughts the reasoning; a refusal, a content filter and the token
    limit end it as they end a chat completion.
    """
    if not isinstance(data, dict) or not isinstance(data.get("output"), list):
        return data
    texts: list[str] = []
    thoughts: list[str] = []
    refusal: str | None = None
    for item in data["output"]:
        if not isinstance(item, dict):
            continue
        parts = item.get("content") if item.get("type") == "message" else item.get("summary")
        for part in parts if isinstance(parts, list) else []:
            if not isinstance(part, dict):
                continue
            if part.get("type") == "refusal":
                refusal = str(part.get("refusal") or "refused")
            elif isinstance(part.get("text"), str):
                (texts if part.get("type") == "output_text" else thoughts).append(part["text"])
    message = {
        "content": "".join(texts) if texts else None,
        "reasoning_content": "\n".join(thoughts) or None,
        "refusal": refusal,
    }
    return {"choices": [{"message": message, "finish_reason": _ending(data)}], "usage": _usage(data.get("usage"))}


def _ending(data: dict[str, Any]) -> str:
    details = data.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if reason == "max_output_tokens":
        return "length"
    if reason == "content_filter":
        return "content_filter"
    return "stop" if data.get("status") in (None, "completed") else "error"


def _usage(usage: Any) -> Any:
    if not isinstance(usage, dict):
        return None
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": usage.get("input_tokens_details"),
        "completion_tokens_details": usage.get("output_tokens_details"),
    }
