"""BM25 against numbers worked by hand and against rank_bm25."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.bm25 import Okapi, okapi_scores, tokenize

documents = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), min_size=1, max_size=12)
query = st.lists(st.sampled_from("abcdefghz"), max_size=6)


def test_tokens_are_lower_cased_alphanumeric_runs() -> None:
    assert tokenize("HbA1c: 7.2% (naïve_patient)") == ["hba1c", "7", "2", "naïve", "patient"]
    assert tokenize(" -- ") == []


def test_scores_by_hand() -> None:
    corpus = [["fever", "fever", "cough"], ["cough"], ["rash", "itch"]]
    # N = 3, lengths 3 1 2, mean 2. idf(fever) = ln(2.5) - ln(1.5); tf 2, length 3: 2*2.5 / (2 + 1.5*(0.25 + 0.75*1.5)).
    fever = math.log(2.5 / 1.5) * 5 / (2 + 1.5 * 1.375)
    # cough is in 2 of 3 documents, so ln(1.5/2.5) < 0 gives way to a quarter of the mean idf over fever, cough, rash, itch.
    idf = 0.25 * (3 * math.log(2.5 / 1.5) + math.log(1.5 / 2.5)) / 4
    cough = [idf * 2.5 / (1 + 1.5 * 1.375), idf * 2.5 / (1 + 1.5 * 0.625), 0.0]
    assert okapi_scores(["fever"], corpus) == pytest.approx([fever, 0, 0])
    assert okapi_scores(["cough"], corpus) == pytest.approx(cough)
    assert okapi_scores(["cough", "fever", "cough"], corpus) == pytest.approx([fever + 2 * cough[0], 2 * cough[1], 0])


def test_nothing_to_score() -> None:
    assert okapi_scores(["a"], []).shape == (0,)
    assert okapi_scores(["a"], [[], []]).tolist() == [0, 0]
    assert okapi_scores([], [["a"]]).tolist() == [0]
    assert okapi_scores(["z"], [["a"], []]).tolist() == [0, 0]


def test_ties_stay_in_document_order() -> None:
    assert Okapi([["b"], ["a"], ["c"], ["a"], ["d"], ["e"]]).best(["a"]) == [1, 3, 0, 2, 4, 5]


@settings(max_examples=200, deadline=None)
@given(documents, query)
def test_equals_rank_bm25(corpus: list[list[str]], question: list[str]) -> None:
    import rank_bm25

    if not any(corpus):
        return  # rank_bm25 divides by zero
    expected = rank_bm25.BM25Okapi(corpus).get_scores(question)
    np.testing.assert_allclose(okapi_scores(question, corpus), expected, rtol=1e-12, atol=1e-12)
