"""Chat templates in the styles that models have; the text is compared with transformers' where that is installed."""

from __future__ import annotations

import datetime
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import UsageError
from ehrbench.models import Message
from ehrbench.models.hf.chat import Chat, load_chat, merged
from ehrbench.models.hf.tokenizer import load_tokenizer
from tests.tiny.models import save_tokenizer

LLAMA31 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
QWEN3 = """{%- set ns = namespace(last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if message.role == "user" %}
        {%- set ns.last = index %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "assistant" %}
        {%- set content = message.content %}
        {%- if '</think>' in content %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- generation %}{{- '<|im_start|>assistant\\n' + content + '<|im_end|>\\n' }}{%- endgeneration %}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""
MISTRAL = """{{ bos_token }}{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{% endif %}
{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}
{%- elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"""
FORGETS_SYSTEM = """{{ bos_token }}{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}"""
R1 = """{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}\
{% if add_generation_prompt %}<assistant><think>\n{% endif %}"""
BAICHUAN = """{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>\
{% if thinking_mode is defined %}{% if thinking_mode == 'on' %}<think>\n{% elif thinking_mode == 'off' %}<think>\n\n</think>\n\n\
{% endif %}{% endif %}"""
HARMONY = """{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}\
{# answers: <|channel|>analysis, <|channel|>final #}{% if add_generation_prompt %}<|start|>assistant{% endif %}"""
TOJSON = """{{ messages | tojson }}{{ messages | tojson(indent=2) }}{{ bos_token }}<\u00e9>"""

SYSTEM = Message("system", "You are a helpful clinician.")
USER = Message("user", " What is the <b>latest</b> sodium, naïve 'q' \"d\" & more?\n")
TURNS = [USER, Message("assistant", "<think>\nhm\n</think>\n\n128 mmol/L"), Message("user", "Again?")]


def chat(folder: Path, template: str | bool = True, tokenizer: str = "llama3", **options: Any) -> Chat:
    return load_chat(load_tokenizer(str(save_tokenizer(folder / "m", tokenizer, template))), **options)


@pytest.mark.hf
@pytest.mark.parametrize("conversation", [[USER], [SYSTEM, USER], [SYSTEM, *TURNS]], ids=["user", "system", "turns"])
@pytest.mark.parametrize(
    ("tokenizer", "template", "options", "arguments"),
    [
        ("llama3", True, {}, {}),
        ("llama3", LLAMA31, {"date": "today"}, {}),
        ("llama3", LLAMA31, {"extra": {"date_string": "1 May 2020"}}, {"date_string": "1 May 2020"}),
        ("chatml", True, {}, {}),
        ("chatml", True, {"thinking": True}, {"enable_thinking": True}),
        ("chatml", True, {"thinking": False}, {"enable_thinking": False}),
        ("chatml", QWEN3, {"thinking": False}, {"enable_thinking": False}),
        ("llama2", True, {}, {}),
        ("llama2", MISTRAL, {}, {}),
        ("llama2", R1, {}, {}),
        ("llama3", FORGETS_SYSTEM, {}, {}),
        ("chatml", BAICHUAN, {"thinking": True}, {"thinking_mode": "on"}),
        ("chatml", BAICHUAN, {"thinking": False}, {"thinking_mode": "off"}),
        ("chatml", HARMONY, {}, {}),
        ("chatml", TOJSON, {}, {"bos_token": ""}),
    ],
)
def test_text_and_tokens_equal_transformers(
    tmp_path: Path,
    tokenizer: str,
    template: str | bool,
    options: dict[str, Any],
    arguments: dict[str, Any],
    conversation: list[Message],
) -> None:
    import transformers

    ours = chat(tmp_path, template, tokenizer, **options)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    given = merged(conversation) if ours.merge_system else conversation
    expected = theirs.apply_chat_template(
        [message._asdict() for message in given], tokenize=False, add_generation_prompt=True, **arguments
    )
    if ours.bos and not expected.startswith(ours.bos):
        expected = ours.bos + expected
    text = ours.text(conversation)
    assert text == expected
    assert ours.ids(text) == theirs(expected, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("template", [MISTRAL, FORGETS_SYSTEM])
def test_a_system_message_that_the_template_refuses_is_merged_and_said_once(
    tmp_path: Path, template: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ours = chat(tmp_path, template, "llama2")
        texts = [ours.text([SYSTEM, USER]), ours.text([SYSTEM, *TURNS])]
    assert ours.merge_system
    assert len(caplog.records) == 1
    assert all(f"{SYSTEM.content}\n\n{USER.content}" in text for text in texts)
    assert texts[0].count(SYSTEM.content) == 1
    assert "first user message" in ours.settings["system_message"]


def test_merging_without_a_user_message() -> None:
    assert merged([SYSTEM]) == [Message("user", SYSTEM.content)]
    assert merged([USER]) == [USER]
    assert merged([SYSTEM, SYSTEM, USER])[0].content == f"{SYSTEM.content}\n\n{SYSTEM.content}\n\n{USER.content}"


@pytest.mark.parametrize(("tokenizer", "bos"), [("llama3", "<|begin_of_text|>"), ("llama2", "<s>"), ("chatml", None)])
@pytest.mark.parametrize("template", [True, False])
def test_exactly_one_beginning_token(tmp_path: Path, tokenizer: str, bos: str | None, template: bool) -> None:
    ours = chat(tmp_path, template, tokenizer)
    ids = ours.ids(ours.text([USER]))
    expected = 0 if bos is None else 1
    assert ids.count(ours.tokenizer.token_id(bos) if bos else -1) == expected
    if bos:
        assert ids[0] == ours.tokenizer.token_id(bos)


def test_beginning_token_that_the_template_doubles_or_forgets(tmp_path: Path) -> None:
    doubled = chat(tmp_path / "a", "{{ bos_token }}{{ bos_token }}{{ messages[-1].content }}")
    forgot = chat(tmp_path / "b", "{{ messages[-1].content }}")
    begin = doubled.tokenizer.token_id("<|begin_of_text|>")
    for ours in (doubled, forgot):
        ids = ours.ids(ours.text([Message("user", "sodium")]))
        assert ids == [begin, *ours.tokenizer.ids("sodium")]


def test_base_model_is_given_the_contents_by_the_tokenizers_own_rule(tmp_path: Path) -> None:
    ours = chat(tmp_path, False, "llama2")
    text = ours.text([SYSTEM, Message("user", "sodium")])
    assert text == f"<s>{SYSTEM.content}\nsodium"
    assert ours.ids(text) == ours.tokenizer.ids(f"{SYSTEM.content}\nsodium", add_special_tokens=True)
    assert not ours.thinks


@pytest.mark.parametrize(("configured", "expected"), [(True, "<s>"), (False, None), (None, "<s>")])
def test_configuration_overrides_the_post_processor(tmp_path: Path, configured: bool | None, expected: str | None) -> None:
    folder = save_tokenizer(tmp_path / "m", "llama2", False)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    if configured is not None:
        config["add_bos_token"] = configured
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert load_chat(load_tokenizer(str(folder))).bos == expected


@pytest.mark.parametrize(
    ("template", "options", "thinks", "cue", "answer_cue"),
    [
        (QWEN3, {}, True, "assistant\n", "assistant\n<think>\n\n</think>\n\n"),
        (QWEN3, {"thinking": True}, True, "assistant\n", "assistant\n<think>\n\n</think>\n\n"),
        (QWEN3, {"thinking": False}, False, "</think>\n\n", "assistant\n<think>\n\n</think>\n\n"),
        (R1, {}, True, "<think>\n", "<think>\n\n</think>\n\n"),
        (R1, {"thinking": False}, False, "<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),
        (BAICHUAN, {}, False, "<assistant>", "<think>\n\n</think>\n\n"),
        (BAICHUAN, {"thinking": True}, True, "<think>\n", "<think>\n\n</think>\n\n"),
        (HARMONY, {}, True, "<|start|>assistant", "<|start|>assistant<|channel|>final<|message|>"),
        (HARMONY, {"thinking": False}, False, "<|channel|>final<|message|>", "<|start|>assistant<|channel|>final<|message|>"),
        (MISTRAL, {}, False, "[/INST]", "[/INST]"),
        (MISTRAL, {"thinking": False}, False, "[/INST]", "[/INST]"),
        (MISTRAL, {"reasoning": True}, True, "[/INST]", "[/INST]<think>\n\n</think>\n\n"),
        (MISTRAL, {"suffix": "<think>\n\n</think>\n"}, False, "[/INST]<think>\n\n</think>\n", "[/INST]<think>\n\n</think>\n"),
        (QWEN3, {"reasoning": False}, False, "assistant\n", "assistant\n<think>\n\n</think>\n\n"),
    ],
)
def test_thinking(tmp_path: Path, template: str, options: dict[str, Any], thinks: bool, cue: str, answer_cue: str) -> None:
    ours = chat(tmp_path, template, "chatml", extra={"bos_token": "", "eos_token": ""}, **options)
    assert ours.thinks is thinks
    assert ours.text([USER]).endswith(cue)
    assert ours.answer_text([USER]).endswith(answer_cue)
    assert ours.answer_text([USER]).count("<think>") <= 1
    assert ours.settings["thinking"] is thinks


def test_a_record_that_quotes_a_tag_does_not_open_thinking(tmp_path: Path) -> None:
    ours = chat(tmp_path, MISTRAL, "llama2")
    assert not ours.opens_thinking(ours.text([Message("user", "<think>\nwhat is this?")]))
    assert chat(tmp_path, R1, "llama2").opens_thinking("x<think>\n")


@pytest.mark.parametrize("template", [MISTRAL, False])
def test_thinking_on_without_a_switch_is_refused(tmp_path: Path, template: str | bool) -> None:
    with pytest.raises(UsageError, match="reasoning=on"):
        chat(tmp_path, template, "llama2", thinking=True)


def test_the_date_is_fixed_unless_today_is_asked_for(tmp_path: Path) -> None:
    assert "26 Jul 2024" in chat(tmp_path, LLAMA31).text([USER])
    assert chat(tmp_path, LLAMA31).settings["template_date"] == "2024-07-26"
    assert "05 Mar 2021" in chat(tmp_path, LLAMA31, date="2021-03-05").text([USER])
    today = f"{datetime.datetime.now():%d %b %Y}"
    assert today in chat(tmp_path, LLAMA31, date="today").text([USER])
    assert "template_date" not in chat(tmp_path, QWEN3, "chatml").settings
    with pytest.raises(UsageError, match="template_date=soon"):
        chat(tmp_path, LLAMA31, date="soon")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% if %}", "cannot read a chat template"),
        ("{{ raise_exception('no') }}", "cannot render one user message"),
        ("a constant", "leaves out the user's message"),
        ("{{ ''.__class__.__mro__ }}{{ messages[0].content }}", "cannot render one user message"),
        ("{{ messages.append(1) }}", "cannot render one user message"),
    ],
)
def test_bad_templates_are_one_sentence(tmp_path: Path, template: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        chat(tmp_path, template)


def test_template_can_be_replaced(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(save_tokenizer(tmp_path / "m")))
    assert load_chat(tokenizer, template="{{ messages[0].content }}!").text([Message("user", "a")]) == "<|begin_of_text|>a!"
    assert load_chat(tokenizer, template="none").render_template is None
