"""MedS-Bench's text metrics: the specification's worked examples, and the libraries whose numbers they promise."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ehrbench.metrics import METRICS, Scorable
from ehrbench.metrics._punkt import SentenceSplitter, english
from ehrbench.metrics._treebank import english_words, split_words, word_splitter
from ehrbench.suites.meds_bench.scorers._rouge_set import f_score, sentences
from ehrbench.suites.meds_bench.scorers._tokens import words

TEXT = "bleu_1 bleu_1_words bleu_1_lower rouge_l_set rouge_l_set_lower rouge_1_words rouge_l_words".split()  # noqa: SIM905
PAPER_TEXT = (
    "bleu_1_explanation bleu_1_rationale bleu_1_ebms rouge_l_set_explanation rouge_l_set_rationale rouge_l_set_ebms".split()  # noqa: SIM905
)
ASIAN = "bleu_1_zh bleu_1_ja rouge_l_set_zh rouge_l_set_ja rouge_1_zh rouge_1_ja rouge_l_zh rouge_l_ja".split()  # noqa: SIM905

# Words with a history in the model: abbreviations, names, numbers, initials.
PIECES = [
    "Dr",
    "Dr.",
    "e.g.",
    "U.S.",
    "the",
    "The",
    "he",
    "He",
    "mg",
    "5",
    "3.5",
    "J.",
    "a",
    "p.m.",
    "Corp.",
    "said",
    "chest",
    "pain",
]
MARKS = [
    ".",
    "?",
    "!",
    ",",
    ";",
    ":",
    "'",
    '"',
    "(",
    ")",
    "[",
    "]",
    "-",
    "--",
    "...",
    ". . .",
    "n't",
    "'s",
    "can't",
    "cannot",
    "%",
]
BLANKS = [" ", " ", " ", "", "  ", "\n"]
prose = st.lists(st.tuples(st.sampled_from(PIECES + MARKS), st.sampled_from(BLANKS)), max_size=25).map(
    lambda parts: "".join(piece + blank for piece, blank in parts)
)
any_text = st.text(st.one_of(st.sampled_from(list("abAB05 .,-'\"();\n!?`—’")), st.characters(codec="utf-8")), max_size=40)


def value(name, answer, *golds):
    found = METRICS.get(name).score([Scorable("1", answer, golds)])[0]
    return None if found is None else found[0]


@pytest.fixture(scope="module")
def punkt():
    return SentenceSplitter(english()).split


def nltk_punkt():
    """NLTK's own splitter with our model, which it reads as its own."""
    from collections import defaultdict

    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    model, params = english(), PunktParameters()
    params.abbrev_types, params.collocations = set(model.abbreviations), set(model.collocations)
    params.sent_starters, params.ortho_context = set(model.starters), defaultdict(int, model.contexts)
    return PunktSentenceTokenizer(params).tokenize


def test_the_model_has_the_published_size():
    model = english()
    assert [len(part) for part in model] == [156, 37, 39, 20366]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Seen by Dr. Smith. He agreed.", ["Seen by Dr. Smith.", "He agreed."]),
        ("Given 5 mg. Then 3.5 mg.", ["Given 5 mg. Then 3.5 mg."]),  # "mg" is an abbreviation, "then" no sentence starter
        ("J. Bach came at 4 p.m. on Monday.", ["J. Bach came at 4 p.m. on Monday."]),
        ('He said "stop." (So did she.) Then left.', ['He said "stop."', "(So did she.)", "Then left."]),
        ("Is it? Yes! It is.", ["Is it?", "Yes!", "It is."]),
        ("no end", ["no end"]),
        ("", []),
        (" \n", []),
    ],
)
def test_sentences(punkt, text, expected):
    assert punkt(text) == expected


@settings(max_examples=400, deadline=None)
@given(prose)
@example('("a.") b. "c"')
def test_sentences_are_nltks_where_no_typographic_quote_is(text):
    assert SentenceSplitter(english()).split(text) == nltk_punkt()(text)


def test_nltk_since_ends_sentences_at_typographic_quotes():
    text = "He said “stop.” Then he left."
    assert SentenceSplitter(english()).split(text) == ["He said “stop.” Then he left."]
    assert nltk_punkt()(text) == ["He said “stop.”", "Then he left."]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Options listed—deletion of exon 5.", ["Options", "listed—deletion", "of", "exon", "5", "."]),
        ("Give 3.5 mg, not 5.", ["Give", "3.5", "mg", ",", "not", "5", "."]),
        ('"Stop" he said.', ["``", "Stop", "''", "he", "said", "."]),
        ("The patient's can't cannot.", ["The", "patient", "'s", "ca", "n't", "can", "not", "."]),
        ("l'acide d'un", ["l'acide", "d'un"]),
        ("'t 'x' a", ["'t", "'", "x", "'", "a"]),
        ("a: b, c;d (e) [f] 10% $5", ["a", ":", "b", ",", "c", ";", "d", "(", "e", ")", "[", "f", "]", "10", "%", "$", "5"]),
        ("et al. (2010).", ["et", "al.", "(", "2010", ")", "."]),
        ("Mr. X vs. Y...", ["Mr.", "X", "vs.", "Y", "..."]),
        ("", []),
    ],
)
def test_words_of_nltk_3_8(sentence, expected):
    assert split_words(sentence) == expected
    assert word_splitter()(sentence) == expected


