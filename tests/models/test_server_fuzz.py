"""Whatever JSON a server sends, a reply is an answer, a named fault, or nothing; nothing else is ever raised."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.models.server.complaint import complaint_of, status_in
from ehrbench.models.server.reply import Malformed, choice_masses, read_answer, read_first_token, read_usage
from ehrbench.models.server.retry import judge_complaint

NAMES = (
    *("choices", "message", "content", "reasoning_content", "reasoning", "refusal", "finish_reason", "text", "usage", "error"),
    *("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details", "cached_tokens", "logprobs"),
    *("top_logprobs", "token", "logprob", "code", "type", "status", "detail", "loc", "param", "metadata", "reasons", "thinking"),
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(10**400), st.sampled_from(NAMES)
)
REPLIES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6), max_leaves=25
)


def read(data: Any) -> None:
    read_usage(data)
    try:
        read_answer(data, None)
    except Malformed as error:
        assert error.kind.isidentifier()
    try:
        logprobs = read_first_token(data)
    except Malformed as error:
        assert error.kind.isidentifier()
    else:
        masses = choice_masses(logprobs or {}, (("yes", " yes"), ("no",)))
        assert all(0 <= mass <= 1.02 for mass in masses.values)
    assert status_in(data) is None or 400 <= (status_in(data) or 0) < 600
    for status in (400, 403, 422, 429, 500):
        verdict = judge_complaint(status, {}, complaint_of(data), succeeded=True)
        assert verdict.error == f"HTTP {status}"


@settings(max_examples=300, deadline=None)
@given(REPLIES)
def test_any_reply(data: Any) -> None:
    read(data)


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, REPLIES)), REPLIES)
def test_any_choice(choice: dict[str, Any], usage: Any) -> None:
    read({"choices": [choice], "usage": usage})
    read({"choices": [{"message": choice, "logprobs": {"content": [choice]}}], "usage": usage})
    read({"error": choice})
