from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.models import Message, Request
from ehrbench.models.answers import Answer, cap_answer, cut_at_stop, read_answer, stop_rule, token_limit
from ehrbench.models.choices import SpellingReader, log_sums, normalised
from ehrbench.models.hf.chat import Chat, load_chat
from ehrbench.models.hf.tokenizer import load_tokenizer
from tests.tiny.models import TOKENIZERS, save_tokenizer

CHATML = load_tokenizer(str(TOKENIZERS / "chatml"))
THINKING = load_chat(CHATML, thinking=True)
PLAIN = load_chat(CHATML, thinking=False)


def read(
    chat: Chat, text: str, *, max_tokens: int = 50, stop: tuple[str, ...] = (), ended: bool = True, opened: bool = False
) -> Answer:
    request = Request("a", (Message("user", "q"),), max_tokens, stop=stop, max_reasoning_tokens=100)
    return read_answer(chat, request, chat.tokenizer.ids(text), ended=ended, opened=opened)


def test_token_limit_counts_thinking_where_the_model_thinks() -> None:
    request = Request("a", (), 10, max_reasoning_tokens=90)
    assert (token_limit(THINKING, request), token_limit(PLAIN, request)) == (100, 10)


@pytest.mark.parametrize(
    ("text", "options", "expected", "finish"),
    [
        (" yes", {}, " yes", "stop"),
        (" yes", {"ended": False}, " yes", "length"),
        ("yes\nno", {"stop": ("\n",), "ended": False}, "yes", "stop"),
        ("yes", {"stop": ("",)}, "yes", "stop"),
        ("<think>a\nb</think>\n\nyes\nno", {"stop": ("\n",)}, "yes", "stop"),
        ("<think>a", {}, "", "reasoning_length"),
        ("a", {"opened": True}, "", "reasoning_length"),
        ("a</think>b", {"opened": True}, "b", "stop"),
        ("yes<|im_end|>", {}, "yes", "stop"),
        ("<think>a</think>yes<|im_end|>", {}, "yes", "stop"),
        ("", {}, "", "stop"),
    ],
)
def test_reading(text: str, options: dict[str, bool], expected: str, finish: str) -> None:
    for chat in (THINKING, PLAIN):
        found = read(chat, text, **options)  # type: ignore[arg-type]
        assert (found.text, found.finish) == (expected, finish)
        assert found.answer_tokens + found.reasoning_tokens == CHATML.count(text) + options.get("ended", True)


def test_an_answer_behind_thinking_is_held_to_its_own_limit() -> None:
    found = read(THINKING, "<think>a</think>" + "yes " * 20, max_tokens=7)
    assert found.finish == "length"
    assert CHATML.count(found.text) == 7
    assert cap_answer("日本", 1, CHATML) == ("", True)  # three tokens a character: none fits whole
    assert cap_answer("yes", 10, CHATML) == ("yes", False)


def test_harmony_channels_are_special_tokens(tmp_path: Path) -> None:
    folder = save_tokenizer(tmp_path / "m", "chatml", "{% for m in messages %}{{ m.content }}{% endfor %}<|start|>assistant")
    tokenizer = load_tokenizer(str(folder))
    tokenizer.backend.add_special_tokens(["<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|return|>"])
    chat = load_chat(tokenizer)
    assert chat.thinks
    found = read(chat, "<|channel|>analysis<|message|>low<|end|><|start|>assistant<|channel|>final<|message|>yes")
    assert (found.text, found.reasoning, found.finish) == ("yes", "low", "stop")
    assert read(chat, "<|channel|>analysis<|message|>low").finish == "reasoning_length"
    rule = stop_rule(chat, ("lo",))
    assert not rule(tokenizer.ids("<|channel|>analysis<|message|>low"))
    assert rule(tokenizer.ids("<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>low"))


def test_stop_rule_sees_a_string_that_spans_tokens() -> None:
    rule = stop_rule(PLAIN, ("t denie", "日"))
    ids = CHATML.ids("The patient denies")
    assert [rule(ids[: n + 1]) for n in range(len(ids))][-1]
    assert not rule(ids[:1])
    assert not rule(CHATML.ids("日")[:2])
    assert rule(CHATML.ids("日"))


def test_stop_rule_behind_long_thinking() -> None:
    rule = stop_rule(THINKING, ("\n",))
    ids = CHATML.ids("<think>" + "one\ntwo " * 60 + "</think>\n\n" + "yes " * 40 + "\nno")
    ends = next(n for n in range(1, len(ids) + 1) if rule(ids[:n]))
    assert CHATML.decode(ids[:ends]).endswith("yes \n")


def test_cut_at_stop() -> None:
    assert cut_at_stop("abcabc", ("c", "b")) == ("a", True)
    assert cut_at_stop("abc", ("x", "")) == ("abc", False)


# ---------------------------------------------------------------- choices


@pytest.mark.parametrize("name", ["llama3", "chatml", "llama2"])
@pytest.mark.parametrize("prompt", ["Answer:", "Answer:\n\n", "<|im_start|>assistant\n", "record text " * 400 + "[/INST]", ""])
def test_spellings_continue_the_prompt(name: str, prompt: str) -> None:
    tokenizer = load_tokenizer(str(TOKENIZERS / name))
    whole = tokenizer.ids(prompt)
    for spelling in ("yes", " yes", "Yes", "no"):
        (tokens,) = SpellingReader(tokenizer).read(prompt, [(spelling,)]).sequences[0]
        assert [*whole, *tokens] == tokenizer.ids(prompt + spelling)


def test_a_spelling_that_merges_with_the_prompt_is_tokenised_alone() -> None:
    tokenizer = load_tokenizer(str(TOKENIZERS / "llama3"))
    assert tokenizer.ids("patien") + tokenizer.ids("t") != tokenizer.ids("patient")
    assert SpellingReader(tokenizer).read(" patien", [("t",)]).sequences[0][0] == tuple(tokenizer.ids("t"))


def test_first_tokens_and_collisions() -> None:
    reader = SpellingReader(CHATML)
    apart = reader.read("Q\n", (("yes", " yes", "yes"), ("no", " no")))
    assert [len(tokens) for tokens in apart.first] == [2, 2]
    assert not apart.collide
    assert reader.read("Q\n", (("no",), ("no!",))).collide
    with pytest.raises(ValueError, match="no spelling"):
        reader.read("Q\n", (("",), ("no",)))


def test_normalising_by_hand() -> None:
    import math

    logs = log_sums([math.log(0.2), math.log(0.1), math.log(0.1)], [2, 1])
    assert logs == pytest.approx([math.log(0.3), math.log(0.1)])
    assert normalised(logs) == (pytest.approx((0.75, 0.25)), pytest.approx(0.4))
    shares, mass = normalised([-1000.0, -1001.0])  # far below what a float holds
    assert shares == pytest.approx((1 / (1 + math.exp(-1)), 1 / (1 + math.e)))
    assert mass == 0.0
