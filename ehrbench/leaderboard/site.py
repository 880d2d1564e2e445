"""The site's pages, one after the other, from entries and supplements."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ehrbench import __version__
from ehrbench.hashing import hash_data
from ehrbench.leaderboard.about import changelog, counts, newest, papers
from ehrbench.leaderboard.agreement import correlation_csv, correlation_view, facts_view, human_csv, human_view, worth
from ehrbench.leaderboard.compare import compare_data
from ehrbench.leaderboard.contexts import context_views
from ehrbench.leaderboard.downloads import results_json, table_csv, table_json
from ehrbench.leaderboard.entries import Entry, Setting
from ehrbench.leaderboard.figures import against_cost
from ehrbench.leaderboard.html import Facets, Notes, grid, heat
from ehrbench.leaderboard.layout import Section, by_setting, is_average, make_section
from ehrbench.leaderboard.model_pages import card_view, profiles, result_line, shared, size_text
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.overview import overview_tabs
from ehrbench.leaderboard.render import Renderer
from ehrbench.leaderboard.strip import strip_chart
from ehrbench.leaderboard.suite_pages import section_view
from ehrbench.leaderboard.tables import Cell, Table
from ehrbench.leaderboard.task_pages import differences, strata_tables, task_tables
from ehrbench.leaderboard.text import and_list, number, show, slugs
from ehrbench.leaderboard.words import explain
from ehrbench.results.models import ModelRegistry
from ehrbench.results.supplements import Supplements
from ehrbench.tables import to_csv

MAX_STRIP = 30
"""Models in the chart of a task's page."""