@settings(max_examples=400, deadline=None)
@given(st.one_of(prose, any_text))
@example("5. }\n")
@example("gonna {«# '' «a. \x1c")
def test_runs_between_blanks_may_be_split_one_by_one(text):
    assert word_splitter()(text) == split_words(text)


@settings(max_examples=400, deadline=None)
@given(prose.filter(lambda text: "'" not in text))
def test_words_are_nltks_where_its_rules_are_the_same(text):
    from nltk.tokenize.destructive import NLTKWordTokenizer

    line = " ".join(text.split())
    assert split_words(line) == NLTKWordTokenizer().tokenize(line)


def test_words_of_a_text_are_those_of_its_sentences():
    assert english_words()("Seen by Dr. Smith. He agreed.") == ["Seen", "by", "Dr.", "Smith", ".", "He", "agreed", "."]


def test_worked_examples_of_bleu():
    # 5 tokens of which 4 match, 11 in the reference: 0.8 * exp(1 - 11/5)
    gold = "Small left pleural effusion with adjacent atelectasis and no pneumothorax ."
    assert value("bleu_1", "A small left pleural effusion", gold) == pytest.approx(0.6 * math.exp(1 - 11 / 5), abs=1e-12)
    assert value("bleu_1", "Small left pleural effusion .", gold) == pytest.approx(math.exp(1 - 11 / 5), abs=1e-12)
    # clipping: of 7 tokens "acute" and "findings" match once each; "no" is not "No"
    assert value("bleu_1", "no no no acute acute findings findings", "No acute findings.") == pytest.approx(2 / 7, abs=1e-12)
    assert value("bleu_1", "x", "No acute findings.") == 0
    assert value("bleu_1", "", "No acute findings.") == 0
    assert value("bleu_1", "a b c", "a b c") == 1


def test_worked_examples_of_rouge():
    # One common sentence of 2 words of 2 and 3: P = 2/3, R = 1
    assert value("rouge_l_set", "a b c", "a b") == pytest.approx(2 * (2 / 3) / (5 / 3 + 1e-8), abs=1e-15)
    # A full stop inside a number parts sentences: {Take 5 | 5 mg daily} against {Take 5 mg 5 times daily}
    assert value("rouge_l_set", "Take 5 mg 5 times daily", "Take 5.5 mg daily") == pytest.approx(0.888888884, abs=1e-9)
    # The blank after the last full stop is an empty word
    assert value("rouge_l_set", "Stable appearance. ", "Stable appearance.") == pytest.approx(0.8, abs=1e-8)
    assert sentences("Stable appearance. ") == [["Stable", "appearance"], [""]]
    assert value("rouge_l_set", "b a", "a b") == pytest.approx(0.5, abs=1e-8)
    for nothing in ("", ".", "..."):
        assert value("rouge_l_set", nothing, "a b") == value("rouge_l_set", "a b", nothing) == 0
    assert f_score("a. b. c", "c. b. a") == 1 / (1 + 0.5e-8)


sparse_text = st.text("abcd .", max_size=40)


@settings(max_examples=400, deadline=None)
@given(sparse_text, sparse_text)
def test_rouge_l_set_is_that_of_the_rouge_package(answer, gold):
    import rouge

    limit = sys.getrecursionlimit()  # which the package raises for good
    try:
        expected = rouge.Rouge(metrics=["rouge-l"]).get_scores(answer, gold)[0]["rouge-l"]["f"]
    except ValueError:
        expected = 0.0
    finally:
        sys.setrecursionlimit(limit)
    assert value("rouge_l_set", answer, gold) == expected


@settings(max_examples=200, deadline=None)
@given(any_text, any_text)
def test_bleu_1_is_nltks_formula_on_our_words(answer, gold):
    import warnings

    from nltk.translate.bleu_score import sentence_bleu

    tokens = english_words()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = float(sentence_bleu([tokens(gold)], tokens(answer), weights=(1,)))
    assert value("bleu_1", answer, gold) == pytest.approx(expected, abs=1e-12)


