"""What the metrics of the worker process share: finding checkpoints, pairs of answer and reference, progress in items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.metrics.arguments import Settings
from ehrbench.metrics.metric import Metric, Scorable, ScoredAll, Statistics
from ehrbench.neural.client import Scorer
from ehrbench.neural.environment import environment
from ehrbench.neural.weights import Weights, find_weights, label

Row = dict[str, str]
ScoreAll = Callable[[Sequence[Scorable], Callable[[int], None]], ScoredAll]


class Checkpoint(NamedTuple):
    """A model for the worker."""

    shown: str
    """Name and version, for the signature."""
    options: dict[str, Any]
    """What the worker needs to load it."""
    settings: dict[str, str]
    """Further parts of the signature."""


def lightning_checkpoint(metric: str, default: str, settings: Settings) -> Checkpoint:
    """A checkpoint of COMET's form: ``hparams.yaml`` and ``checkpoints/model.ckpt``, and the encoder that it builds on.

    Raises:
        MissingError: the checkpoint or its encoder is not on this machine, or the folder is not a checkpoint.
        UsageError: ``hparams.yaml`` cannot be read.
    """
    weights = find_weights(metric, settings.text("checkpoint"), default)
    files = [weights.folder / "hparams.yaml", weights.folder / "checkpoints" / "model.ckpt"]
    absent = [file.relative_to(weights.folder) for file in files if not file.is_file()]
    if absent:
        raise MissingError(
            f"{weights.folder} is not a checkpoint of {metric}: it has no {' and no '.join(map(str, absent))}; give the folder "
            f"that `hf download {default}` made"
        )
    encoder = _encoder(metric, weights, settings)
    return Checkpoint(
        label(weights, files),
        {"checkpoint": str(weights.folder.absolute()), "encoder": str(encoder.folder.absolute())},
        {"encoder": encoder.name},
    )


def _encoder(metric: str, weights: Weights, settings: Settings) -> Weights:
    import yaml

    path = weights.folder / "hparams.yaml"
    try:
        named = yaml.safe_load(path.read_text("utf-8")).get("pretrained_model")
    except (yaml.YAMLError, AttributeError, UnicodeDecodeError):
        named = None
    if not isinstance(named, str):
        raise UsageError(f"{path}: expected a YAML file that names the encoder as pretrained_model; fetch the checkpoint again")
    given = settings.text("encoder") or (named if Path(named).is_dir() else None)
    try:
        return find_weights(f"{metric}'s encoder", given, named)
    except MissingError as error:
        raise MissingError(f"{error}; its configuration and tokenizer are enough for COMET, LENS needs all of it") from None


def transformers_checkpoint(metric: str, default: str, settings: Settings) -> Checkpoint:
    """A checkpoint that ``save_pretrained`` wrote.

    Raises:
        MissingError: it is not on this machine, or the folder is not a checkpoint.
    """
    from ehrbench.models.hf.checkpoint import require_weights

    weights = find_weights(metric, settings.text("checkpoint"), default)
    files = [weights.folder / "config.json", *require_weights(weights.folder)]
    return Checkpoint(label(weights, files), {"checkpoint": str(weights.folder.absolute())}, {})


def in_worker(
    bare: Metric,
    family: str,
    library: str,
    given: Mapping[str, str],
    find: Callable[[Settings], Checkpoint],
    complete: Callable[[Scorer, Settings], dict[str, Any]],
) -> Metric:
    """A metric of the worker under its arguments.

    Args:
        bare: the metric without its settings.
        family: of its arguments, and the worker's name for it.
        library: what the environment must have (``unbabel-comet==2.2.7``).
        given: the arguments.
        find: finds the checkpoint, or raises MissingError.
        complete: further fields of the metric; ``settings`` are added to those of the checkpoint.
    """
    settings = Settings(family, given)
    batch, device = settings.text("batch"), settings.text("device")
    if batch:
        settings.number("batch", 1)
    reason = environment().problem(bare.label, library)
    try:
        checkpoint = find(settings)
    except MissingError as error:
        why = reason or str(error)
        return replace(bare, unavailable=lambda: why)
    options = {**checkpoint.options, **({"batch": int(batch)} if batch else {}), **({"device": device} if device else {})}
    fields = complete(Scorer(bare.name, family, options), settings)
    versions = {} if reason else environment().versions()
    names = dict.fromkeys((library.partition("==")[0], "torch", "transformers"))
    return replace(
        bare,
        unavailable=lambda: reason,
        score=partial(_score, fields["score_all"]),
        **{
            **fields,
            "settings": {
                **bare.settings,
                "checkpoint": checkpoint.shown,
                **checkpoint.settings,
                **fields.get("settings", {}),
                **{name: versions[name] for name in names if name in versions},
            },
        },
    )


def unconfigured(configure: Callable[[Mapping[str, str]], Metric]) -> dict[str, Any]:
    """The fields of a metric that is not configured yet."""

    def score(scorables: Sequence[Scorable]) -> Sequence[Statistics | None]:
        metric = configure({})
        raise MissingError(metric.unavailable() or f"{metric.label} must be configured before it scores: call Metric.configure")

    return {"configure": configure, "unavailable": lambda: configure({}).unavailable(), "score": score}


def _score(score_all: ScoreAll, scorables: Sequence[Scorable]) -> Sequence[Statistics | None]:
    return score_all(scorables, lambda n: None).statistics


def score_pairs(
    scorer: Scorer, row: Callable[[Scorable, str], Row], scorables: Sequence[Scorable], done: Callable[[int], None]
) -> ScoredAll:
    """The score of each item, the highest over its references; None for an item without references."""
    rows = [row(s, reference) for s in scorables for reference in s.references]
    scores, n_cut = scorer.score(rows, Share(len(scorables), len(rows), done)) if rows else ([], 0)
    values = iter(scores)
    statistics: list[Statistics | None] = [
        (max(next(values) for _ in s.references),) if s.references else None for s in scorables
    ]
    return ScoredAll(statistics, cut_note(n_cut, len(rows)))


def cut_note(n_cut: int, n: int) -> tuple[str, ...]:
    """The note about rows that were longer than the model's input; none where there are none."""
    if not n_cut:
        return ()
    return (f"in {n_cut} of {n} inputs a text is longer than the model takes and was cut at the end",)


class Share:
    """Progress in items from progress in texts or rows."""

    def __init__(self, items: int, parts: int, done: Callable[[int], None]) -> None:
        self._items, self._parts, self._done = items, max(parts, 1), done
        self._finished = self._told = 0

    def __call__(self, n: int) -> None:
        """So many parts more are finished."""
        self._finished += n
        self._tell(self._items * self._finished // self._parts)

    def finish(self) -> None:
        """Everything is."""
        self._tell(self._items)

    def _tell(self, items: int) -> None:
        if items > self._told:
            self._done(items - self._told)
            self._told = items
