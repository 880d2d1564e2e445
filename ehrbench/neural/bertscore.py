"""BERTScore (Zhang et al. 2020): greedy matching of token states by cosine; F1.

MedAlign's setting: ``distilbert-base-uncased``, layer 5, no idf, no rescaling. Numbers are those of the ``bert-score`` library.
``bertscore.engine=bert-score`` runs the library itself. It is not the default: it fails on an empty answer under transformers
5, keeps every state in memory, and its numbers depend on which texts share a batch. An empty answer or reference scores 0; with
several references the highest F1 counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_file
from ehrbench.metrics.arguments import Settings
from ehrbench.metrics.metric import Metric, Scorable, ScoredAll, Statistics
from ehrbench.neural.remote import Share
from ehrbench.neural.weights import find_weights, label

if TYPE_CHECKING:
    from ehrbench.neural.encoder import Encoded, TextEncoder

LAYERS = {"distilbert-base-uncased": 5, "bert-base-uncased": 9, "roberta-large": 17, "deberta-xlarge-mnli": 40}
"""The layer that the authors chose on WMT16, by the last part of the checkpoint's name."""
STATES_AT_ONCE = 300_000
"""Tokens whose states are held at a time: 0.9 GB at DistilBERT's width."""


class _Choice(NamedTuple):
    folder: Path
    layer: int
    device: str | None
    dtype: str
    batch: int
    engine: str
    baseline: Path | None
    """The file of baselines that scores are rescaled with; None: they are not."""


def configure(given: Mapping[str, str]) -> Metric:
    """The metric under the arguments ``bertscore.*``.

    Raises:
        UsageError: an argument has an illegal value, or the layer of an unknown checkpoint is not given.
    """
    settings = Settings("bertscore", given)
    return _configured(_BARE, "distilbert-base-uncased", settings.text("checkpoint"), settings.text("layer"), settings)


def configure_deberta(given: Mapping[str, str]) -> Metric:
    """BERTScore with the encoder that its authors found to agree best with people; a metric of its own, under its own name."""
    bare = replace(_BARE, name="bertscore_deberta", label="BERTScore (DeBERTa)")
    return _configured(bare, "microsoft/deberta-xlarge-mnli", None, None, Settings("bertscore", given))


def _configured(bare: Metric, default: str, checkpoint: str | None, layer: str | None, settings: Settings) -> Metric:
    from ehrbench.models.hf.checkpoint import require_weights

    batch = settings.number("batch", 32)
    dtype = settings.choice("dtype", ("float32", "bfloat16"))
    missing = _missing_libraries()
    try:
        weights = find_weights("BERTScore", checkpoint, default)
        shown = label(weights, [weights.folder / "config.json", *require_weights(weights.folder)])
    except MissingError as error:
        reason = missing or str(error)
        return replace(bare, unavailable=lambda: reason)
    known = LAYERS.get(weights.name.rsplit("/", 1)[-1], 0)
    chosen = settings.number("layer", known) if layer else known
    if not chosen:
        raise UsageError(
            f"bertscore.checkpoint is {weights.name}, whose best layer is not known here: give it with --metric-arg "
            f"bertscore.layer=N (known: {', '.join(f'{key} {value}' for key, value in LAYERS.items())})"
        )
    engine = settings.choice("engine", ("ehrbench", "bert-score"))
    if engine == "bert-score":
        if dtype != "float32":
            raise UsageError("bertscore.engine=bert-score computes in float32: leave bertscore.dtype out")
        missing = missing or _missing_libraries("bert_score")
    try:
        baseline = _baseline(settings, weights.name, chosen)
    except MissingError as error:
        missing, baseline = missing or str(error), None
    choice = _Choice(weights.folder, chosen, settings.text("device"), dtype, batch, engine, baseline)
    facts = {**bare.settings, "checkpoint": shown, "layer": chosen, "dtype": dtype}
    if baseline is not None:
        facts["rescale"] = f"baseline-{hash_file(baseline)[:12]}"
    libraries = bare.libraries
    if engine == "bert-score":
        facts["engine"] = engine
        libraries = (*libraries, "bert-score")
    return replace(
        bare,
        settings=facts,
        libraries=libraries,
        bounded=baseline is None,  # a text below the baseline scores below 0
        score=partial(_score, choice),
        score_all=partial(score_all, choice),
        unavailable=lambda: missing,
    )