def test_what_each_script_does_with_an_empty_answer():
    for measure in ("bleu_1", "rouge_l_set"):
        assert [value(measure, answer, "a") for answer in ("", " ")] == [0, 0]
        assert [value(f"{measure}_explanation", answer, "a") for answer in ("", " ", "None", "NA")] == [None, 0, None, None]
        assert [value(f"{measure}_rationale", answer, "a") for answer in ("", " ", "\n")] == [0, None, None]
        assert [value(f"{measure}_ebms", answer, "a") for answer in ("", " ")] == [0, 0]


def test_preparation_of_the_scripts():
    assert value("rouge_l_set_rationale", " a b. ", "a b.") == pytest.approx(1, abs=1e-8)
    # gold in lower case without full stops, the answer in lower case only
    assert value("bleu_1_ebms", "Zinc helps", "Zinc helps.") == 1
    for answer, gold in (
        ("Zinc helps most adults ", "zinc helps most adults"),
        ("\nZinc helps most adults\n", "Zinc helps most adults ."),
    ):
        assert value("rouge_l_set_ebms", answer, gold) == pytest.approx(1)
        assert value("bleu_1_ebms", answer, gold) == 1
    assert value("bleu_1_ebms", "Zinc helps.", "Zinc helps.") == pytest.approx(2 / 3)
    assert value("bleu_1_lower", "zinc Helps.", "Zinc helps.") == 1
    assert value("bleu_1", "zinc Helps.", "Zinc helps.") == pytest.approx(1 / 3)


def test_words_of_any_script():
    assert words("L'acide n'est pas À 3,5 %.") == ["l", "acide", "n", "est", "pas", "à", "3", "5"]
    assert words("Пациент стабилен!") == ["пациент", "стабилен"]
    assert value("rouge_1_words", "Пациент был стабилен", "Пациент стабилен.") == pytest.approx(0.8)
    assert value("rouge_l_words", "стабилен пациент", "Пациент стабилен.") == pytest.approx(0.5)
    assert value("bleu_1_words", "Le PATIENT est stable", "Le patient est stable.") == 1


@pytest.mark.parametrize("name", ASIAN)
def test_chinese_and_japanese(name):
    metric = METRICS.get(name)
    if metric.unavailable():
        pytest.skip(metric.unavailable())
    answer, gold = {
        "zh": ("阿司匹林可以抑制环氧化酶，从而减少前列腺素。", "阿司匹林通过抑制环氧化酶减少前列腺素的合成。"),
        "ja": ("頸静脈の怒張は右心不全でみられる。", "頸静脈の怒張は右心不全の所見である。"),
    }[name[-2:]]
    assert value(name, gold, gold) == pytest.approx(1, abs=1e-8)
    assert 0.5 < value(name, answer, gold) < 1
    assert metric.signature().split("|")[-1].startswith(("jieba:", "janome:"))


def test_a_missing_tokeniser_is_named_with_its_install_line(monkeypatch):
    from ehrbench.suites.meds_bench.scorers import _tokens

    monkeypatch.setattr(_tokens, "find_spec", lambda module: None)
    for name in ("bleu_1_zh", "rouge_l_set_rationale_ja", "rouge_1_zh"):
        assert "pip install 'ehrbench[meds-bench]'" in METRICS.get(name).unavailable()
    assert METRICS.get("bleu_1").unavailable() is None


def test_jieba_leaves_no_cache_behind(monkeypatch, tmp_path):
    import tempfile

    from ehrbench.suites.meds_bench.scorers import _tokens

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _tokens._jieba.cache_clear()
    assert value("bleu_1_zh", "阿司匹林", "阿司匹林") == 1
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(any_text, any_text), min_size=1, max_size=5), st.randoms())
def test_range_and_order(pairs, rng):
    items = [Scorable(str(i), answer, (gold,)) for i, (answer, gold) in enumerate(pairs)]
    shuffled = list(range(len(items)))
    rng.shuffle(shuffled)
    for name in TEXT + PAPER_TEXT:
        scored = METRICS.get(name).score(items)
        assert all(statistics is None or 0 <= statistics[0] <= 1 for statistics in scored)
        assert METRICS.get(name).score([items[i] for i in shuffled]) == [scored[i] for i in shuffled]


@pytest.mark.parametrize("name", TEXT + PAPER_TEXT)
def test_an_identical_answer_scores_1(name):
    # but for EBMS, whose full stops are deleted on one side
    text = "No acute process" if name.endswith("_ebms") else "No acute process. Stable nodule of 5 mm in Dr. Smith's report."
    assert value(name, text, text) == pytest.approx(1, abs=1e-8)


def test_the_best_of_several_golds_counts():
    assert value("bleu_1", "a b", "c d", "a b") == 1
    assert value("rouge_l_set", "a b", "c d", "a b") == pytest.approx(1, abs=1e-8)
