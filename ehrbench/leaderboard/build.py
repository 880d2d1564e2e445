"""Build the site: results in, a folder of plain pages out, the same bytes for the same results."""

from __future__ import annotations

import json
import operator
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ehrbench import __version__
from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.leaderboard.agreement import correlation_csv, correlation_view, facts_view, human_csv, human_view
from ehrbench.leaderboard.check import check_files, refuse
from ehrbench.leaderboard.contexts import context_views
from ehrbench.leaderboard.downloads import table_csv, table_json
from ehrbench.leaderboard.entries import MIN_GROUPS, Entry, make_entries
from ehrbench.leaderboard.figures import against_cost, intervals
from ehrbench.leaderboard.layout import Slugs
from ehrbench.leaderboard.pages import overview_tables, suite_tables
from ehrbench.leaderboard.render import Renderer
from ehrbench.leaderboard.tables import Table, metric_cell
from ehrbench.leaderboard.task_pages import strata_tables, task_tables
from ehrbench.leaderboard.text import number, show, slugs, tokens
from ehrbench.leaderboard.words import explain, suite_name
from ehrbench.results.schema import Result
from ehrbench.results.store import dumps, find_results
from ehrbench.results.supplements import Supplements, find_supplements

MARKER = ".ehrbench-site"
TITLE = "EHR benchmarks"


@dataclass(frozen=True)
class Built:
    """What a build made."""

    out: Path
    n_results: int
    n_pages: int
    n_bytes: int
    problems: list[str] = field(default_factory=list)
    """Files and results that were left out, and why."""


def build(folders: Sequence[Path], out: Path, *, title: str = TITLE, data_dir: Path | None = None) -> Built:
    """Build the site into ``out``, replacing a site that is there.

    Args:
        folders: searched for ``result.json`` and ``*.results.json``.
        out: the site's folder; made if absent.
        title: stands at the head of every page.
        data_dir: searched for text and identifiers that must not stand in the site; runs' private parts always are.

    Raises:
        UsageError: ``out`` holds something that is not a site.
        PolicyError: the publish check found something; the message names the place and nothing is written.
    """
    _may_replace(out)
    stored, problems = find_results(folders)
    supplements, more = find_supplements(folders)
    problems = [*problems, *more]
    messages = [_without_folder(problem.message, folders) for problem in problems]
    files = make_site([one.result for one in stored], messages, title, supplements)
    refuse(check_files(files, folders, data_dir))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        fresh = Path(temporary) / "site"
        for name, text in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        (fresh / MARKER).write_text("This folder is replaced by each build.\n", encoding="utf-8")
        if out.exists():
            out.rename(Path(temporary) / "old")
        fresh.replace(out)
    size = sum(len(text.encode()) for text in files.values())
    pages = sum(name.endswith(".html") for name in files)
    return Built(out, len(stored), pages, size, [problem.message for problem in problems])


