"""METEOR with NLTK's numbers (3.10: alpha 0.9, beta 3, gamma 0.5; exact, Porter stem and WordNet 3.0 matches).

MedAlign's setting (``evaluate``'s meteor). Tokens are those of NLTK's ``word_tokenize`` with the English Punkt model, in lower
case. NLTK looks the *stems* of unmatched words up in WordNet, which other METEORs do not, and is kept. Without WordNet there
is not METEOR: a variant without synonyms would have the same name and other numbers. An empty answer or reference scores 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache

from ehrbench.errors import MissingError
from ehrbench.metrics._nltk_words import word_tokenizer
from ehrbench.metrics._porter import porter_stem
from ehrbench.metrics._texts import Memo, best_of_references
from ehrbench.metrics._wordnet import find_wordnet, load_wordnet
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading, listed, nearest

ALPHA, BETA, GAMMA = 0.9, 3.0, 0.5

_Words = list[tuple[int, str]]
"""Words with their positions in the text."""


def unavailable() -> str | None:
    """Say what METEOR lacks on this machine; None when it lacks nothing."""
    if find_wordnet() is not None:
        return None
    return (
        "METEOR needs WordNet 3.0: install Debian's package wordnet-base, or put NLTK's corpora/wordnet into ~/nltk_data "
        "(on a machine with a network: python -m nltk.downloader wordnet)"
    )


@lru_cache(maxsize=1)
def _resources() -> tuple[Callable[[str], str], Callable[[str], set[str]]]:
    """Porter stems and WordNet synonyms of single words, each looked up once a process."""
    place = find_wordnet()
    if place is None:
        raise MissingError(unavailable())
    wordnet = load_wordnet(place)
    return Memo(porter_stem).__getitem__, Memo(lambda word: wordnet.synonyms(word) | {word}).__getitem__


def align(
    answer: Sequence[str],
    reference: Sequence[str],
    stem: Callable[[str], str],
    synonyms: Callable[[str], set[str]],
) -> list[tuple[int, int]]:
    """Match words one to one: equal words first, then equal stems, then stems that are synonyms.

    Each stage goes through the answer from its end and takes the last free word of the reference, as NLTK does.

    Args:
        answer: lower-cased tokens.
        reference: lower-cased tokens.
        stem: of a word.
        synonyms: of a stem, itself included.

    Returns:
        Pairs (position in the answer, position in the reference), by position in the answer.
    """
    left, right = list(enumerate(answer)), list(enumerate(reference))
    pairs, left, right = _match_equal(left, right)
    if left and right:
        left, right = [(i, stem(word)) for i, word in left], [(j, stem(word)) for j, word in right]
        found, left, right = _match_equal(left, right)
        pairs += found
    if left and right:
        pairs += _match_synonyms(left, right, synonyms)
    pairs.sort()
    return pairs


def _match_equal(left: _Words, right: _Words) -> tuple[list[tuple[int, int]], _Words, _Words]:
    """Pair equal words; also the words that are left over on both sides."""
    free: dict[str, list[int]] = defaultdict(list)
    for j, word in right:
        free[word].append(j)
    pairs, rest = [], []
    for i, word in reversed(left):
        if free.get(word):
            pairs.append((i, free[word].pop()))
        else:
            rest.append((i, word))
    rest.reverse()
    return pairs, rest, sorted((j, word) for word, places in free.items() for j in places)


def _match_synonyms(left: _Words, right: _Words, synonyms: Callable[[str], set[str]]) -> list[tuple[int, int]]:
    free: dict[str, list[int]] = defaultdict(list)
    for j, word in right:
        free[word].append(j)
    pairs = []
    for i, word in reversed(left):
        # Both are keys, so that the smaller set is gone through.
        places = [free[candidate] for candidate in free.keys() & synonyms(word) if free[candidate]]
        if places:
            pairs.append((i, max(places, key=lambda place: place[-1]).pop()))
    return pairs


def meteor(
    answer: Sequence[str], reference: Sequence[str], stem: Callable[[str], str], synonyms: Callable[[str], set[str]]
) -> float:
    """METEOR of two lists of lower-cased tokens, in 0..1; 0 without a match."""
    pairs = align(answer, reference, stem, synonyms)
    if not pairs:
        return 0.0
    precision, recall = len(pairs) / len(answer), len(pairs) / len(reference)
    mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
    breaks = sum((i2, j2) != (i1 + 1, j1 + 1) for (i1, j1), (i2, j2) in zip(pairs, pairs[1:]))  # noqa: B905
    penalty: float = GAMMA * ((breaks + 1) / len(pairs)) ** BETA
    return (1 - penalty) * mean


def _meteor(answers: Sequence[str], references: Sequence[str]) -> list[float]:
    stem, synonyms = _resources()
    tokenize = word_tokenizer()
    tokens = Memo(lambda text: [token.lower() for token in tokenize(text)])
    return [meteor(tokens[a], tokens[r], stem, synonyms) for a, r in zip(answers, references, strict=True)]


def score_meteor(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """METEOR of each item, the highest over its references.

    Raises:
        MissingError: WordNet 3.0 is not on this machine.
    """
    return best_of_references(scorables, _meteor)


def _reads(scorable: Scorable) -> Reading:
    """The words that were aligned, a stem or a synonym with the gold's word behind it, and how often their order breaks off."""
    stem, synonyms = _resources()
    tokenize = word_tokenizer()
    gold_text = nearest(scorable, _meteor)
    answer, gold = ([token.lower() for token in tokenize(text)] for text in (scorable.answer, gold_text))
    pairs = sorted(align(answer, gold, stem, synonyms))
    words = [answer[i] if answer[i] == gold[j] else f"{answer[i]} ({gold[j]})" for i, j in pairs]
    breaks = sum((i2, j2) != (i1 + 1, j1 + 1) for (i1, j1), (i2, j2) in zip(pairs, pairs[1:], strict=False))
    counts = f"{len(pairs)} of {len(answer)} in the answer, of {len(gold)} in the gold answer"
    return {"matched words": counts + (f": {listed(words)}" if words else ""), "breaks in their order": str(breaks)}


METEOR = Metric(
    "meteor",
    1,
    "METEOR",
    "item_mean",
    score_meteor,
    settings={
        "alpha": ALPHA,
        "beta": BETA,
        "gamma": GAMMA,
        "wordnet": "3.0",
        "stem": "porter",
        "tokenizer": "nltk-word",
        "sentences": "punkt-english-classic",
        "references": "max",
    },
    about="Overlap of words with the gold answer, word stems and synonyms included, lowered where the order differs.",
    cite="Banerjee and Lavie. METEOR: An Automatic Metric for MT Evaluation. ACL Workshop, 2005; with NLTK's parameters.",
    follows={"nltk": "3.10.4"},
    reads=_reads,
    unavailable=unavailable,
)
