"""Which texts of a result may be published: those that ship with ehrbench, that were searched for, or that a person has read.

Numbers of a credentialed task are its public part. Its caveats and notes are sentences that somebody wrote, perhaps with a
patient in mind, so they are withheld unless they ship with ehrbench or ``--reviewed-by`` names who read them. Every other text
(a model's name, a setting, a command) is compared with the data; where the data cannot be opened, only what is made of ehrbench's
own words passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from ehrbench.hashing import hash_data
from ehrbench.results.schema import Result, Review
from ehrbench.results.words import public_words, words_of

S = TypeVar("S", bound=BaseModel)

WITHHELD = "withheld"
_NOTES = ("caveats", "note")
_WRITTEN = frozenset({*_NOTES, "caution", "title", "population", "letters", "interval", "command"})
"""Keys of a supplement under which sentences stand."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]*(?:/[A-Za-z0-9][A-Za-z0-9._:+-]*)*")
"""A checkpoint's path or hub id, or a server's name for a model."""
_NUMBER = re.compile(r"\d{5}")
"""As long as an identifier's."""
_OURS = frozenset({"kind", "protocol", "data_policy", "config_hash", "primary", "reviewed"})
"""Keys whose values the schema or the checks before this one restrict."""
_MODELS = (
    "base chat instruct distill preview turbo mini nano large medium small tiny pro max plus flash ultra lite vision coder math "
    "med awq gptq gguf fp bf int llama qwen mistral mixtral ministral gemma medgemma phi deepseek claude opus sonnet haiku "
    "gemini gpt oss falcon yi olmo granite command nemotron kimi glm minimax ernie hunyuan baichuan internlm vicuna alpaca "
    "meditron biomistral openbiollm huatuo clinical bert flan ehr stub scripted linux darwin windows cpu cuda arm aarch amd"
)
_MODEL_WORDS = frozenset(_MODELS.split())
_VERSION = re.compile(r"[a-z]{0,2}\d{1,4}[a-z]{0,2}|[a-z]{3,}\d{1,2}|g?[0-9a-f]*[a-f][0-9a-f]*")
_DATE = re.compile(r"20[12]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_COUNTED = re.compile(r"window:\d+|--(?:max-model-len|limit|seed|per-task)[ =]\d+")
_DYNAMIC_NOTES = frozenset({"# of # texts are longer than the encoder's # tokens and were cut at the end"})
"""Notes that metrics write with counts in them (``#``)."""


class Judged(NamedTuple):
    """A result as it may be published."""

    result: Result
    withheld: list[str]
    """Keys whose text was left out."""


def guarded(result: Result) -> bool:
    """Whether a result's texts may be about real patients under a data use agreement."""
    return result.data_policy == "credentialed" and not result.synthetic and not _ships(result)


def seal(result: Result, *, searched: bool, by: str | None) -> Result:
    """The result with a note of how its texts were checked; another maintainer's build relies on it."""
    review = Review(searched=searched, by=by, digest=_digest(result))
    return result.model_copy(update={"reviewed": review})


def sealed(result: Result) -> bool:
    """Whether a result's texts are still those that were checked."""
    review = result.reviewed
    return review is not None and (review.searched or bool(review.by)) and review.digest == _digest(result)


def judge(result: Result, *, searched: bool, may_publish: Callable[[str], bool] | None = None, model: str = "") -> Judged:
    """Leave out what nobody can vouch for.

    Args:
        result: of a credentialed task.
        searched: whether its texts were compared with the data that it was made on.
        may_publish: whether the task file states the name of a subset; None: the task file is not known.
        model: the model's name that the run itself recorded, which was typed to start it and is nobody's text.
    """
    withheld: list[str] = []
    strata = {name: numbers for name, numbers in result.strata.items() if may_publish is not None and may_publish(name)}
    if len(strata) < len(result.strata):
        withheld.append("strata")
    data = result.model_copy(update={"strata": strata}).model_dump(mode="json")
    typed = model if model == result.model.name and _NAME.fullmatch(model) and not _NUMBER.search(model) else ""
    data = {key: value if key in _OURS else _judged(value, key, key, searched, withheld, typed) for key, value in data.items()}
    if data["model"]["name"] == WITHHELD:
        data["model"]["name"] = f"{WITHHELD} {hash_data(result.model.name)[:8]}"
    for key in ("task", "suite"):
        if data[key] == WITHHELD:
            data[key] = f"{WITHHELD}_{hash_data(getattr(result, key))[:8]}"
    return Judged(Result.model_validate(data), list(dict.fromkeys(withheld))) if withheld else Judged(result, [])


def judge_supplement(found: S) -> tuple[S, list[str]]:
    """The same for what stands beside results: only its sentences are of somebody's making, the rest is names and numbers."""
    withheld: list[str] = []
    return type(found).model_validate(_sentences(found.model_dump(mode="json"), withheld)), list(dict.fromkeys(withheld))


def _sentences(value: Any, withheld: list[str], key: str = "") -> Any:
    if isinstance(value, str) and key in _WRITTEN:
        if _known_note(value) if key in _NOTES else harmless(value):
            return value
        withheld.append(key)
        return WITHHELD
    if isinstance(value, list):
        return [_sentences(one, withheld, key) for one in value]
    return {name: _sentences(one, withheld, name) for name, one in value.items()} if isinstance(value, dict) else value


def _judged(value: Any, key: str, place: str, searched: bool, withheld: list[str], typed: str) -> Any:
    if isinstance(value, str):
        known = _known_note(value) if key in _NOTES else searched or harmless(value.replace(typed, " ") if typed else value)
        if known:
            return value
        withheld.append(place)
        return WITHHELD
    if isinstance(value, list):
        return [_judged(one, key, place, searched, withheld, typed) for one in value]
    if isinstance(value, Mapping):
        safe = {name: one for name, one in value.items() if searched or harmless(name) or place == "strata"}
        if len(safe) < len(value):
            withheld.append(place)
        return {name: _judged(one, name, f"{place}.{name}", searched, withheld, typed) for name, one in safe.items()}
    return value


def harmless(text: str) -> bool:
    """Whether a text is made of ehrbench's own words, names of models and short numbers, and so cannot name a patient."""
    return all(map(_harmless_word, words_of(_COUNTED.sub(" ", text))))


def _harmless_word(word: str) -> bool:
    if word.isdigit():
        return len(word) < 5 or word == "10000" or _DATE.fullmatch(word) is not None
    if any(char.isdigit() for char in word):
        letters = re.sub(r"\d", "", word)
        return _VERSION.fullmatch(word) is not None and (len(letters) < 3 or len(word) > 5 or _is_ours(letters))
    return len(word) < 3 or _is_ours(word)


def _is_ours(word: str) -> bool:
    return word in _MODEL_WORDS or word in public_words()


def _known_note(text: str) -> bool:
    return text in ("", WITHHELD) or all(re.sub(r"\d[\d,]*", "#", part) in _known_notes() for part in _note_parts(text))


def _note_parts(text: str) -> list[str]:
    return [text] if re.sub(r"\d[\d,]*", "#", text) in _known_notes() else text.split("; ")


@lru_cache(maxsize=1)
def _known_notes() -> frozenset[str]:
    """Caveats and notes that ship: of tasks, of metrics, of the papers' rows; numbers as ``#``."""
    from ehrbench.metrics import METRICS
    from ehrbench.results.published import published_results
    from ehrbench.tasks.catalog import load_catalog

    catalog = load_catalog()
    raw = catalog.raw.items()
    tasks = [catalog.get(name, "paper" if one == "paper" else "clean") for name, task in raw for one in task.protocols()]
    texts = {caveat for task in tasks for caveat in task.caveats}
    texts |= {METRICS.get(name).note for name in METRICS}
    for row in published_results():
        texts |= {*row.caveats, *(metric.note for metric in row.metrics)}
    return _DYNAMIC_NOTES | {re.sub(r"\d[\d,]*", "#", text) for text in texts}


@lru_cache(maxsize=1)
def _shipped() -> frozenset[str]:
    from ehrbench.results.published import published_results

    return frozenset(_digest(row) for row in published_results())


def _ships(result: Result) -> bool:
    return result.kind != "run" and _digest(result) in _shipped()


def _digest(result: Result) -> str:
    return hash_data(result.model_dump(mode="json", exclude={"reviewed"}))