def make_site(
    results: Sequence[Result],
    problems: Sequence[str] = (),
    title: str = TITLE,
    supplements: Supplements | None = None,
) -> dict[str, str]:
    """The site's files by their place, from results and supplements alone."""
    extra = supplements or Supplements()
    entries = make_entries(results, extra.comparisons)
    slug = _slugs(entries)
    suites = sorted({entry.result.suite for entry in entries})
    runs = [entry for entry in entries if entry.result.kind == "run"]
    ordered = [entry.result for entry in entries]
    site = {
        "title": title,
        "version": __version__,
        "n_results": len(entries),
        "digest": hash_data([result.model_dump(mode="json") for result in ordered]),
        "suites": [{"label": suite_name(suite), "href": f"suites/{slug['suite'][suite]}.html"} for suite in suites],
        "agreement": bool(extra.correlations or extra.humans),
        "synthetic_only": bool(runs) and all(entry.result.synthetic for entry in runs),
    }
    renderer = Renderer(site)
    files: dict[str, str] = {"data/results.json": dumps([_public(entry) for entry in entries])}

    def page(template: str, place: str, tables: Sequence[Table] = (), **values: Any) -> None:
        parts = [part for several in values.get("parts", {}).values() for part in several]
        links = {table.id: _download(files, place, table) for table in (*tables, *parts)}
        values.setdefault("figures", {})
        files[place] = renderer.page(template, place, tables=tables, files=links, **values)

    page("index.html", "index.html", overview_tables(entries, slug), problems=[show(p, 300) for p in problems])
    for suite in suites:
        own = [entry for entry in entries if entry.result.suite == suite]
        facts = facts_view(extra.facts, suite)
        page("suite.html", f"suites/{slug['suite'][suite]}.html", suite_tables(own, slug), name=suite_name(suite), facts=facts)
    for task in sorted({entry.result.task for entry in entries}):
        own = [entry for entry in entries if entry.result.task == task]
        suite = own[0].result.suite
        values = {
            "name": show(task, 100),
            "suite": {"label": suite_name(suite), "href": f"suites/{slug['suite'][suite]}.html"},
            "facts": _task_facts(own),
            "agreement": task in {p.task for p in extra.correlations} | {p.task for p in extra.humans},
            "contexts": context_views(own),
        }
        tables = task_tables(own, slug)
        place = f"tasks/{slug['task'][task]}.html"
        values["figures"] = {table.id: _figures(table, own) for table in tables}
        values["parts"] = {table.id: strata_tables(table, own, slug) for table in tables}
        page("task.html", place, tables, **values)
    names = sorted({entry.row.name for entry in entries}, key=lambda name: (name.lower(), name))
    page("models.html", "models.html", models=[_model_line(name, entries, slug) for name in names])
    for name in names:
        own = [entry for entry in entries if entry.row.name == name]
        lines = [_result_line(entry, slug) for entry in own]
        page("model.html", f"models/{slug['model'][name]}.html", name=show(name, 200), results=lines)
    if site["agreement"]:
        page("agreement.html", "agreement.html", **_agreement(files, extra))
    page("methods.html", "methods.html", metrics=_metrics(entries, slug))
    return dict(sorted(files.items()))


def _figures(table: Table, entries: Sequence[Entry]) -> list[Markup]:
    own = [entry for entry in entries if entry.setting == table.setting]
    return [drawing for drawing in (intervals(table), against_cost(own, table.title)) if drawing is not None]


def _agreement(files: dict[str, str], extra: Supplements) -> dict[str, Any]:
    """Views of the supplements, and their downloads."""
    views: dict[str, list[dict[str, Any]]] = {"correlations": [], "humans": []}
    key = operator.attrgetter("synthetic", "suite", "task", "title", "signature")
    for k, table in enumerate(sorted(extra.correlations, key=key), 1):
        view = correlation_view(table) | {"id": f"correlation-{k}", "file": f"data/correlation-{k}"}
        files[f"{view['file']}.csv"] = correlation_csv(table)
        files[f"{view['file']}.json"] = table.model_dump_json(indent=1) + "\n"
        views["correlations"].append(view)
    for k, stats in enumerate(sorted(extra.humans, key=key), 1):
        view = human_view(stats) | {"id": f"people-{k}", "file": f"data/people-{k}"}
        files[f"{view['file']}.csv"] = human_csv(stats)
        files[f"{view['file']}.json"] = stats.model_dump_json(indent=1) + "\n"
        views["humans"].append(view)
    return views


def _download(files: dict[str, str], place: str, table: Table) -> list[dict[str, str]]:
    base = f"data/{place.removesuffix('.html').replace('/', '-')}-{table.id}"
    files[f"{base}.csv"] = table_csv(table)
    files[f"{base}.json"] = table_json(table)
    return [{"href": f"{base}.csv", "label": "CSV"}, {"href": f"{base}.json", "label": "JSON"}]


def _slugs(entries: Sequence[Entry]) -> Slugs:
    return {
        "model": slugs(entry.row.name for entry in entries),
        "task": slugs(entry.result.task for entry in entries),
        "suite": slugs(entry.result.suite for entry in entries),
        "metric": slugs(metric.name for entry in entries for metric in entry.result.metrics),
    }


def _public(entry: Entry) -> Result:
    """The result as it may be downloaded: numbers that rest on too few patients are taken out."""
    result = entry.result
    if entry.hidden:
        return result.model_copy(update={"metrics": [], "strata": {}, "outcomes": {}, "context": None})
    if not entry.guarded:
        return result
    strata = {name: [m for m in metrics if (m.n or 0) >= MIN_GROUPS] for name, metrics in result.strata.items()}
    return result.model_copy(update={"strata": {name: metrics for name, metrics in strata.items() if metrics}})


