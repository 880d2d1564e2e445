"""Markers of thinking: found in a template or a tokenizer, named by the user, and noticed in an answer where nobody knew them."""

from __future__ import annotations

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.thinking import TAGS, Tags, looks_like_thought, split
from ehrbench.models.thinking_tags import closing_of, find_tags, read_tags


@pytest.mark.parametrize(
    ("template", "pair"),
    [
        ("{{ '<thought>\n' if add_generation_prompt }}", ("<thought>", "</thought>")),
        ("{%- if enable_thinking %}<reasoning>{% endif %}", ("<reasoning>", "</reasoning>")),
        ("{{ '[THINKING]' }}", ("[THINKING]", "[/THINKING]")),
        ("{{ '◁think▷' }}", ("◁think▷", "◁/think▷")),
        ("<|START_THINKING|>{{ x }}<|END_THINKING|>", ("<|START_THINKING|>", "<|END_THINKING|>")),
        ("<|begin_of_thought|>", ("<|begin_of_thought|>", "<|end_of_thought|>")),
        ("'<|channel>thought\n'", ("<|channel>thought", "<channel|>")),
    ],
)
def test_a_templates_markers_are_found(template: str, pair: tuple[str, str]) -> None:
    found = find_tags(template, {}, ())
    assert Tags(*pair) in found
    assert closing_of(pair[0]) == pair[1]
    assert split(f"{pair[0]}no, wait{pair[1]}\nyes", tags=found) == ("yes", "no, wait", True)
    assert split(f"{pair[0]}no, wa", tags=found).closed is False
    assert set(found) - set(TAGS) <= {Tags(*pair)}


def test_the_tokenizer_and_its_patterns_of_answers_are_read() -> None:
    assert Tags("<musing_thought>", "</musing_thought>") in find_tags(
        None, {}, ["<musing_thought>", "</musing_thought>", "<eos>"]
    )
    schema = {"x-regex": r"(\<\|inner\>thought\n(?P<thinking>.*?)\<inner\|\>)?(?P<content>.*)"}
    assert Tags("<|inner>thought", "<inner|>") in find_tags(None, {"response_schema": schema}, ())
    assert find_tags("{% if enable_thinking is defined and reasoning_content %}{% endif %}", {}, ["<|im_start|>"]) == TAGS


def test_the_users_pair() -> None:
    assert read_tags("<a>,</a>") == Tags("<a>", "</a>")
    assert read_tags("<a>") == Tags("<a>", "</a>")
    for wrong in ("", ",", "<a>,", "<a>,<a>"):
        with pytest.raises(UsageError, match="think_tags="):
            read_tags(wrong)


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("<deep_thought>first the sodium", True),
        (" <|channel>thought\nfirst", True),
        ("<|reasoning_start|>so", True),
        ("[Reasoning] so", True),
        ("◁thinking▷ so", True),
        ("<scratchpad>\n1.", True),
        ("I think that <sodium> is low", False),
        ("sodium < 130, reason unknown", False),
        ("[1] thought to be viral", False),
        ("<answer>yes</answer>", False),
        ("", False),
    ],
)
def test_an_answer_that_begins_as_a_thought_is_noticed(text: str, looks: bool) -> None:
    assert looks_like_thought(text) is looks


def test_a_server_model_is_given_the_users_pair_and_its_tokenizers() -> None:
    from ehrbench.models.server.load import openai
    from ehrbench.models.server.reply import read_answer

    model = openai("m", {"base_url": "http://127.0.0.1:9/v1", "think_tags": "<plan>,</plan>"}, None)
    reply = {"choices": [{"message": {"content": "<plan>look at sodium</plan>low"}, "finish_reason": "stop"}]}
    assert read_answer(reply, None).text == "<plan>look at sodium</plan>low"
    found = read_answer(reply, None, model.dialect.tags)
    assert (found.text, found.reasoning) == ("low", "look at sodium")
    assert (model.template, model.introduction) == ("of the server", "the server's own chat template")
    assert openai("m", {"base_url": "http://127.0.0.1:9/v1", "api": "completions"}, None).template is None
