from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.curation.near_duplicates import THRESHOLD, near_duplicates
from ehrbench.metrics.metric import Scorable
from ehrbench.metrics.rouge import score_rouge_l

WORDS = st.lists(st.sampled_from(["list", "all", "the", "drugs", "that", "she", "takes", "now"]), max_size=8).map(" ".join)


@given(st.lists(WORDS, max_size=8))
def test_pairs_are_those_that_the_metric_finds(texts: list[str]) -> None:
    expected = []
    for second, text in enumerate(texts):
        for first in range(second):
            (score,) = score_rouge_l([Scorable("1", answer=text, references=(texts[first],))])
            assert score is not None
            if score[0] > THRESHOLD + 1e-9:
                expected.append((first, second, pytest.approx(score[0])))
    assert list(near_duplicates(texts)) == expected


def test_other_scripts_have_words_too_and_texts_without_a_word_are_no_pair() -> None:
    texts = ["Größe und Gewicht?", "grösse und Gewicht", "身高和体重", "身高和体重?", "…", "…"]
    assert [(first, second) for first, second, _ in near_duplicates(texts, 0.6)] == [(0, 1), (2, 3)]


def test_seven_of_ten_words_are_not_above_the_threshold() -> None:
    texts = ["a b c d e f g h i j", "a b c d e f g x y z", "a b c d e f g h y z"]
    assert [(first, second) for first, second, _ in near_duplicates(texts)] == [(0, 2), (1, 2)]
