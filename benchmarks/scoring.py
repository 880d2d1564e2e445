"""The lexical suite against the libraries whose numbers it promises: equal scores first, then CPU time, side by side.

python benchmarks/scoring.py --pairs 1000
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pairs import make_pairs

from ehrbench.metrics import METRICS, Scorable
from ehrbench.metrics._wordnet import find_wordnet
from ehrbench.scoring.compute import compute

Pairs = Sequence[tuple[str, str]]
Scores = dict[str, list[float]]


def rouge_library(pairs: Pairs) -> Scores:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    rows = [scorer.score(reference, answer) for answer, reference in pairs]
    names = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
    return {ours: [row[theirs].fmeasure for row in rows] for ours, theirs in names.items()}


def bleu_library(pairs: Pairs) -> Scores:
    from sacrebleu.metrics import BLEU

    bleu = BLEU(effective_order=True)
    return {"bleu": [bleu.sentence_score(answer, [reference]).score / 100 for answer, reference in pairs]}


def chrf_library(pairs: Pairs) -> Scores:
    from sacrebleu.metrics import CHRF

    chrf = CHRF(char_order=6, word_order=2, beta=2)
    return {"chrf_pp": [chrf.sentence_score(answer, [reference]).score / 100 for answer, reference in pairs]}


@lru_cache(maxsize=1)
def english_punkt() -> Any:
    """The English model for NLTK's splitter, from the copy that ehrbench carries."""
    from nltk.tokenize.punkt import PunktParameters

    from ehrbench.metrics._punkt import english

    model, parameters = english(), PunktParameters()
    parameters.abbrev_types, parameters.collocations = set(model.abbreviations), set(model.collocations)
    parameters.sent_starters = set(model.starters)
    parameters.ortho_context.update(model.contexts)
    return parameters


def meteor_library(pairs: Pairs) -> Scores:
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer
    from nltk.translate.meteor_score import single_meteor_score

    punkt = PunktSentenceTokenizer(english_punkt())
    words = NLTKWordTokenizer()

    def tokens(text: str) -> list[str]:
        return [token for sentence in punkt.tokenize(text) for token in words.tokenize(sentence)]

    return {"meteor": [single_meteor_score(tokens(reference), tokens(answer)) for answer, reference in pairs]}


def gleu_library(pairs: Pairs) -> Scores:
    from nltk.translate.gleu_score import corpus_gleu
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokens = Tokenizer13a()
    return {"google_bleu": [corpus_gleu([[tokens(reference).split()]], [tokens(answer).split()]) for answer, reference in pairs]}


def bleu_1_library(pairs: Pairs) -> Scores:
    """NLTK's BLEU-1 on its own words. These texts have no dash and no typographic quote, where its releases differ."""
    from collections import defaultdict

    from nltk.tokenize import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    from nltk.translate.bleu_score import sentence_bleu

    from ehrbench.metrics._punkt import english

    model, params = english(), PunktParameters()
    params.abbrev_types, params.collocations = set(model.abbreviations), set(model.collocations)
    params.sent_starters, params.ortho_context = set(model.starters), defaultdict(int, model.contexts)
    punkt, words = PunktSentenceTokenizer(params), NLTKWordTokenizer()

    def tokens(text: str) -> list[str]:
        return [token for sentence in punkt.tokenize(text) for token in words.tokenize(sentence)]

    return {"bleu_1": [float(sentence_bleu([tokens(reference)], tokens(answer), weights=(1,))) for answer, reference in pairs]}


def rouge_set_library(pairs: Pairs) -> Scores:
    from rouge import Rouge

    score = Rouge(metrics=["rouge-l"]).get_scores
    return {"rouge_l_set": [score(answer, reference)[0]["rouge-l"]["f"] for answer, reference in pairs]}


LIBRARIES: dict[str, tuple[Callable[[Pairs], Scores], tuple[str, ...]]] = {
    "ROUGE-1/2/L (rouge_score)": (rouge_library, ("rouge_1", "rouge_2", "rouge_l")),
    "BLEU (sacrebleu)": (bleu_library, ("bleu",)),
    "chrF++ (sacrebleu)": (chrf_library, ("chrf_pp",)),
    "METEOR (nltk)": (meteor_library, ("meteor",)),
    "GoogleBLEU (nltk, 13a)": (gleu_library, ("google_bleu",)),
}
MEDS_BENCH: dict[str, tuple[Callable[[Pairs], Scores], tuple[str, ...]]] = {
    "BLEU-1 (nltk)": (bleu_1_library, ("bleu_1",)),
    "ROUGE-L of word sets (rouge)": (rouge_set_library, ("rouge_l_set",)),
}
"""Not part of the suite, which stays comparable."""


def ours(pairs: Pairs, names: Sequence[str]) -> Scores:
    items = [Scorable(str(i), answer, (reference,)) for i, (answer, reference) in enumerate(pairs)]
    metrics = [METRICS.get(name) for name in names]
    return {m.name: [m.item_score(s) for s in compute(m, items, processes=1) if s is not None] for m in metrics}


def lend_nltk_its_wordnet() -> None:
    """Put the WordNet of this machine where NLTK looks; Debian's package lacks one file of NLTK's, a list of names."""
    import nltk.data

    place = find_wordnet()
    if place is None or place.suffix == ".zip" or (place / "lexnames").exists():
        return
    home = Path(tempfile.mkdtemp())
    folder = home / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for file in place.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "lexnames").write_text("".join(f"{i:02d}\tfile{i}\t1\n" for i in range(45)))
    nltk.data.path.insert(0, str(home))


def cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=60, help="words of a reference")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    arguments = parser.parse_args()
    rows = {row: measured for row, measured in {**LIBRARIES, **MEDS_BENCH}.items() if arguments.only in row}
    lend_nltk_its_wordnet()
    pairs = make_pairs(arguments.pairs, arguments.tokens)
    for library, names in rows.values():  # equality, and everything opened and imported on both sides
        expected, got = library(pairs), ours(pairs, names)
        for name in names:
            worst = max(abs(x - y) for x, y in zip(got[name], expected[name], strict=True))
            if worst > 1e-9:
                raise SystemExit(f"{name}: differs by {worst}")
    times: dict[str, list[tuple[float, float]]] = {row: [] for row in rows}
    for seed in range(1, arguments.rounds + 1):
        pairs = make_pairs(arguments.pairs, arguments.tokens, seed)  # new texts, so that no side remembers the last round's
        for row, (library, names) in rows.items():
            times[row].append((cpu_s(lambda f=library, p=pairs: f(p)), cpu_s(lambda n=names, p=pairs: ours(p, n))))  # type: ignore[misc]
    if set(LIBRARIES) <= set(times):
        suite = zip(*(times[row] for row in LIBRARIES), strict=True)
        times["suite"] = [(sum(x for x, _ in round_), sum(y for _, y in round_)) for round_ in suite]
    print(f"{arguments.pairs} pairs of {arguments.tokens} words, one process, CPU seconds, median of {arguments.rounds} rounds\n")
    print("| metric | library s | ehrbench s | ratio (min to max) |\n|---|---|---|---|")
    for row, measured in times.items():
        theirs, mine = (statistics.median(column) for column in zip(*measured, strict=True))
        ratios = sorted(x / y for x, y in measured)
        print(f"| {row} | {theirs:.3f} | {mine:.3f} | {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}) |")


if __name__ == "__main__":
    main()