def _baseline(settings: Settings, name: str, layer: int) -> Path | None:
    """The file of baselines to rescale with: the user's, else the one that the library ships for this checkpoint.

    Raises:
        MissingError: there is none.
        UsageError: the file has no such layer.
    """
    given = settings.text("baseline")
    if settings.choice("rescale", ("off", "on")) == "off":
        if given is not None:
            raise UsageError("bertscore.baseline is for rescaling: give bertscore.rescale=on, too")
        return None
    if given is not None:
        path = Path(given).expanduser()
    else:
        found = find_spec("bert_score")
        if found is None or found.origin is None:
            raise MissingError(
                "bertscore.rescale=on needs the baselines of bert-score: pip install 'ehrbench[bert-score]', or name a file with "
                "bertscore.baseline"
            )
        path = Path(found.origin).parent / "rescale_baseline" / "en" / f"{name}.tsv"
        path = path if path.is_file() else path.with_name(f"{name.rpartition('/')[2]}.tsv")
    if not path.is_file():
        raise MissingError(f"bert-score has no baseline for {name}: name a file with bertscore.baseline, or leave rescale out")
    baseline_f1(path, layer)
    return path


@lru_cache(maxsize=4)
def baseline_f1(path: Path, layer: int) -> float:
    """The baseline of F1 at a layer, in (0, 1), from a file as bert-score has them: ``LAYER,P,R,F``, layer 0 first.

    Raises:
        UsageError: the file is not of that form, or has no such layer.
    """
    try:
        rows = [line.split(",") for line in path.read_text("utf-8").splitlines() if line.strip()]
        value = float(next(row[3] for row in rows[1:] if int(row[0]) == layer))
    except (OSError, ValueError, IndexError, StopIteration):
        value = math.nan
    if not -1 < value < 1:
        raise UsageError(f"{path} has no baseline of layer {layer}: expected a line LAYER,P,R,F for each layer, after a header")
    return value


def _missing_libraries(*further: str) -> str | None:
    if find_spec("torch") is None or find_spec("transformers") is None:
        return "BERTScore needs torch and transformers: pip install 'ehrbench[bertscore]'"
    if any(find_spec(name) is None for name in further):
        return "bertscore.engine=bert-score needs the package bert-score: pip install 'ehrbench[bert-score]'"
    return None


def _score(choice: _Choice, scorables: Sequence[Scorable]) -> Sequence[Statistics | None]:
    return score_all(choice, scorables, lambda n: None).statistics


def score_all(choice: _Choice, scorables: Sequence[Scorable], done: Callable[[int], None]) -> ScoredAll:
    """F1 of each item, the highest over its references; None for an item without references."""
    if choice.engine == "bert-score":
        return _by_the_library(choice, scorables, done)
    encoder = _load(choice)
    texts = list(
        dict.fromkeys(text.strip() for s in scorables if s.references for text in (s.answer, *s.references) if text.strip())
    )
    ids, n_cut = encoder.token_ids(texts)
    tokens = dict(zip(texts, ids, strict=True))
    best: dict[int, float] = {}
    told = 0
    for block in _blocks(scorables, tokens):
        wanted = list(dict.fromkeys(t for k in block for t in _texts_of(scorables[k]) if t in tokens))
        progress = Share(len(block), len(wanted), done)
        states = dict(zip(wanted, encoder.encode([tokens[t] for t in wanted], progress), strict=True))
        for k in block:
            answer, *references = _texts_of(scorables[k])
            best[k] = max(f1(states.get(answer), states.get(reference)) for reference in references)
        progress.finish()
        told += len(block)
    done(len(scorables) - told)
    notes = (f"{n_cut} of {len(texts)} texts are longer than the encoder's {encoder.max_tokens} tokens and were cut at the end",)
    if choice.baseline is not None:
        floor = baseline_f1(choice.baseline, choice.layer)
        best = {k: (value - floor) / (1 - floor) for k, value in best.items()}
    return ScoredAll([(best[k],) if k in best else None for k in range(len(scorables))], notes if n_cut else ())