def _task_facts(entries: Sequence[Entry]) -> list[str]:
    result = entries[0].result
    facts = [f"version {max(entry.result.task_version for entry in entries)}"]
    expected = {entry.result.n_expected for entry in entries if entry.result.n_expected}
    if expected:
        facts.append(f"{max(expected)} items in the full release")
    facts.append("credentialed data" if result.data_policy == "credentialed" else "open data")
    return facts


def _model_line(name: str, entries: Sequence[Entry], slug: Slugs) -> dict[str, Any]:
    own = [entry for entry in entries if entry.row.name == name]
    kinds = sorted({entry.row.kind for entry in own})
    return {
        "label": show(name, 64),
        "href": f"models/{slug['model'][name]}.html",
        "kind": kinds[0] if len(kinds) == 1 else "run",
        "kinds": ", ".join(kinds),
        "n": len(own),
        "suites": show(", ".join(suite_name(suite) for suite in sorted({entry.result.suite for entry in own})), 120),
    }


def _result_line(entry: Entry, slug: Slugs) -> dict[str, Any]:
    result, metric = entry.result, entry.primary
    badges = [name for name, on in (("published", result.kind == "published"), ("synthetic", result.synthetic)) if on]
    badges += ["partial"] if result.partial else []
    setting = [value for name, value in entry.setting.parts() if value not in ("real", "main", "no record", "–", "default")]
    return {
        "kind": result.kind,
        "task": show(result.task, 80),
        "href": f"tasks/{slug['task'][result.task]}.html",
        "badges": badges,
        "variant": show(entry.row.variant(), 100),
        "setting": show(" · ".join(setting), 120),
        "metric": show(metric.label if metric else result.primary, 40),
        "cell": metric_cell(metric, entry),
        "provenance": _provenance(entry),
    }


def _provenance(entry: Entry) -> list[tuple[str, str]]:
    result = entry.result
    lines: list[tuple[str, str]] = []
    if result.source:
        lines.append(("Source", f"{result.source.title}, {result.source.where} ({result.source.status})"))
    if result.config_hash:
        lines.append(("Manifest hash", result.config_hash))
    if result.signature:
        lines.append(("Signature", result.signature))
    metric = entry.primary
    if metric is not None and not entry.hidden:
        lines += [
            (name, text)
            for name, text in (("Interval", metric.interval), ("Metric", metric.signature), ("Note", metric.note))
            if text
        ]
    if result.command:
        lines.append(("Command", result.command))
    if result.outcomes:
        lines.append(("Outcomes", ", ".join(f"{name} {n}" for name, n in sorted(result.outcomes.items()) if n)))
    if result.context:
        lines.append(("Context", f"{result.context.policy}, window {tokens(result.context.window)}"))
    if result.approval:
        lines.append(("Approval", ", ".join(f"{key} {value}" for key, value in sorted(result.approval.items()))))
    for key, value in sorted(result.environment.items()):
        lines.append((key, value if isinstance(value, str) else json.dumps(value, sort_keys=True)))
    lines += [("Caveat", caveat) for caveat in result.caveats]
    return [(show(key, 60), show(value)) for key, value in lines]


def _metrics(entries: Sequence[Entry], slug: Slugs) -> list[dict[str, Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for entry in entries:
        for metric in entry.result.metrics:
            found[metric.name].append(metric)
    lines = []
    for name, several in sorted(found.items(), key=lambda pair: (pair[1][0].label.lower(), pair[0])):
        first = several[0]
        lines.append(
            {
                "slug": slug["metric"][name],
                "name": show(name, 60),
                "label": show(first.label, 60),
                "words": explain(name),
                "range": f"{number(first.range[0], first.range)} to {number(first.range[1], first.range)}",
                "higher": first.higher_is_better,
                "notes": sorted({show(metric.note) for metric in several if metric.note})[:8],
                "signatures": sorted({show(metric.signature, 200) for metric in several if metric.signature})[:8],
            }
        )
    return lines


def _without_folder(message: str, folders: Sequence[Path]) -> str:
    """A message for the public page: where a folder lies on this machine is nobody's business."""
    for folder in sorted((str(f) for f in folders), key=len, reverse=True):
        message = message.replace(folder.rstrip("/") + "/", "")
    return message


def _may_replace(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder for the site with --out")
    if any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(f"{out} is not empty and no site of ehrbench: name another folder with --out, or empty it")
    if out.is_symlink():
        raise UsageError(f"{out} is a link; name the folder itself with --out")


__all__ = ["MARKER", "TITLE", "Built", "build", "make_site"]
