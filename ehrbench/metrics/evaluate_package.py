"""Metrics of the package ``evaluate``: ``evaluate:NAME_OR_FOLDER[#KEY][!lower]``.

A metric there is a Python script in a folder, the user's own or one in the package's cache, so it runs only where the user says
that it may. It is given texts. Where its value is the mean of what it gives for single items, items have scores, and interval and
comparisons are those of any mean; else it has one value for all items, whose interval is made by leaving patients out.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import EhrbenchError, MissingError, UsageError, unknown_name
from ehrbench.hashing import hash_file
from ehrbench.metrics.arguments import Settings
from ehrbench.metrics.metric import Metric, Scorable, ScoredAll, Statistics, Whole

PREFIX = "evaluate:"
_FIRST = 20
"""Items on which it is seen first whether a value is a mean of items', before all are asked for one by one."""
_SAME = 1e-6
"""Relative difference of a value and the mean of its items' that is rounding (of single precision)."""


class _Name(NamedTuple):
    module: str
    key: str | None
    lower: bool

    @property
    def stem(self) -> str:
        return self.module.rstrip("/").rpartition("/")[2]


def _parsed(name: str) -> _Name:
    rest, _, lower = name.removeprefix(PREFIX).partition("!")
    module, _, key = rest.partition("#")
    if not module or lower not in ("", "lower"):
        raise UsageError(f"metric '{name}': expected {PREFIX}NAME_OR_FOLDER[#KEY][!lower], as {PREFIX}rouge#rougeL")
    parts = Path(module).parts
    if Path(module).is_absolute() or module.startswith("~") or ".." in parts:
        raise UsageError(
            f"metric '{name}': results show this name, so it must not be a path of this machine; give --metric-arg "
            f"evaluate.folder={Path(module).parent} and {PREFIX}{Path(module).name}"
        )
    return _Name(module, key or None, bool(lower))


def metric(name: str) -> Metric:
    """The metric of a name; whether it is on this machine, and may run, is said by ``unavailable``.

    Raises:
        UsageError: the name does not follow the form above, or is a path of this machine.
    """
    parsed = _parsed(name)
    bare = Metric(
        name=name,
        version=1,
        label=f"{parsed.stem} {parsed.key}" if parsed.key and parsed.key != parsed.stem else parsed.stem,
        kind="corpus",
        score=_unconfigured,
        bounded=False,
        higher_is_better=not parsed.lower,
        about=f"What the metric '{parsed.stem}' of the package evaluate computes.",
        cite="von Werra et al. Evaluate & Evaluation on the Hub. EMNLP 2022 (demonstrations); the script's own page says more.",
        note="computed by code that is not ehrbench's",
        libraries=("evaluate",),
        processes=False,
        tolerance=_SAME,
        configure=lambda given: _configured(bare, parsed, given),
    )
    return replace(bare, unavailable=lambda: _configured(bare, parsed, {}).unavailable())


def _configured(bare: Metric, name: _Name, given: Mapping[str, str]) -> Metric:
    settings = Settings("evaluate", given)
    trusted = settings.choice("trust_remote_code", ("off", "on")) == "on"
    left_out = settings.number("left_out", 100) if settings.text("left_out") != "0" else 0
    if find_spec("evaluate") is None:
        reason = f"metric '{bare.name}' needs the package evaluate, not installed here: pip install 'ehrbench[evaluate]'"
        return replace(bare, unavailable=lambda: reason)
    try:
        script = find_script(name.module, settings.text("folder"))
    except MissingError as error:
        reason = f"metric '{bare.name}': {error}"
        return replace(bare, unavailable=lambda: reason)
    about = None
    if not trusted:
        about = f"metric '{bare.name}' runs Python code that is not ehrbench's, {script}: read it, then add --trust-remote-code"
    scored = partial(score_all, bare.name, script, name.key, left_out)
    return replace(
        bare,
        score=lambda scorables: scored(scorables, lambda n: None).statistics,
        score_all=scored,
        settings={"script": hash_file(script)[:12]},
        unavailable=lambda: about,
    )


def _unconfigured(scorables: Sequence[Scorable]) -> Sequence[Statistics | None]:
    raise MissingError("a metric of the package evaluate must be configured before it scores: call Metric.configure")


def find_script(module: str, folder: str | None) -> Path:
    """The script of a metric: below a folder of the user's, below the current folder, else in the package's cache.

    Raises:
        MissingError: it is in neither; the message has the command that fetches it.
    """
    stem = module.rstrip("/").rpartition("/")[2]
    for place in [Path(folder).expanduser() / module] if folder else [Path(module)]:
        for script in (place / f"{stem}.py", place):
            if script.is_file() and script.suffix == ".py":
                return script.resolve()
    if folder:
        raise MissingError(f"no {module}/{stem}.py in {folder} (evaluate.folder)")
    names = [module.replace("/", "--")] if "/" in module else [f"evaluate-metric--{module}"]
    root = _modules_cache() / "metrics"
    kept = [script for one in names for script in (root / one).glob(f"*/{stem}.py")]
    if not kept:
        raise MissingError(
            f"there is no folder {module} with {stem}.py here, and the cache {root} does not have it; on a machine with a "
            f"""network, run `python -c "import evaluate; evaluate.load('{module}')"`, and copy the cache if need be"""
        )
    return max(kept, key=lambda script: script.stat().st_mtime)


def _modules_cache() -> Path:
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_MODULES_CACHE") or Path(home) / "modules").expanduser() / "evaluate_modules"


class _Module(NamedTuple):
    compute: Callable[[Sequence[str], Sequence[Any]], Any]
    several: bool
    """Whether it takes several references for an item."""