def _by_the_library(choice: _Choice, scorables: Sequence[Scorable], done: Callable[[int], None]) -> ScoredAll:
    """The same from the package ``bert-score``; a pair with an empty text, which it cannot score, has a raw F1 of 0."""
    scorer = _library(choice)
    pairs = [
        (k, answer, reference)
        for k, s in enumerate(scorables)
        for answer, *references in [_texts_of(s)]
        for reference in references
    ]
    whole = [pair for pair in pairs if pair[1] and pair[2]]
    found = (
        scorer.score([answer for _, answer, _ in whole], [reference for _, _, reference in whole])[2].tolist() if whole else []
    )
    floor = 0.0 if choice.baseline is None else baseline_f1(choice.baseline, choice.layer)
    best: dict[int, float] = {k: -floor / (1 - floor) for k, _, _ in pairs}
    for (k, _, _), value in zip(whole, found, strict=True):
        best[k] = max(best[k], value if choice.baseline is not None else min(1.0, value))
    done(len(scorables))
    return ScoredAll([(best[k],) if k in best else None for k in range(len(scorables))])


@lru_cache(maxsize=1)
def _library(choice: _Choice) -> Any:
    if (reason := _missing_libraries("bert_score")) is not None:
        raise MissingError(reason)
    return import_module("bert_score").BERTScorer(
        model_type=str(choice.folder),
        num_layers=choice.layer,
        batch_size=choice.batch,
        device=choice.device,
        lang="en",
        rescale_with_baseline=choice.baseline is not None,
        baseline_path=None if choice.baseline is None else str(choice.baseline),
    )


def _texts_of(scorable: Scorable) -> list[str]:
    return [scorable.answer.strip(), *(reference.strip() for reference in scorable.references)]


def _blocks(scorables: Sequence[Scorable], tokens: Mapping[str, Sequence[int]]) -> Iterator[list[int]]:
    """Items whose texts are held together; items with the same references meet, so that those are encoded once."""
    order = sorted((k for k, s in enumerate(scorables) if s.references), key=lambda k: scorables[k].references)
    block: list[int] = []
    held: set[str] = set()
    size = 0
    for k in order:
        new = {text for text in _texts_of(scorables[k]) if text in tokens} - held
        more = sum(len(tokens[text]) for text in new)
        if block and size + more > STATES_AT_ONCE:
            yield block
            block, held, size = [], set(), 0
            new = {text for text in _texts_of(scorables[k]) if text in tokens}
            more = sum(len(tokens[text]) for text in new)
        block.append(k)
        held |= new
        size += more
    if block:
        yield block


def f1(answer: Encoded | None, reference: Encoded | None) -> float:
    """BERTScore's F1 of one pair, at most 1; 0 where a text has no token.

    Every token may be matched, the special ones at the ends included; only the others count in the means.
    """
    if answer is None or reference is None or not bool(answer.counts.any()) or not bool(reference.counts.any()):
        return 0.0
    similarity = answer.states @ reference.states.T
    precision = float(similarity.max(dim=1).values[answer.counts].mean())
    recall = float(similarity.max(dim=0).values[reference.counts].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@lru_cache(maxsize=1)
def _load(choice: _Choice) -> TextEncoder:
    if (reason := _missing_libraries()) is not None:
        raise MissingError(reason)
    from ehrbench.neural.encoder import TextEncoder

    return TextEncoder(choice.folder, choice.layer, device=choice.device, dtype=choice.dtype, batch=choice.batch)


def _unconfigured(scorables: Sequence[Scorable]) -> Sequence[Statistics | None]:
    raise MissingError(configure({}).unavailable() or "BERTScore must be configured before it scores: call Metric.configure")


_BARE = Metric(
    "bertscore",
    1,
    "BERTScore",
    "item_mean",
    _unconfigured,
    settings={"score": "f1", "idf": "no", "rescale": "no", "references": "max"},
    libraries=("torch", "transformers"),
    processes=False,
    tolerance=1e-5,
    about="How close the words of answer and gold answer are to each other in the space of a language model (DistilBERT).",
    cite="Zhang et al. BERTScore: Evaluating Text Generation with BERT. ICLR 2020.",
)

BERTSCORE = replace(_BARE, configure=configure, unavailable=lambda: configure({}).unavailable())
BERTSCORE_DEBERTA = replace(
    _BARE,
    name="bertscore_deberta",
    label="BERTScore (DeBERTa)",
    about="How close the words of answer and gold answer are to each other in the space of a large language model (DeBERTa).",
    configure=configure_deberta,
    unavailable=lambda: configure_deberta({}).unavailable(),
)
