"""Whether a result can be believed: what the schema cannot see, because it lies between keys or between files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.jsonl import parse
from ehrbench.results.schema import SCORED_OUTCOMES, MetricResult, Result
from ehrbench.results.store import RESULT_FILE, Problem, Stored, find_results, read_results
from ehrbench.stats.estimate import FEW_GROUPS

_GROUPS = re.compile(r"(?:jackknife over|one trial for each of|^Wilson,) (\d+) ")
"""How many groups an interval rests on; that of earlier versions ("percentile bootstrap …") did not match and had no cautions."""
MIN_GROUPS = 11
MAX_TEXT = 2_000
"""No text of a result is longer: a longer one is not a name, note or command."""


def validate_paths(paths: Iterable[Path]) -> tuple[int, list[Problem]]:
    """Check files, and the result files below folders.

    Returns:
        How many results could be read, and every fault with its file.

    Raises:
        UsageError: a path that is not there.
    """
    faults: list[Problem] = []
    n_results = 0
    for path in paths:
        if path.is_dir():
            stored, problems = find_results([path])
            faults += problems
        elif path.is_file():
            try:
                stored = [Stored(path, result) for result in read_results(path)]
            except UsageError as error:
                faults.append(Problem(path, str(error)))
                continue
        else:
            raise UsageError(f"{path} is not there: name result files, or folders that hold them")
        n_results += len(stored)
        for one in stored:
            said = check_result(one.result)
            said += check_manifest(one.result, one.path.parent) if one.path.name == RESULT_FILE else []
            who = f" ({one.result.task}, {one.result.model.name[:60]})" if one.path.name != RESULT_FILE else ""
            faults += [Problem(one.path, f"{one.path}{who}: {message}") for message in said]
    return n_results, faults


def check_result(result: Result) -> list[str]:
    """What is implausible in a result, each as one sentence; empty when nothing is."""
    return [*_counts(result), *_metrics(result), *_provenance(result), *_texts(result)]


def check_manifest(result: Result, folder: Path) -> list[str]:
    """Whether a run's result belongs to the manifest and the folder it lies in."""
    path = folder / "manifest.json"
    if not path.is_file():
        return []
    try:
        manifest = parse(path.read_text(encoding="utf-8"))
        config = manifest["config"]
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        return ["manifest.json beside it is damaged: it is not JSON with a key 'config'"]
    faults = []
    digest = hash_data(config)
    if not result.config_hash or not digest.startswith(result.config_hash):
        faults.append(f"config_hash is {result.config_hash[:12] or 'empty'}, the manifest's configuration has {digest[:12]}")
    if re.fullmatch(r"[0-9a-f]{12,64}", folder.name) and not digest.startswith(folder.name):
        faults.append(f"the folder is named {folder.name[:16]}, the manifest's configuration has {digest[:16]}")
    return [*faults, *_unstated_strata(result, manifest.get("task"))]


def _unstated_strata(result: Result, task: object) -> Iterator[str]:
    """A subset's name may be a patient's text, so the fault counts and does not quote."""
    from pydantic import ValidationError

    from ehrbench.tasks.schema import TaskSpec

    if not result.strata or result.data_policy == "open" or not isinstance(task, dict):
        return
    try:
        spec = TaskSpec.model_validate(task)
    except ValidationError:
        yield "manifest.json beside it is damaged: 'task' is not a task, so it is unknown which strata may be published"
        return
    unstated = sum(not spec.may_publish(name) for name in result.strata)
    if unstated:
        yield (
            f"{unstated} of {len(result.strata)} strata have a value that the task file does not state, which may be a patient's "
            "text: state the values under 'strata' in the task file and run 'ehrbench score' again"
        )


def _counts(result: Result) -> Iterator[str]:
    if result.kind != "run" or result.n_items is None:
        return
    if result.n_items == 0:
        yield "n_items is 0: nothing was run"
    total = sum(result.outcomes.values())
    if result.outcomes and total != result.n_items:
        yield f"the outcomes sum to {total}, n_items is {result.n_items}"
    if any(n < 0 for n in result.outcomes.values()):
        yield "an outcome has a negative count"
    if result.n_groups is not None and not 0 < result.n_groups <= result.n_items:
        yield f"n_groups is {result.n_groups}, outside 1 to n_items ({result.n_items})"
    if result.n_expected is not None and result.n_items > result.n_expected:
        yield f"n_items is {result.n_items}, more than the {result.n_expected} of the release"
    if result.n_available is not None and result.n_items > result.n_available:
        yield f"n_items is {result.n_items}, more than the {result.n_available} of the data"
    scored = sum(n for name, n in result.outcomes.items() if name in SCORED_OUTCOMES)
    for metric in result.metrics:
        if metric.n is not None and result.outcomes and metric.n + metric.n_undefined > scored:
            yield f"metric '{metric.name}' rests on {metric.n} + {metric.n_undefined} items, {scored} have a score"


