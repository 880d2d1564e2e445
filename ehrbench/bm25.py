"""BM25 in the Okapi form of rank_bm25, computed on sparse counts.

- ``tokenize``: lower-cased alphanumeric runs.
- ``Okapi``: an index of documents, for many queries on the same record.
- ``okapi_scores``: one query, one set of documents.

idf(t) = ln((N - n + 0.5) / (n + 0.5)) over N documents of which n hold t; where that is negative (a term in more than half of the
documents) it is ``epsilon`` times the mean idf of all terms, negative ones included. rank_bm25 names Trotman, Puurula and
Burgess (2014) as its source; scores here equal its ``BM25Okapi``'s.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

K1, B, EPSILON = 1.5, 0.75, 0.25
"""How slowly a repeated term saturates; how much a long document is discounted; the share of the mean idf that a term in most
documents gets. rank_bm25's own."""
_RUN = re.compile(r"[^\W_]+")

Scores = NDArray[np.float64]


def tokenize(text: str) -> list[str]:
    """Lower-cased runs of letters and digits, in order."""
    return _RUN.findall(text.lower())


def idf_of(n_documents: int, document_frequency: NDArray[np.int64], epsilon: float = EPSILON) -> Scores:
    """The idf of terms that so many of the documents hold; at least one term."""
    idf: Scores = np.log(n_documents - document_frequency + 0.5) - np.log(document_frequency + 0.5)
    return np.where(idf < 0, epsilon * idf.mean(), idf)


def discount_of(lengths: NDArray[Any], k1: float = K1, b: float = B) -> Scores:
    """What a count is held against in each document: the more, the longer the document is."""
    discount: Scores = k1 * (1 - b + b * lengths / lengths.mean())
    return discount


class Okapi:
    """Documents indexed for BM25."""

    def __init__(
        self, documents_tokens: Sequence[Sequence[str]], *, k1: float = K1, b: float = B, epsilon: float = EPSILON
    ) -> None:
        """Index documents.

        Args:
            documents_tokens: each document's tokens; documents and the whole collection may be empty.
            k1: how slowly a repeated term saturates, at least 0.
            b: how much a long document is discounted, 0 to 1.
            epsilon: share of the mean idf that a term in most documents gets.
        """
        self.n_documents = len(documents_tokens)
        lengths = np.fromiter((len(tokens) for tokens in documents_tokens), np.int64, self.n_documents)
        vocabulary: defaultdict[str, int] = defaultdict()
        vocabulary.default_factory = vocabulary.__len__
        ids = np.fromiter(map(vocabulary.__getitem__, chain.from_iterable(documents_tokens)), np.int64, int(lengths.sum()))
        self._vocabulary = dict(vocabulary)
        if not vocabulary:
            return
        # One number for a (term, document) pair: sorting them groups a term's documents and counts repeats at once.
        pairs, counts = np.unique(ids * self.n_documents + np.repeat(np.arange(self.n_documents), lengths), return_counts=True)
        terms, self._documents = np.divmod(pairs, self.n_documents)
        document_frequency = np.bincount(terms, minlength=len(vocabulary))
        self._ends = np.cumsum(document_frequency)
        self._starts = self._ends - document_frequency
        self._idf = idf_of(self.n_documents, document_frequency, epsilon)
        self._saturation = counts * (k1 + 1) / (counts + discount_of(lengths, k1, b)[self._documents])

    def scores(self, query_tokens: Sequence[str]) -> Scores:
        """Score every document; a term that the query repeats counts each time, an unknown one not at all."""
        total = np.zeros(self.n_documents)
        for token in query_tokens:
            term = self._vocabulary.get(token)
            if term is not None:
                span = slice(self._starts[term], self._ends[term])
                total[self._documents[span]] += self._idf[term] * self._saturation[span]
        return total

    def best(self, query_tokens: Sequence[str]) -> list[int]:
        """Documents from best to worst; equal scores stay in document order."""
        return [int(i) for i in np.argsort(-self.scores(query_tokens), kind="stable")]


def okapi_scores(query_tokens: Sequence[str], documents_tokens: Sequence[Sequence[str]]) -> Scores:
    """BM25 of one query against each document (k1 1.5, b 0.75, epsilon 0.25), shape ``(len(documents_tokens),)``."""
    return Okapi(documents_tokens).scores(query_tokens)