@lru_cache(maxsize=8)
def _load(name: str, script: Path) -> _Module:
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"):
        os.environ.setdefault(variable, "1")  # read when the packages are imported
    with contextlib.redirect_stdout(io.StringIO()):
        evaluate: Any = import_module("evaluate")
        evaluate.logging.set_verbosity_error()
        try:
            # In memory: its files of texts would else lie in the user's cache.
            module = evaluate.load(str(script), keep_in_memory=True)
        except ImportError as error:
            raise MissingError(f"metric '{name}': {' '.join(str(error).split())[:200]}") from None
        except Exception as error:
            raise UsageError(
                f"metric '{name}': {script} cannot be loaded ({type(error).__name__}); load it with evaluate itself to see why"
            ) from None
    inputs = [dict(one) for one in (module.features if isinstance(module.features, list) else [module.features])]
    fitting = [one for one in inputs if set(one) == {"predictions", "references"} and _is_text(one["predictions"])]
    if not fitting:
        given = ", ".join(f"{key} ({getattr(one, 'dtype', type(one).__name__)})" for key, one in inputs[0].items())
        raise UsageError(
            f"metric '{name}' takes {given}; only metrics of predictions and references that are texts can be computed"
        )
    several = any(not _is_text(one["references"]) for one in fitting)

    def compute(answers: Sequence[str], references: Sequence[Any]) -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return module.compute(predictions=list(answers), references=list(references))

    return _Module(compute, several)


def _is_text(feature: Any) -> bool:
    return getattr(feature, "dtype", None) in ("string", "large_string")


def score_all(
    name: str, script: Path, key: str | None, left_out: int, scorables: Sequence[Scorable], done: Callable[[int], None]
) -> ScoredAll:
    """Scores of the items where the value is their mean, else the value of any set of them; items without a reference have none.

    Raises:
        MissingError: the script needs a package that is not here.
        UsageError: the script cannot be loaded, takes no texts, or gives no value of that name.
        EhrbenchError: it failed.
    """
    module = _load(name, script)
    chosen = [i for i, one in enumerate(scorables) if one.references]
    answers = [scorables[i].answer for i in chosen]
    references = [list(scorables[i].references) if module.several else scorables[i].references[0] for i in chosen]
    cut = sum(len(scorables[i].references) > 1 for i in chosen)
    notes = (f"{cut} items have several gold answers, of which it takes the first",) if cut and not module.several else ()

    def value(rows: Sequence[int]) -> Any:
        try:
            found = module.compute([answers[i] for i in rows], [references[i] for i in rows])
        except EhrbenchError:
            raise
        except Exception as error:  # the script's own, which may quote a text
            raise EhrbenchError(f"metric '{name}' failed over {len(rows)} items ({type(error).__name__})") from None
        return _entry(name, script.stem, key, found)

    if not chosen:
        return ScoredAll([None] * len(scorables))
    rows = range(len(chosen))
    whole = value(rows)
    singles = _singles(value, rows, whole)
    done(len(scorables))
    if singles is not None:
        by_item = dict(zip(chosen, singles, strict=True))
        return ScoredAll([(by_item[i],) if i in by_item else None for i in range(len(scorables))], notes)
    place = {i: row for row, i in enumerate(chosen)}

    def of_items(items: Sequence[int]) -> float:
        return _number(name, value([place[i] for i in items]))

    return ScoredAll([None] * len(scorables), notes, Whole(chosen, of_items, left_out))


def _singles(value: Callable[[Sequence[int]], Any], rows: Sequence[int], whole: Any) -> list[float] | None:
    """What each item gives alone, where the value of any items is the mean of that; None where it is not."""
    if isinstance(whole, (list, tuple)):
        listed = [_finite(one) for one in whole]
        return [one for one in listed if one is not None] if len(listed) == len(rows) and None not in listed else None
    total = _finite(whole)
    first = rows[:_FIRST]

    def alone(row: int) -> float | None:
        try:
            return _finite(value([row]))
        except EhrbenchError:
            return None

    found = [alone(row) for row in first]
    if total is None or not _is_mean(value, first, found):
        return None
    found += [alone(row) for row in rows[_FIRST:]]
    parts = [rows[::2], rows[1::3]]
    if not _same(total, found) or not all(_is_mean(value, part, [found[row] for row in part]) for part in parts if part):
        return None
    return [one for one in found if one is not None]


def _is_mean(value: Callable[[Sequence[int]], Any], rows: Sequence[int], found: Sequence[float | None]) -> bool:
    total = _finite(value(rows))
    return total is not None and _same(total, found)


def _same(total: float, found: Sequence[float | None]) -> bool:
    numbers = [one for one in found if one is not None]
    if len(numbers) < len(found):
        return False
    return math.isclose(total, math.fsum(numbers) / len(numbers), rel_tol=_SAME, abs_tol=_SAME)


def _entry(name: str, stem: str, key: str | None, found: Any) -> Any:
    """One entry of what a script gives."""
    if not isinstance(found, Mapping) or not found:
        raise UsageError(f"metric '{name}' gave a {type(found).__name__}; expected a mapping of names to values")
    if key is not None:
        if key not in found:
            raise UsageError(f"metric '{name}': {unknown_name('value', key, map(str, found))}")
        return found[key]
    if len(found) == 1:
        return next(iter(found.values()))
    for usual in (stem, "score"):
        if usual in found:
            return found[usual]
    raise UsageError(f"metric '{name}' gives {', '.join(map(str, found))}: choose one with {PREFIX}…#NAME")


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _number(name: str, value: Any) -> float:
    number = _finite(value)
    if number is None:
        raise EhrbenchError(f"metric '{name}' gave a {type(value).__name__} that is not a number; choose another with #NAME")
    return number
