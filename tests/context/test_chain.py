"""Chains: as many calls as chunks, each prompt within the window, and the previous answer the only thing that ever gives way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ehrbench.context import Limit, Overflow, Window
from ehrbench.context.chain import chain, first_tokens_of
from ehrbench.models.protocol import Message
from ehrbench.records.record import Record
from ehrbench.tasks.prompts import render, render_refine
from ehrbench.tasks.schema import PromptSpec, RecordSpec
from tests.context.texts import texts, tokenizer

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
PROMPT = PromptSpec(
    user="Instruction: Answer the following question based on the EHR:\n\n"
    "EHR: {{ record }}\n\nQuestion: {{ question }}\n\nAnswer:"
)
LINE = "2150-03-01 07:00 Sodium 128 mmol/L, {{ no slot }} the patient denies chest pain.\n"
REFINE = RecordSpec(context="refine", chunk_tokens=400)


def chat(messages: Sequence[Message]) -> str:
    turns = "".join(f"<|start_header_id|>{role}<|end_header_id|>\n\n{content}<|eot_id|>" for role, content in messages)
    return f"<|begin_of_text|>{turns}<|start_header_id|>assistant<|end_header_id|>\n\n"


def window(tokens: int, *names: str, answer_tokens: int = 64) -> Window:
    names = names or ("llama3",)
    return Window(tuple(Limit(tokens, 64, tokenizer(name)) for name in names), tokenizer(names[0]), answer_tokens)


def record(n_lines: int) -> Record:
    return Record("p1", LINE * n_lines, [])


@pytest.mark.parametrize("context", ["truncate", "refine", "retrieve", "full"])
@pytest.mark.parametrize("names", [("llama3",), ("words", "llama3")])
def test_who_the_patient_is_stands_before_every_part(names, context):
    header = "Patient at 2150-03-01\nGENDER: F\nBORN: 2100-01-01 (age 50 years)\n\n"
    slots = {"question": "Which electrolyte is low?"}
    limits = window(700, *names)
    n_lines = 8 if context == "full" else 60
    plain = chain(record(n_lines), PROMPT, slots, RecordSpec(context=context, chunk_tokens=300), limits, chat)
    known = replace(record(n_lines), header=header)
    calls = chain(known, PROMPT, slots, RecordSpec(context=context, chunk_tokens=300), limits, chat)
    assert calls.steps >= plain.steps >= (2 if context == "refine" else 1)
    for step in range(calls.steps):
        content = calls.messages(step, "none")[0].content
        assert content.count(header) == 1
        assert f"{header}{calls.fitted.parts[step].text}" in content
        for limit in limits.limits:
            n = limit.tokenizer.count(chat(calls.messages(step, "")))
            assert n + limit.reserve <= limit.tokens
            assert calls.prompt_tokens(step, limit.tokenizer) == n
    assert "".join(part.text for part in calls.fitted.parts) == known.text or context in ("truncate", "retrieve")
    with pytest.raises(Overflow):
        chain(replace(known, header=header * 40), PROMPT, slots, RecordSpec(context=context), limits, chat)


@pytest.mark.parametrize("names", [("llama3",), ("words", "llama3"), ("wordpiece", "llama2")])
@given(data=st.data())
@SLOW
def test_a_chain_of_any_answers(names, data):
    text, question = data.draw(texts() | st.just(LINE * 120)), data.draw(texts(2, 3))
    limits = window(data.draw(st.integers(400, 1500)), *names)
    slots = {"question": question}
    try:
        calls = chain(Record("p1", text, []), PROMPT, slots, REFINE, limits, chat)
    except Overflow:
        assert limits.limits[0].tokenizer.count(question) > 50 or limits.limits[-1].tokens < 700
        return
    parts = calls.fitted.parts
    assert calls.steps == len(parts)
    assert "".join(part.text for part in parts) == text
    previous = None
    for step, part in enumerate(parts):
        messages, cut = calls.step(step, previous)
        for limit in limits.limits:
            assert limit.tokenizer.count(chat(messages)) + limit.reserve <= limit.tokens
        assert len(messages) == 1
        assert part.text in messages[0].content
        assert question in messages[0].content
        assert messages[0].content.endswith("Write only the answer." if step else "\n\nAnswer:")
        if step and not cut:
            assert (previous or "") in messages[0].content
        previous = data.draw(texts(3, 40))


def test_steps_are_the_rendered_prompts():
    calls = chain(record(60), PROMPT, {"question": "Any statin?"}, REFINE, window(900), chat)
    first, second, *_ = calls.fitted.parts
    assert calls.steps == len(calls.fitted.parts) > 3
    assert calls.messages(0) == render(PROMPT, {"question": "Any statin?"}, first.text)
    expected = render_refine(PROMPT, {"question": "Any statin?"}, second.text, part=2, parts=calls.steps, previous="No.")
    assert calls.step(1, "No.") == (expected, False)
    assert calls.step(1, "No.") == calls.step(1, "No.")


def test_one_chunk_is_the_plain_prompt():
    plain = chain(record(3), PROMPT, {"question": "q"}, RecordSpec(context="full"), window(900), chat)
    refined = chain(record(3), PROMPT, {"question": "q"}, REFINE, window(900), chat)
    assert refined.steps == 1
    assert refined.messages(0) == plain.messages(0)


def test_a_long_previous_answer_loses_its_end_and_says_so():
    calls = chain(record(60), PROMPT, {"question": "q"}, REFINE, window(900), chat)
    long = " ".join(f"word{i}" for i in range(2000))
    messages, cut = calls.step(1, long)
    assert cut
    content = messages[0].content
    assert "parts 1 to 1: word0 word1 " in content
    assert calls.fitted.parts[1].text in content
    kept = content.partition("parts 1 to 1: ")[2].partition("\nEHR part")[0]
    assert long.startswith(kept)
    assert 60 <= tokenizer("llama3").count(kept) <= 64 + 24


def test_an_answer_within_its_allowance_is_never_cut():
    llama3 = tokenizer("llama3")
    answer = first_tokens_of("The patient denies chest pain. " * 40, 64, llama3)
    assert llama3.count(answer) == 64
    calls = chain(record(200), PROMPT, {"question": "q"}, REFINE, window(500), chat)
    assert not any(calls.step(step, answer).previous_cut for step in range(1, calls.steps))


def test_without_a_window_nothing_is_cut():
    calls = chain(record(60), PROMPT, {"question": "q"}, REFINE, Window(counter=tokenizer("words")), chat)
    messages, cut = calls.step(1, "x " * 9000)
    assert not cut
    assert "x " * 9000 in messages[0].content


def test_an_item_without_a_record():
    prompt = PromptSpec(system="Be brief.", user="{{ question }}")
    calls = chain(None, prompt, {"question": "Why?"}, None, window(200), chat)
    assert (calls.steps, calls.fitted) == (1, None)
    assert calls.messages(0) == (Message("system", "Be brief."), Message("user", "Why?"))
    with pytest.raises(Overflow) as caught:
        chain(None, prompt, {"question": "Why? " * 300}, None, window(200), chat)
    assert caught.value.record_tokens is None


def test_an_empty_record_is_asked_about_once():
    calls = chain(Record("p1", "", []), PROMPT, {"question": "q"}, REFINE, window(500), chat)
    assert calls.steps == 1
    assert calls.messages(0)[0].content.endswith("EHR: \n\nQuestion: q\n\nAnswer:")


@pytest.mark.parametrize("policy", ["truncate", "refine", "retrieve"])
def test_prompt_tokens_are_those_of_the_messages(policy):
    llama3, chunked = tokenizer("llama3"), RecordSpec.model_validate({"context": policy, "chunk_tokens": 400})
    calls = chain(record(200), PROMPT, {"question": "atorvastatin 40 mg?"}, chunked, window(900), chat)
    for step in range(calls.steps):
        assert calls.prompt_tokens(step, llama3) == llama3.count(chat(calls.messages(step, "")))
    alone = chain(None, PromptSpec(user="{{ question }}"), {"question": "Why?"}, None, window(900), chat)
    assert alone.prompt_tokens(0, llama3) == llama3.count(chat(alone.messages(0)))


def test_overflow_survives_a_process_border():
    import pickle

    with pytest.raises(Overflow) as caught:
        chain(record(60), PROMPT, {"question": "q " * 900}, REFINE, window(900), chat)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert (again.window, again.reserve, again.tokenizer) == (900, 64, "llama3")


@pytest.mark.parametrize("name", ["llama3", "llama2", "wordpiece", "words"])
@given(text=texts(3, 20), n=st.integers(0, 40))
@SLOW
def test_the_first_tokens_of_a_text(name, text, n):
    counter = tokenizer(name)
    kept = first_tokens_of(text, n, counter)
    assert text.startswith(kept)
    starts = list(counter.encode(text).starts)
    assert sum(start < len(kept) for start in starts) <= n
    if len(starts) <= n:
        assert kept == text
    assert not text or len(first_tokens_of(text, 10_000, counter, shorter=True)) < len(text)
