"""One tokenisation a record: counts without tokenising again, tails that equal the whole, totals that outlive the process."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ehrbench.context import tokens
from ehrbench.context.fitted import Span
from ehrbench.context.retrieve import count_spliced, joined
from ehrbench.context.tokens import RecordTokens, TokenCache, tokenise
from ehrbench.home import home_dir
from ehrbench.models.protocol import Tokens
from tests.context.texts import TOKENIZERS, texts, tokenizer

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
LINES = "".join(
    f"2150-{month:02d}-{day:02d} 07:00 | labevents | Sodium {120 + day} mmol/L; the patient denies chest pain in month {month}.\n"
    for month in range(1, 13)
    for day in range(1, 29)
)


class Counting:
    """A tokenizer that says how many characters it was given."""

    def __init__(self, name: str) -> None:
        self._inner = tokenizer(name)
        self.name, self.fingerprint = name, self._inner.fingerprint
        self.chars = 0

    def encode(self, text: str) -> Tokens:
        self.chars += len(text)
        return self._inner.encode(text)

    def count(self, text: str) -> int:
        self.chars += len(text)
        return self._inner.count(text)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(data=st.data())
@SLOW
def test_a_stitched_count_is_the_count_of_the_whole_text(name, data):
    text = data.draw(texts() | st.just(LINES))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)) | st.just(len(text)))
    before, after = data.draw(texts(3, 3)), data.draw(texts(3, 3))
    tokens = RecordTokens(text, tokenizer(name))
    assert tokens.count(before, start, end, after) == tokenizer(name).count(before + text[start:end] + after)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(data=st.data())
@SLOW
def test_a_spliced_count_is_the_count_of_the_whole_prompt(name, data):
    text = data.draw(texts() | st.just(LINES))
    edges = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    spans = [Span(start, end) for start, end in pairwise(edges) if start < end][:: data.draw(st.integers(1, 2))]
    before, after = data.draw(texts(3, 3)), data.draw(texts(3, 3))
    counted = count_spliced(RecordTokens(text, tokenizer(name)), before, spans, after)
    assert counted == tokenizer(name).count(before + joined(text, spans) + after)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_middles_of_ordinary_pieces_are_not_tokenised_again(name):
    counter = Counting(name)
    tokens = RecordTokens(LINES, counter)
    tokens.full()
    spans = [Span(start, start + 3_000) for start in range(17, len(LINES) - 3_000, 4_000)]
    counter.chars = 0
    assert count_spliced(tokens, "EHR: ", spans, "\nAnswer:") == tokenizer(name).count(f"EHR: {joined(LINES, spans)}\nAnswer:")
    assert counter.chars < len(spans) * 3_000 / 4


@pytest.mark.parametrize("name", TOKENIZERS)
@given(data=st.data())
@SLOW
def test_blocks_have_the_tokens_of_the_whole(name, data):
    text = data.draw(texts(12))
    start = data.draw(st.integers(0, len(text)))
    run = tokenise(text, tokenizer(name), start, block=data.draw(st.integers(500, 3000)), overlap=400)
    whole = tokenizer(name).encode(text[start:])
    assert list(run.ids) == list(whole.ids)
    assert list(run.starts) == [start + at for at in whole.starts]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_ordinary_blocks_are_read_once(name):
    counting = Counting(name)
    text = LINES * 4
    run = tokenise(text, counting, block=20_000, overlap=1000)
    assert list(run.ids) == list(tokenizer(name).encode(text).ids)
    assert counting.chars < 1.2 * len(text)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(data=st.data())
@SLOW
def test_a_tail_ends_the_full_tokenisation(name, data):
    text = data.draw(texts()) + LINES[: data.draw(st.integers(0, 20_000))] + data.draw(texts(3))
    k = data.draw(st.integers(0, 600))
    full = RecordTokens(text, tokenizer(name)).full()
    tail = RecordTokens(text, tokenizer(name)).tail(k)
    n = len(tail.ids)
    assert n >= min(k + 64, len(full.ids))
    assert (tail.ids, tail.starts) == (full.ids[len(full.ids) - n :], full.starts[len(full.starts) - n :])
    assert tail.offset == 0 or tail.offset == tail.starts[0]


@pytest.mark.parametrize("name", TOKENIZERS)
@given(data=st.data())
@SLOW
def test_counts_from_a_tail_equal_counts_from_the_whole(name, data):
    text = LINES + data.draw(texts()) + LINES[: data.draw(st.integers(0, 3000))]
    tokens = RecordTokens(text, tokenizer(name))
    tail = tokens.tail(data.draw(st.integers(0, 800)))
    start = data.draw(st.integers(tail.offset, len(text)))
    after = data.draw(texts(2, 2))
    assert tokens.count("EHR: ", start, len(text), after) == tokenizer(name).count("EHR: " + text[start:] + after)
    starts = tokenizer(name).encode(text).starts
    assert tokens.count_between(start, len(text)) == sum(s >= start for s in starts)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_tail_and_the_joints_of_ordinary_text_leave_the_rest_alone(name):
    counting = Counting(name)
    tokens = RecordTokens(LINES * 10, counting)
    tail = tokens.tail(500)
    assert 564 <= len(tail.ids) < 3000
    read = counting.chars
    assert read < len(tokens.text) / 10
    tokens.count("EHR: ", tail.starts[64], len(tokens.text), "\n\nQuestion: any statin?")
    assert counting.chars - read < 2500


def test_the_middle_is_not_tokenised_again_for_another_question():
    counting = Counting("llama3")
    tokens = RecordTokens(LINES * 10, counting)
    tokens.full()
    read = counting.chars
    for i in range(20):
        tokens.count("EHR: ", 5000, len(tokens.text), f"\n\nQuestion: number {i}?")
    assert counting.chars - read < 20 * 2000


def test_a_text_that_never_falls_into_step_is_counted_whole():
    # Three digits a token, counted from the left: one digit more on the left moves every boundary.
    text = "7" * 30_000
    llama3 = tokenizer("llama3")
    counting = Counting("llama3")
    assert RecordTokens(text, counting).count("a 7", 1000, 29_000, "7 b") == llama3.count("a 7" + text[1000:29_000] + "7 b")
    assert RecordTokens(text, counting).tail(100).offset == 0


def test_totals_outlive_the_process(monkeypatch):
    text = LINES * 3
    first = Counting("llama3")
    total = RecordTokens(text, first).total
    assert total == tokenizer("llama3").count(text)
    tokens._totals.cache_clear()
    later = Counting("llama3")
    assert RecordTokens(text, later).total == total
    assert later.chars == 0
    (file,) = (home_dir() / "token-counts").iterdir()
    assert "Sodium" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_a_torn_line_costs_one_count(tmp_path):
    path = tmp_path / "counts.txt"
    store = tokens.Totals(path)
    store.put("a" * 64, 7)
    store.put("b" * 64, 8)
    path.write_bytes(path.read_bytes()[:-5])
    again = tokens.Totals(path)
    assert (again.get("a" * 64), again.get("b" * 64)) == (7, None)
    again.put("b" * 64, 8)
    assert tokens.Totals(path).get("b" * 64) == 8


def test_a_place_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    store = tokens.Totals(tmp_path / "file" / "counts.txt")
    store.put("a" * 64, 7)
    assert store.get("a" * 64) == 7


def test_the_cache_is_bounded_and_forgets_the_oldest_first():
    cache = TokenCache(max_chars=100)
    words = tokenizer("words")
    a, b = cache.get("a" * 60, words), cache.get("b" * 30, words)
    assert cache.get("a" * 60, words) is a
    cache.get("c" * 40, words)
    assert cache.get("a" * 60, words) is a
    assert cache.get("b" * 30, words) is not b
    big = cache.get("d" * 1000, words)
    assert cache.get("d" * 1000, words) is big
    assert cache.get("d" * 1000, tokenizer("llama3")) is not big