def _metrics(result: Result) -> Iterator[str]:
    for name, n in Counter(metric.name for metric in result.metrics).items():
        if n > 1:
            yield f"metric '{name}' stands {n} times"
    if result.metric(result.primary) is None:
        yield f"primary is '{result.primary}', which is none of the metrics"
    for metric in result.metrics:
        yield from _metric(metric, result)
    if result.data_policy == "credentialed" and result.kind == "run" and not result.synthetic:
        for name, metrics in result.strata.items():
            if any((metric.n or 0) < MIN_GROUPS and metric.value is not None for metric in metrics):
                yield f"a stratum of '{name.partition('=')[0][:60]}' rests on fewer than {MIN_GROUPS} items: leave it out"


def _metric(metric: MetricResult, result: Result) -> Iterator[str]:
    name = f"metric '{metric.name[:60]}'"
    if metric.value is None:
        return
    if metric.n == 0:
        yield f"{name} has a value over no item"
    if (metric.low is None) != (metric.high is None):
        yield f"{name} has one end of an interval and not the other"
    if metric.low is not None and metric.high is not None:
        if not metric.interval:
            yield f"{name} does not say how its interval was made"
        if result.kind == "run" and metric.value is not None and (found := _GROUPS.search(metric.interval)):
            if metric.low == metric.high:
                yield f"{name} has an interval without a width: no number is that sure"
            if int(found[1]) < FEW_GROUPS and not metric.caution:
                yield f"{name} rests on {found[1]} groups and carries no caution: below {FEW_GROUPS} it needs one"
        worst, best = metric.range
        room = 0.5 * (best - worst)
        if metric.low < worst - room or metric.high > best + room:
            yield f"{name} has an interval far outside its range"
        if result.kind == "run" and not metric.low - 0.05 * (best - worst) <= metric.value <= metric.high + 0.05 * (best - worst):
            yield f"{name} lies far outside its own interval"
    if metric.strict_value is not None and metric.n is not None and result.n_items is not None:
        gain = metric.strict_value - metric.value if metric.higher_is_better else metric.value - metric.strict_value
        if gain > 1e-9:
            yield f"{name} is better over all items than over the answered ones: unanswered items must count as worst"
        if metric.n == result.n_items and abs(gain) > 1e-9:
            yield f"{name} has every item answered and yet another value over all items"


def _provenance(result: Result) -> Iterator[str]:
    if result.kind == "published" and result.source is None:
        yield "a published row needs its source"
    if result.kind == "run":
        if not re.fullmatch(r"[0-9a-f]{12,64}", result.config_hash):
            yield "config_hash is not the hash of a manifest"
        if not result.signature:
            yield "signature is empty: it is unknown how the number was made"
        if not result.synthetic and re.search(r"--data-dir[= ]sample\b", result.command):
            yield "the command ran on the bundled sample, and synthetic is false"
        if re.search(r"(?:^|[\s='\"])(?:/|~/|[A-Za-z]:\\)[\w.-]", result.command):
            yield "the command names an absolute path of somebody's machine"
    answers = result.answers
    if answers is not None and result.n_items is not None:
        if sum(answers.verdicts.values()) > 2 * result.n_items:
            yield f"answers.verdicts sum to more than two for each of n_items ({result.n_items})"
        for name, n in {"empty": answers.empty, "at_limit": answers.at_limit, **answers.doubts}.items():
            if n > result.n_items:
                yield f"answers.{name[:60]} is {n}, n_items is {result.n_items}"
        if answers.choice_mass_median is not None and not 0 <= answers.choice_mass_median <= 1:
            yield "answers.choice_mass_median lies outside 0 to 1"
    context = result.context
    shares = [] if context is None else [context.share_seen_median, *(context.share_seen_quartiles or ())]
    if any(share is not None and not 0 <= share <= 1 for share in shares):
        yield "a share of the record that was seen lies outside 0 to 1"


def _texts(result: Result) -> Iterator[str]:
    for where, text in _strings(result.model_dump(mode="json"), ""):
        if len(text) > MAX_TEXT:
            yield f"{where} has {len(text)} characters: no name, note or command is that long"
        elif any(ord(c) < 32 and c not in "\n\t" for c in text):
            yield f"{where} holds control characters"


def _strings(data: object, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(data, str):
        yield where.removeprefix("."), data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _strings(value, f"{where}.{key[:60]}")
    elif isinstance(data, list):
        for k, value in enumerate(data):
            yield from _strings(value, f"{where}.{k}")
