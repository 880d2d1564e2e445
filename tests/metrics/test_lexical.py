"""Lexical metrics against the libraries whose numbers they promise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.metrics import METRICS, Scorable
from ehrbench.metrics.exact import normalize
from ehrbench.stats.aggregate import AGGREGATES
from ehrbench.stats.estimate import estimate

LEXICAL = [
    "exact_match",
    "exact_match_strict",
    "token_f1",
    "rouge_1",
    "rouge_2",
    "rouge_l",
    "bleu",
    "sentence_bleu",
    "google_bleu",
    "chrf_pp",
]
NON_EMPTY = ["No acute distress today.", "HbA1c 7.2 % on 3 May", "a b"]

text = st.text(st.one_of(st.sampled_from(list("abAB019 .,-'\"&;()<>\n\t%!?`$")), st.characters(codec="utf-8")), max_size=40)


def scorables(pairs):
    return [Scorable(str(i), answer, (reference,)) for i, (answer, reference) in enumerate(pairs)]


def item_scores(name, pairs):
    metric = METRICS.get(name)
    return [metric.item_score(s) for s in metric.score(scorables(pairs))]


def rouge_reference(name):
    from rouge_score.rouge_scorer import RougeScorer

    kind = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}[name]
    scorer = RougeScorer([kind], use_stemmer=False)
    return lambda answer, reference: scorer.score(reference, answer)[kind].fmeasure


def bleu_reference():
    from sacrebleu.metrics import BLEU

    bleu = BLEU(effective_order=True)
    return lambda answer, reference: bleu.sentence_score(answer, [reference]).score / 100


def chrf_reference():
    from sacrebleu.metrics import CHRF

    chrf = CHRF(char_order=6, word_order=2, beta=2)
    return lambda answer, reference: chrf.sentence_score(answer, [reference]).score / 100


def gleu_reference():
    from nltk.translate.gleu_score import corpus_gleu
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokens = Tokenizer13a()
    return lambda answer, reference: corpus_gleu([[tokens(reference).split()]], [tokens(answer).split()])


@pytest.mark.parametrize("name", ["rouge_1", "rouge_2", "rouge_l"])
def test_rouge_is_rouge_score_bit_for_bit(name, pairs):
    reference = rouge_reference(name)
    assert item_scores(name, pairs) == [reference(a, r) for a, r in pairs]


def test_google_bleu_is_nltk_bit_for_bit(pairs):
    reference = gleu_reference()
    assert item_scores("google_bleu", pairs) == [reference(a, r) for a, r in pairs]


@pytest.mark.parametrize("name", ["bleu", "sentence_bleu"])
def test_item_bleu_is_sacrebleu(name, pairs):
    reference = bleu_reference()
    assert item_scores(name, pairs) == pytest.approx([reference(a, r) for a, r in pairs], abs=1e-12)


def test_corpus_bleu_is_sacrebleu(pairs):
    from sacrebleu.metrics import BLEU

    metric = METRICS.get("bleu")
    for part in (pairs[:300], pairs[300:320], pairs[:1], pairs):
        got = estimate(metric.score(scorables(part)), [None] * len(part), metric.aggregate).value
        expected = BLEU().corpus_score([a for a, _ in part], [[r for _, r in part]]).score / 100
        assert got == pytest.approx(expected, abs=1e-12)


def test_chrf_is_sacrebleu(pairs):
    reference = chrf_reference()
    assert item_scores("chrf_pp", pairs) == pytest.approx([reference(a, r) for a, r in pairs], abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(text, text), min_size=1, max_size=4))
def test_any_text_scores_as_in_the_libraries(some):
    for name in ("rouge_1", "rouge_2", "rouge_l"):
        reference = rouge_reference(name)
        assert item_scores(name, some) == [reference(a, r) for a, r in some]
    reference = gleu_reference()
    assert item_scores("google_bleu", some) == [reference(a, r) for a, r in some]
    reference = bleu_reference()
    assert item_scores("bleu", some) == pytest.approx([reference(a, r) for a, r in some], abs=1e-12)
    reference = chrf_reference()
    assert item_scores("chrf_pp", some) == pytest.approx([reference(a, r) for a, r in some], abs=1e-9)


@settings(max_examples=300, deadline=None)
@given(text)
def test_13a_tokens_are_found_word_by_word(line):
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    from ehrbench.metrics._mteval import tokenizer_13a

    assert list(tokenizer_13a()(line)) == Tokenizer13a()(line).split()


def test_several_references_count_with_the_best(pairs):
    triples = [(a, (r, other)) for (a, r), (_, other) in zip(pairs[:60], reversed(pairs[:60]), strict=True)]
    several = [Scorable(str(i), a, r) for i, (a, r) in enumerate(triples)]
    for name in LEXICAL:
        if name in ("bleu", "sentence_bleu"):
            continue
        metric = METRICS.get(name)
        got = [s[0] for s in metric.score(several)]
        singles = [item_scores(name, [(a, r) for a, refs in triples for r in refs[j : j + 1]]) for j in (0, 1)]
        assert got == [max(x, y) for x, y in zip(*singles, strict=True)]


def test_several_references_of_bleu_are_clipped_together(pairs):
    from sacrebleu.metrics import BLEU

    metric = METRICS.get("bleu")
    several = [
        Scorable(str(i), a, (r, other))
        for i, ((a, r), (_, other)) in enumerate(zip(pairs[:60], reversed(pairs[:60]), strict=True))
    ]
    statistics = metric.score(several)
    sentence = BLEU(effective_order=True)
    for s, counts in zip(several, statistics, strict=True):
        assert metric.item_score(counts) == pytest.approx(
            sentence.sentence_score(s.answer, list(s.references)).score / 100, abs=1e-12
        )
    corpus = BLEU().corpus_score([s.answer for s in several], [[s.references[j] for s in several] for j in (0, 1)]).score / 100
    assert estimate(statistics, [None] * 60, "corpus_bleu").value == pytest.approx(corpus, abs=1e-12)


@pytest.mark.parametrize("name", LEXICAL)
def test_bounds_identity_and_emptiness(name, pairs):
    low, high = METRICS.get(name).range
    assert all(low <= s <= high + 1e-12 for s in item_scores(name, pairs))
    if name not in ("rouge_2",):
        assert item_scores(name, [(t, t) for t in NON_EMPTY]) == pytest.approx([1.0] * 3)
    assert item_scores(name, [("", "gold answer"), (" \n", "gold answer")]) == [0.0, 0.0]
    assert item_scores(name, [("an answer", "")]) == [0.0]
    both = 1.0 if name in ("exact_match", "exact_match_strict", "token_f1") else 0.0
    assert item_scores(name, [("", "")]) == [both]


@pytest.mark.parametrize("name", LEXICAL)
def test_an_item_is_scored_alone(name, pairs):
    metric = METRICS.get(name)
    items = scorables(pairs[:80])
    together = metric.score(items)
    assert metric.score(items[::-1])[::-1] == together
    assert metric.score(items[7:8]) == together[7:8]
    assert metric.score([]) == []


@pytest.mark.parametrize("name", LEXICAL)
def test_no_reference_is_undefined(name):
    metric = METRICS.get(name)
    assert metric.score([Scorable("1", "yes", ("yes",)), Scorable("2", "yes")])[1] is None
    assert metric.score([Scorable("2", "yes")]) == [None]


@pytest.mark.parametrize("name", LEXICAL)
def test_a_metric_says_how_it_is_computed(name):
    metric = METRICS.get(name)
    assert metric.name == name and metric.aggregate in AGGREGATES
    assert metric.signature().startswith(f"{name}|v:1|")
    assert metric.unavailable() is None


def test_squad_normalisation():
    assert normalize("The  patient's A1c, an\tindex") == "patients a1c index"
    assert item_scores("exact_match", [("The answer.", "answer"), ("5.5", "55"), ("no", "yes")]) == [1.0, 1.0, 0.0]
    assert item_scores("exact_match_strict", [(" Yes\n", "Yes"), ("yes", "Yes")]) == [1.0, 0.0]


def test_token_f1_by_hand():
    # 2 common of 3 and 4 words: P 2/3, R 1/2 -> 4/7
    assert item_scores("token_f1", [("aspirin daily now", "aspirin 81 mg daily")]) == pytest.approx([4 / 7])
    assert item_scores("token_f1", [("the", "a"), ("the", "aspirin")]) == [1.0, 0.0]


def test_what_is_remembered_is_bounded_and_changes_nothing(pairs, monkeypatch):
    from ehrbench.metrics import _texts
    from ehrbench.metrics.rouge import _encoder

    before = item_scores("rouge_2", pairs[:50])
    monkeypatch.setattr(_texts, "REMEMBERED_CHARACTERS", 100)
    assert [s for pair in pairs[:50] for s in item_scores("rouge_2", [pair])] == before
    assert len(_encoder()._texts) <= 4
