"""COMET (Rei et al. 2022), BLEURT (Sellam et al. 2020) and LENS (Maddela et al. 2023), by their own libraries in the worker.

MedAlign's settings: COMET with source snippets of the record (spec ``bm25-source-1``), ``Unbabel/wmt22-comet-da`` being the
regression model of the time; BLEURT ``bleurt-base-512``; LENS with the instruction as source, which the paper does not state.
An empty answer is scored as an empty text. With several references the highest score counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, cast

from ehrbench.metrics.arguments import Settings
from ehrbench.metrics.metric import Metric, Scorable, SourceRule
from ehrbench.neural.client import Scorer
from ehrbench.neural.remote import (
    Row,
    in_worker,
    lightning_checkpoint,
    score_pairs,
    transformers_checkpoint,
    unconfigured,
)

COMET_CHECKPOINT = "Unbabel/wmt22-comet-da"
BLEURT_CHECKPOINT = "lucadiliello/bleurt-base-512"
LENS_CHECKPOINT = "davidheineman/lens"
SOURCE_WORDS = 200

Mode = Literal["bm25", "instruction", "empty"]


def source_settings(settings: Settings, words: int | None) -> tuple[Mode, int, str]:
    """How the source is made: the mode, the words of a piece, and both as one part of a signature."""
    mode = cast(Mode, settings.choice("source", ("bm25", "instruction", "empty")) if words is None else "bm25")
    words = words or settings.number("source_words", SOURCE_WORDS)
    return mode, words, f"bm25-source-1({words} words)" if mode == "bm25" else mode


def _pair(scorable: Scorable, reference: str) -> Row:
    return {"mt": scorable.answer, "ref": reference}


def _triple(scorable: Scorable, reference: str) -> Row:
    return {"src": scorable.source or "", "mt": scorable.answer, "ref": reference}


def _asked(scorable: Scorable, reference: str) -> Row:
    return {"src": scorable.question, "mt": scorable.answer, "ref": reference}


def configure_comet(given: Mapping[str, str], *, words: int | None = None) -> Metric:
    """COMET under the arguments ``comet.*``; ``words`` fixes the length of the source's pieces, for the sensitivity table."""

    def complete(scorer: Scorer, settings: Settings) -> dict[str, Any]:
        mode, piece_words, shown = source_settings(settings, words)
        return {
            "score_all": partial(score_pairs, scorer, _triple),
            "source": SourceRule(mode, scorer.count, partial(_comet_room, scorer), piece_words),
            "settings": {"source": shown},
        }

    bare = _COMET if words is None else replace(_COMET, name=f"comet_{words}_words", label=f"COMET ({words} words)")
    find = partial(lightning_checkpoint, "COMET", COMET_CHECKPOINT)
    return in_worker(bare, "comet", "unbabel-comet==2.2.7", given, find, complete)


def _comet_room(scorer: Scorer, scorables: Sequence[Scorable]) -> list[int]:
    """Tokens for the source: all of the model's input, or what answer and longest reference leave of it."""
    room, joint = scorer.limits()
    if not joint:
        return [room] * len(scorables)
    texts = [text for s in scorables for text in (s.answer, *s.references)]
    counts = dict(zip(texts, scorer.count(texts), strict=True))
    return [room - counts[s.answer] - max((counts[r] for r in s.references), default=0) for s in scorables]


def configure_bleurt(given: Mapping[str, str]) -> Metric:
    """BLEURT under the arguments ``bleurt.*``."""
    find = partial(transformers_checkpoint, "BLEURT", BLEURT_CHECKPOINT)
    return in_worker(_BLEURT, "bleurt", "bleurt-pytorch==0.0.1", given, find, partial(_complete, _pair))


def configure_lens(given: Mapping[str, str]) -> Metric:
    """LENS under the arguments ``lens.*``."""
    find = partial(lightning_checkpoint, "LENS", LENS_CHECKPOINT)
    return in_worker(_LENS, "lens", "lens-metric==0.2.0", given, find, partial(_complete, _asked))


def _complete(row: Callable[[Scorable, str], Row], scorer: Scorer, settings: Settings) -> dict[str, Any]:
    return {"score_all": partial(score_pairs, scorer, row)}


def _metric(name: str, label: str, configure: Callable[[Mapping[str, str]], Metric], **fields: Any) -> Metric:
    return Metric(
        name, 1, label, "item_mean", processes=False, tolerance=1e-4, bounded=False, **unconfigured(configure), **fields
    )


_COMET = COMET = _metric(
    "comet",
    "COMET",
    configure_comet,
    needs=frozenset({"reference", "source", "question"}),
    settings={"references": "max"},
    about="A trained model's estimate of quality from the answer, the gold answer and parts of the record that fit the question.",
    cite="Rei et al. COMET-22: Unbabel-IST 2022 Submission for the Metrics Shared Task. WMT 2022.",
)


def _in_pieces(words: int) -> Metric:
    return replace(
        COMET,
        name=f"comet_{words}_words",
        label=f"COMET ({words} words)",
        about=f"COMET with parts of the record of at most {words} words in place of 200: how much the choice of source matters.",
        **unconfigured(partial(configure_comet, words=words)),
    )


COMET_100_WORDS = _in_pieces(100)
COMET_400_WORDS = _in_pieces(400)
_BLEURT = BLEURT = _metric(
    "bleurt",
    "BLEURT",
    configure_bleurt,
    settings={"references": "max"},
    about="A trained model's estimate of how well the answer carries the meaning of the gold answer.",
    cite="Sellam et al. BLEURT: Learning Robust Metrics for Text Generation. ACL 2020.",
)
_LENS = LENS = replace(
    _metric(
        "lens",
        "LENS",
        configure_lens,
        needs=frozenset({"reference", "question"}),
        range=(0.0, 100.0),
        settings={"references": "max", "source": "instruction", "rescale": "yes"},
        about="A trained model's estimate, 0 to 100, of how well the answer simplifies its source; made for simplified texts.",
        cite="Maddela et al. LENS: A Learnable Evaluation Metric for Text Simplification. ACL 2023.",
        note="unverified: the paper does not say what LENS was given as source; here it is the instruction",
    ),
    bounded=True,
)
