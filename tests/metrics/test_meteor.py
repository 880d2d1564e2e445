"""METEOR against NLTK, with WordNet as NLTK reads it."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.errors import MissingError
from ehrbench.metrics import METRICS, Scorable, _nltk_data, _wordnet
from ehrbench.metrics import meteor as module
from ehrbench.metrics._nltk_words import sentence_tokenizer, word_tokenizer
from ehrbench.metrics._porter import porter_stem
from ehrbench.metrics._treebank import sentence_splitter

needs_wordnet = pytest.mark.skipif(module.unavailable() is not None, reason="no WordNet 3.0 (Debian: wordnet-base)")


def listed(words: str) -> list[str]:
    return words.split()


# WordNet's documented lexicographer files (lexnames(5WN)), which Debian leaves out and NLTK wants.
LEXNAMES = [
    *("adj.all 3", "adj.pert 3", "adv.all 4"),
    *(
        f"noun.{name} 1"
        for name in listed(
            "Tops act animal artifact attribute body cognition communication event feeling food group location motive object "
            "person phenomenon plant possession process quantity relation shape state substance time"
        )
    ),
    *(
        f"verb.{name} 2"
        for name in listed(
            "body change cognition communication competition consumption contact creation emotion motion perception possession "
            "social stative weather"
        )
    ),
    "adj.ppl 3",
]


@pytest.fixture(scope="module")
def nltk_wordnet(tmp_path_factory):
    """NLTK's own reader on the same WordNet, in NLTK's own place for it: it reads below its search path only."""
    import nltk.corpus
    import nltk.data

    place = _wordnet.find_wordnet()
    home = tmp_path_factory.mktemp("nltk_data", numbered=False)
    if place.suffix != ".zip" and not (place / "lexnames").exists():
        folder = home / "corpora" / "wordnet"
        shutil.copytree(place, folder)
        (folder / "lexnames").write_text("".join(f"{i:02d}\t{name.replace(' ', chr(9))}\n" for i, name in enumerate(LEXNAMES)))
    nltk.data.path.insert(0, str(home))
    yield nltk.corpus.wordnet
    nltk.data.path.remove(str(home))


@pytest.fixture(scope="module")
def resources():
    return module._resources()


@needs_wordnet
def test_meteor_is_nltk_bit_for_bit(pairs, nltk_wordnet):
    from nltk.translate.meteor_score import single_meteor_score

    tokens = word_tokenizer()
    metric = METRICS.get("meteor")
    got = [s[0] for s in metric.score([Scorable(str(i), a, (r,)) for i, (a, r) in enumerate(pairs)])]
    assert got == [single_meteor_score(tokens(r), tokens(a), wordnet=nltk_wordnet) for a, r in pairs]


@needs_wordnet
def test_published_examples(resources):
    # NLTK's documentation: 0.6944 and 0.0
    answer = "It is a guide to action which ensures that the military always obeys the commands of the party"
    reference = "It is a guide to action that ensures that the military will forever heed Party commands"
    metric = METRICS.get("meteor")
    scored = metric.score([Scorable("1", answer, (reference,)), Scorable("2", "non matching hypothesis", ("this is a cat",))])
    assert scored[0][0] == pytest.approx(0.6944, abs=5e-5)
    assert scored[1] == (0.0,)


@needs_wordnet
@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(listed("heart hearts physician doctor tumor tumour running runs ran lung lungs the mice")), max_size=12
    ),
    st.lists(
        st.sampled_from(listed("heart hearted doctor doctors medico neoplasm tumor run ran pulmonary mouse the")), max_size=12
    ),
)
def test_alignment_is_nltks(nltk_wordnet, resources, answer, reference):
    from nltk.translate.meteor_score import align_words

    assert module.align(answer, reference, *resources) == align_words(answer, reference, wordnet=nltk_wordnet)[0]


@needs_wordnet
@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=8), st.sampled_from(listed("better best mice axes leaves was went churches flies bigger .22 a.m. U.S."))
    )
)
def test_synonyms_are_nltks(nltk_wordnet, word):
    expected = {name for synset in nltk_wordnet.synsets(word) for name in synset.lemma_names() if "_" not in name}
    assert _wordnet.load_wordnet(_wordnet.find_wordnet()).synonyms(word) == expected


@needs_wordnet
def test_synonyms_of_many_words_are_nltks(nltk_wordnet):
    ours = _wordnet.load_wordnet(_wordnet.find_wordnet())
    for word in list(ours._index["noun"])[::997] + list(ours._index["verb"])[::97] + list(ours._index["adj"])[::173]:
        for form in (word, word + "s", word + "ed", word + "er"):
            expected = {name for synset in nltk_wordnet.synsets(form) for name in synset.lemma_names() if "_" not in name}
            assert ours.synonyms(form) == expected, form


@needs_wordnet
def test_several_references_emptiness_and_identity():
    metric = METRICS.get("meteor")
    several = metric.score(
        [Scorable("1", "no chest pain", ("fever", "no chest pain")), Scorable("2", "x"), Scorable("3", "", ("x",))]
    )
    assert several[0][0] == pytest.approx(1 - 0.5 / 27)  # one chunk of three words
    assert several[1:] == [None, (0.0,)]
    assert metric.score([Scorable("4", "", ("",)), Scorable("5", "x", ("",))]) == [(0.0,), (0.0,)]


def test_a_machine_without_wordnet_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(module, "find_wordnet", lambda: None)
    module._resources.cache_clear()
    metric = METRICS.get("meteor")
    assert "wordnet-base" in metric.unavailable()
    with pytest.raises(MissingError, match="wordnet-base"):
        metric.score([Scorable("1", "a", ("b",))])
    module._resources.cache_clear()


def test_another_wordnet_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / "corpora" / "wordnet").mkdir(parents=True)
    (tmp_path / "corpora" / "wordnet" / "data.noun").write_text("  1 WordNet 3.1 Copyright 2011\n")
    monkeypatch.setattr(_nltk_data, "search_path", lambda: [tmp_path])
    assert _wordnet.find_wordnet() in (None, Path("/usr/share/wordnet"), Path("/usr/local/WordNet-3.0/dict"))
    assert not _wordnet._is_wordnet_3_0(tmp_path / "corpora" / "wordnet")


@needs_wordnet
def test_nltks_zip_is_read(tmp_path, monkeypatch):
    source = _wordnet.find_wordnet()
    (tmp_path / "corpora").mkdir()
    with zipfile.ZipFile(tmp_path / "corpora" / "wordnet.zip", "w") as archive:
        for part in _wordnet.PARTS:
            for name in (f"data.{part}", f"index.{part}", f"{part}.exc"):
                archive.writestr(f"wordnet/{name}", _wordnet._read(source, name))
    monkeypatch.setattr(_nltk_data, "search_path", lambda: [tmp_path])
    place = _wordnet.find_wordnet()
    assert place == tmp_path / "corpora" / "wordnet.zip"
    assert "doc" in _wordnet.WordNet(place).synonyms("doctors")
    (tmp_path / "corpora" / "wordnet.zip").write_bytes(io.BytesIO(b"PK broken").getvalue())
    assert not _wordnet._is_wordnet_3_0(place)


PIECES = listed(
    "the pain . , : ; ? ! ... .. .) ). ) ' '' \" `` ` can't cannot Cannot gonna wanna don't patient's patients' 'tis 'n more'n "
    "d'ye o'clock -- a--b 5.4% $3 x@y A&P q.d. Dr. U.S. 1,000 1,a a:b 12:30 (ok) [1] {x} <y> « » “ ” ‘ ’ „ – — * # _ / 120/80 "
    "it's I'm we'll they're I've isn't ain't N'T 'S é ß 患者 x.' x.\" x.) \u00b5g"
)


@settings(max_examples=600, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(PIECES), st.sampled_from([" ", " ", " ", "", "\n", "  ", "\t", "\u00a0", "\x1c"])), max_size=10
    )
)
def test_words_are_tokenised_as_in_nltk(pieces):
    from nltk.tokenize.destructive import NLTKWordTokenizer

    sentence = "".join(part for pair in pieces for part in pair)
    assert sentence_tokenizer()(sentence) == NLTKWordTokenizer().tokenize(sentence)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab1 .,:'\"()-$?"), max_size=12))
def test_any_characters_are_tokenised_as_in_nltk(sentence):
    from nltk.tokenize.destructive import NLTKWordTokenizer

    assert sentence_tokenizer()(sentence) == NLTKWordTokenizer().tokenize(sentence)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_any_script_is_tokenised_as_in_nltk(sentence):
    from nltk.tokenize.destructive import NLTKWordTokenizer

    assert sentence_splitter("3.10")(sentence) == NLTKWordTokenizer().tokenize(sentence)


SUFFIXES = listed(
    "sses ies ss s eed ed ing at bl iz y ational tional enci anci izer bli alli entli eli ousli ization ation ator alism iveness "
    "fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement "
    "ment ent ion sion tion ou ism ate iti ous ive ize e ll ied ally"
)


@settings(max_examples=2000, deadline=None)
@given(st.tuples(st.text("aeioubcdlstwxyzé1", max_size=6), st.lists(st.sampled_from(SUFFIXES), max_size=3)))
def test_stems_are_nltks(parts):
    from nltk.stem.porter import PorterStemmer

    word = parts[0] + "".join(parts[1])
    assert porter_stem(word) == PorterStemmer().stem(word)


@needs_wordnet
def test_stems_of_wordnets_words_are_nltks():
    from nltk.stem.porter import PorterStemmer

    place, theirs = _wordnet.find_wordnet(), PorterStemmer().stem
    words = {line.split()[0].decode() for part in _wordnet.PARTS for line in _wordnet._read(place, f"index.{part}").splitlines()}
    plain = sorted(word for word in words if word.isalpha())[::7]
    assert len(plain) > 8000
    assert [porter_stem(word) for word in plain] == [theirs(word) for word in plain]


def test_meteor_brings_no_nltk():
    code = (
        "import sys; from ehrbench.metrics import METRICS, Scorable; metric = METRICS.get('meteor'); "
        "metric.unavailable() or metric.score([Scorable('1', 'He cannot walk (\u201cnow\u201d).', ('She cannot walk.',))]); "
        "assert not {'nltk', 'sklearn', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_signature_names_the_nltk_that_is_followed():
    assert METRICS.get("meteor").signature().endswith("|wordnet:3.0|nltk:3.10.4")


def test_texts_are_tokenised_as_in_nltk_with_the_english_model(pairs):
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    from ehrbench.metrics._punkt import english

    model, trained = english(), PunktParameters()
    trained.abbrev_types, trained.collocations = set(model.abbreviations), set(model.collocations)
    trained.sent_starters = set(model.starters)
    trained.ortho_context.update(model.contexts)
    punkt, words, ours = PunktSentenceTokenizer(trained), NLTKWordTokenizer(), word_tokenizer()
    for text in {text for pair in pairs for text in pair}:
        assert ours(text) == [token for sentence in punkt.tokenize(text) for token in words.tokenize(sentence)]
    assert ours("Dr. Smith saw her. She is well.") == ["Dr.", "Smith", "saw", "her", ".", "She", "is", "well", "."]