class Site:
    """Everything the pages are made from, and the pages."""

    def __init__(
        self,
        entries: Sequence[Entry],
        extra: Supplements,
        registry: ModelRegistry,
        names: Names,
        title: str,
        problems: Sequence[str],
    ) -> None:
        """Sort entries by suite, task and model, and prepare what every page knows."""
        self._entries = entries
        self._extra = extra
        self._registry = registry
        self._names = names
        self._problems = problems
        self._by_suite: dict[str, list[Entry]] = defaultdict(list)
        self._by_task: dict[str, list[Entry]] = defaultdict(list)
        self._by_model: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            self._by_suite[entry.result.suite].append(entry)
            self._by_task[entry.result.task].append(entry)
            self._by_model[entry.row.name].append(entry)
        self._averages = {suite: [entry for entry in own if is_average(entry.setting)] for suite, own in self._by_suite.items()}
        self._suites = sorted(self._by_suite, key=lambda suite: (names.suite_title(suite).lower(), suite))
        self._slug = self._slugs()
        self._sections: dict[tuple[str, Setting, int], Section] = {}
        self._facets = Facets(registry)
        runs = [entry for entry in entries if entry.result.kind == "run"]
        site = {
            "title": title,
            "version": __version__,
            "suites": [{"label": names.suite_title(s), "href": f"suites/{self._slug['suite'][s]}.html"} for s in self._suites],
            "agreement": bool(extra.correlations or extra.humans),
            "synthetic_only": bool(runs) and all(entry.result.synthetic for entry in runs),
        }
        self._renderer = Renderer(site)
        self._files: dict[str, str] = {}

    def files(self) -> dict[str, str]:
        """Every file by its place."""
        self._overview()
        for suite in self._suites:
            self._suite_page(suite)
        for task in sorted(self._by_task):
            self._task_page(task)
        self._models()
        sections = [s for s in self._sections.values() if s.columns]
        self._page("compare.html", "compare.html", data=compare_data(_each_once(sections), self._slug, self._names))
        if self._extra.correlations or self._extra.humans:
            self._page("agreement.html", "agreement.html", **self._agreement())
        self._page("methods.html", "methods.html", metrics=self._metrics())
        self._about()
        return dict(sorted(self._files.items()))

    def _section(self, suite: str, setting: Setting, entries: Sequence[Entry]) -> Section:
        key = (suite, setting, len(entries))
        if key not in self._sections:
            self._sections[key] = make_section(suite, setting, entries, self._averages[suite], self._names)
        return self._sections[key]

    def _page(self, template: str, place: str, tables: Sequence[Table] = (), **values: Any) -> None:
        links = {table.id: self._download(place, table) for table in tables}
        self._files[place] = self._renderer.page(template, place, links=links, **values)

    def _download(self, place: str, table: Table) -> list[dict[str, str]]:
        # No cleaned name holds two hyphens in a row, so two places and tables never meet in one file.
        base = f"data/{place.removesuffix('.html').replace('/', '-')}--{table.id}"
        self._files[f"{base}.csv"] = table_csv(table)
        self._files[f"{base}.json"] = table_json(table)
        return [{"label": "CSV", "href": f"{base}.csv"}, {"label": "JSON", "href": f"{base}.json"}]

    def _overview(self) -> None:
        tabs = overview_tabs(self._entries, self._slug, self._names, self._section)
        notes = Notes()
        views = [
            {
                "id": tab.id,
                "title": tab.title,
                "note": tab.note,
                "boards": tab.boards,
                "table": tab.table,
                "grid": grid(tab.table, "", notes, self._facets, compact=True),
            }
            for tab in tabs
        ]
        self._page(
            "index.html",
            "index.html",
            [tab.table for tab in tabs],
            tabs=views,
            notes=notes.texts,
            counts=counts(self._entries),
            newest=newest(self._entries),
            search=self._search(),
            n_problems=len(self._problems),
        )

    def _suite_page(self, suite: str) -> None:
        info = self._names.suite(suite)
        notes = Notes()
        views = []
        for setting, own in by_setting(self._by_suite[suite]):
            view = section_view(self._section(suite, setting, own), self._slug, self._names)
            view["map"] = heat(view["table"], "../", self._facets, notes)
            views.append(view)
        self._page(
            "suite.html",
            f"suites/{self._slug['suite'][suite]}.html",
            [view["table"] for view in views],
            info=info,
            name=self._names.suite_title(suite),
            sections=views,
            notes=notes.texts,
            facts=facts_view(self._extra.facts, suite),
            agreement=suite in {p.suite for p in self._extra.correlations} | {p.suite for p in self._extra.humans},
        )

    def _task_page(self, task: str) -> None:
        own = self._by_task[task]
        suite = own[0].result.suite
        notes = Notes()
        tables = task_tables(own, self._slug)
        views = []
        every: list[Table] = []
        for table in tables:
            section = self._task_section(task, table)
            parts = strata_tables(table, own, self._slug)
            every += [table, *parts]
            views.append(
                {
                    "table": table,
                    "grid": grid(table, "../", notes, self._facets),
                    "sentence": section[0],
                    "figures": [figure for figure in (section[1], against_cost(_of(own, table), table.title)) if figure],
                    "parts": [(part, grid(part, "../", notes, self._facets)) for part in parts],
                    "matrix": differences(table, own),
                }
            )
        info = self._names.task(task)
        place = f"data/results--{self._slug['task'][task]}.json"
        self._files[place] = results_json(own)
        self._page(
            "task.html",
            f"tasks/{self._slug['task'][task]}.html",
            every,
            info=info,
            id=show(task, 100),
            suite={"label": self._names.suite_title(suite), "href": f"suites/{self._slug['suite'][suite]}.html"},
            facts=self._task_facts(own),
            primary=self._primary(own),
            example=self._names.example(suite, task),
            agreement=task in {p.task for p in self._extra.correlations} | {p.task for p in self._extra.humans},
            contexts=context_views(own),
            views=views,
            notes=notes.texts,
            results=place,
        )

    def _task_section(self, task: str, table: Table) -> tuple[str, Any]:
        """The sentence and the chart of a task under a setting."""
        from ehrbench.leaderboard.sentences import lead_sentence

        assert table.setting is not None
        suite = self._by_task[task][0].result.suite
        own = [entry for entry in self._by_suite[suite] if entry.setting == table.setting]
        section = self._section(suite, table.setting, own)
        which = [k for k, column in enumerate(section.columns) if column.task == task]
        if not which:
            return "", None
        standing = section.stander.standing(which[:1])
        return lead_sentence(standing), strip_chart(standing, f"{self._names.task(task).title}, {table.title}", MAX_STRIP)

    def _primary(self, entries: Sequence[Entry]) -> dict[str, str]:
        """The primary metric: what it is, and what it is worth where it was set beside clinicians."""
        ours_first = sorted(entries, key=lambda entry: entry.result.kind != "run")
        metric = next((m for entry in ours_first if (m := entry.primary) is not None), None)
        if metric is None:
            return {}
        return {
            "label": show(metric.label, 60),
            "href": f"methods.html#metric-{self._slug['metric'][metric.name]}",
            "words": explain(metric.name),
            "worth": worth(self._extra.correlations, entries[0].result.task, metric.name),
        }

    def _models(self) -> None:
        cells = self._primary_cells()
        names = sorted(self._by_model, key=lambda name: (name.lower(), name))
        self._page("models.html", "models.html", models=[self._model_line(name) for name in names])
        sections = _each_once(list(self._sections.values()))
        by_model: dict[str, list[Section]] = defaultdict(list)
        for section in sections:
            for name in {key.name for key in section.rows if key.kind == "run"}:
                by_model[name].append(section)
        for name in names:
            own = self._by_model[name]
            common = shared(own)
            lines = [result_line(entry, cells.get(id(entry), Cell()), self._slug, self._names, common) for entry in own]
            self._page(
                "model.html",
                f"models/{self._slug['model'][name]}.html",
                name=show(name, 200),
                slug=self._slug["model"][name],
                card=card_view(name, self._registry, own),
                profiles=profiles(name, by_model[name], self._names),
                results=lines,
                common=list(common.items()),
            )

    def _primary_cells(self) -> dict[int, Cell]:
        """The cell of each entry's primary metric as every page shows it, by ``id`` of the entry."""
        found: dict[int, Cell] = {}
        for section in self._sections.values():
            for column in section.columns:
                for key, entry in column.chosen.items():
                    found[id(entry)] = column.cells[key]
        return found

    def _model_line(self, name: str) -> dict[str, Any]:
        own = self._by_model[name]
        kinds = sorted({entry.row.kind for entry in own})
        card = self._registry.card(name)
        suites = sorted({entry.result.suite for entry in own}, key=self._suites.index)
        return {
            "label": show(name, 64),
            "slug": self._slug["model"][name],
            "kind": kinds[0] if len(kinds) == 1 else "run",
            "kinds": and_list([{"run": "run here", "human": "people"}.get(kind, kind) for kind in kinds]),
            "n": len(own),
            "n_tasks": len({entry.result.task for entry in own}),
            "suites": show(", ".join(self._names.suite_title(suite) for suite in suites), 160),
            "organisation": show(card.organisation, 60) if card else "",
            "parameters": card.parameters if card else None,
            "size": size_text(card.parameters) if card and card.parameters else "",
            "weights": "" if card is None or card.open_weights is None else "open" if card.open_weights else "closed",
            "released": card.released.isoformat() if card and card.released else "",
            "licence": show(card.licence, 60) if card else "",
            "facets": self._facets.of(name),
        }

    def _agreement(self) -> dict[str, Any]:
        """Views of the supplements, and their downloads."""
        views: dict[str, list[dict[str, Any]]] = {"correlations": [], "humans": []}
        key = operator.attrgetter("synthetic", "suite", "task", "title", "signature")
        titled = self._names.suite_title
        for k, table in enumerate(sorted(self._extra.correlations, key=key), 1):
            view = correlation_view(table, titled) | {"id": f"correlation-{k}", "file": f"data/correlation-{k}"}
            self._files[f"{view['file']}.csv"] = correlation_csv(table)
            self._files[f"{view['file']}.json"] = table.model_dump_json(indent=1) + "\n"
            views["correlations"].append(view)
        for k, stats in enumerate(sorted(self._extra.humans, key=key), 1):
            view = human_view(stats, titled) | {"id": f"people-{k}", "file": f"data/people-{k}"}
            self._files[f"{view['file']}.csv"] = human_csv(stats)
            self._files[f"{view['file']}.json"] = stats.model_dump_json(indent=1) + "\n"
            views["humans"].append(view)
        return views

    def _metrics(self) -> list[dict[str, Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for entry in self._entries:
            for metric in entry.result.metrics:
                found[metric.name].append(metric)
        lines = []
        for name, several in sorted(found.items(), key=lambda pair: (pair[1][0].label.lower(), pair[0])):
            first = several[0]
            lines.append(
                {
                    "slug": self._slug["metric"][name],
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

    def _about(self) -> None:
        lines = [
            [entry.row.name, entry.result.kind, entry.result.suite, entry.result.task, *entry.setting, entry.result.config_hash]
            for entry in self._entries
        ]
        header = [
            "model",
            "kind",
            "suite",
            "task",
            "synthetic",
            "protocol",
            "track",
            "context",
            "window",
            "prompt",
            "config_hash",
        ]
        self._files["data/results.csv"] = to_csv(header, lines)
        self._page(
            "about.html",
            "about.html",
            counts=counts(self._entries),
            newest=newest(self._entries),
            n_results=len(self._entries),
            digest=hash_data(self._files["data/results.csv"]),
            changes=changelog(self._entries, self._names),
            papers=papers(self._entries, self._names),
            problems=[show(problem, 300) for problem in self._problems],
            results=[
                {
                    "label": self._names.task(task).title,
                    "id": show(task, 100),
                    "href": f"data/results--{self._slug['task'][task]}.json",
                }
                for task in sorted(self._by_task)
            ],
        )

    def _search(self) -> list[dict[str, str]]:
        """What the first page's search looks through."""
        found = [
            {"kind": "benchmark", "name": self._names.suite_title(s), "href": f"suites/{self._slug['suite'][s]}.html"}
            for s in self._suites
        ]
        for name in sorted(self._by_model, key=lambda name: (name.lower(), name)):
            aliases = sorted({entry.result.model.name for entry in self._by_model[name]} - {name})
            line = {"kind": "model", "name": show(name, 64), "href": f"models/{self._slug['model'][name]}.html"}
            found.append(line | ({"also": show(" ".join(aliases), 120)} if aliases else {}))
        for task in sorted(self._by_task):
            title = self._names.task(task).title
            found.append(
                {"kind": "task", "name": title, "also": show(task, 80), "href": f"tasks/{self._slug['task'][task]}.html"}
            )
        labels = {metric.name: metric.label for entry in self._entries for metric in entry.result.metrics}
        for name, label in sorted(labels.items()):
            place = f"methods.html#metric-{self._slug['metric'][name]}"
            found.append({"kind": "metric", "name": show(label, 60), "also": show(name, 60), "href": place})
        return found

    def _task_facts(self, entries: Sequence[Entry]) -> list[str]:
        result = entries[0].result
        facts = [f"version {max(entry.result.task_version for entry in entries)}"]
        expected = {entry.result.n_expected for entry in entries if entry.result.n_expected}
        if expected:
            facts.append(f"{max(expected)} items in the full release")
        facts.append("credentialed data" if result.data_policy == "credentialed" else "open data")
        return facts

    def _slugs(self) -> dict[str, dict[str, str]]:
        return {
            "model": slugs(self._by_model),
            "task": slugs(self._by_task),
            "suite": slugs(self._by_suite),
            "metric": slugs(metric.name for entry in self._entries for metric in entry.result.metrics),
        }


def _of(entries: Sequence[Entry], table: Table) -> list[Entry]:
    return [entry for entry in entries if entry.setting == table.setting]


def _each_once(sections: Sequence[Section]) -> list[Section]:
    """One section for each suite and setting: the fullest."""
    best: dict[tuple[str, Setting], Section] = {}
    for section in sections:
        key = (section.suite, section.setting)
        if key not in best or len(section.entries) > len(best[key].entries):
            best[key] = section
    return [best[key] for key in sorted(best, key=lambda key: (key[0], key[1].order()))]
