"""The word tokenizer places its tokens exactly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ehrbench.models.protocol import Tokenizer
from ehrbench.models.words import WordTokenizer


def test_words_and_punctuation() -> None:
    tokens = WordTokenizer().encode("BP 120/80, stable.")
    assert list(tokens.starts) == [0, 3, 6, 7, 9, 11, 17]
    assert isinstance(WordTokenizer(), Tokenizer)


@given(st.text())
def test_count_and_offsets_agree(text: str) -> None:
    tokenizer = WordTokenizer()
    ids, starts = tokenizer.encode(text)
    assert tokenizer.count(text) == len(ids) == len(starts)
    assert all(not text[start].isspace() for start in starts)
    assert list(starts) == sorted(set(starts))
    whole = tokenizer.encode(text + " " + text)
    assert list(whole.ids) == [*ids, *ids]
