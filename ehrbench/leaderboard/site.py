"""The site's pages, one after the other, from entries and supplements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import MutableMapping, Sequence
from typing import Any

from ehrbench import __version__
from ehrbench.hashing import hash_data
from ehrbench.leaderboard.about import changelog, counts, newest, papers, results_csv
from ehrbench.leaderboard.agreement import agreement_views, facts_view
from ehrbench.leaderboard.compare import compare_data
from ehrbench.leaderboard.contexts import context_views
from ehrbench.leaderboard.downloads import repeats_json, results_json, table_csv, table_json
from ehrbench.leaderboard.entries import Entry, Setting
from ehrbench.leaderboard.figures import against_cost
from ehrbench.leaderboard.html import Facets, Notes, grid, heat
from ehrbench.leaderboard.layout import Section, by_setting, is_average, make_section
from ehrbench.leaderboard.metric_list import metric_lines
from ehrbench.leaderboard.model_pages import card_view, model_line, profiles, result_line, shared
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.overview import overview_tabs
from ehrbench.leaderboard.render import Renderer
from ehrbench.leaderboard.search import search_index
from ehrbench.leaderboard.sentences import lead_sentence
from ehrbench.leaderboard.strip import strip_chart
from ehrbench.leaderboard.suite_pages import section_view
from ehrbench.leaderboard.tables import Cell, Table
from ehrbench.leaderboard.task_heads import primary_view, task_facts
from ehrbench.leaderboard.task_pages import differences, strata_tables, task_tables
from ehrbench.leaderboard.text import show, slugs
from ehrbench.results.models import ModelRegistry
from ehrbench.results.supplements import Supplements

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
        self._files: MutableMapping[str, str] = {}

    def write(self, files: MutableMapping[str, str]) -> None:
        """Put every file by its place into ``files``."""
        self._files = files
        self._overview()
        for suite in self._suites:
            self._suite_page(suite)
        for task in sorted(self._by_task):
            self._task_page(task)
        self._models()
        sections = [s for s in self._sections.values() if s.columns]
        self._page("compare.html", "compare.html", data=compare_data(_each_once(sections), self._slug, self._names))
        if self._extra.correlations or self._extra.humans:
            views, downloads = agreement_views(self._extra, self._names.suite_title)
            self._files.update(downloads)
            self._page("agreement.html", "agreement.html", views=views)
        self._page("methods.html", "methods.html", metrics=metric_lines(self._entries, self._slug))
        self._about()

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

    def _results_place(self, task: str) -> str:
        return f"data/results--{self._slug['task'][task]}.results.json.zip"

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
            search=search_index(self._suites, self._by_model, self._by_task, self._slug, self._names),
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
        place = self._results_place(task)
        self._files[place] = results_json(own)
        means = repeats_json(own)
        if means:
            self._files[place.replace(".results.json.zip", ".repeats.json")] = means
        self._page(
            "task.html",
            f"tasks/{self._slug['task'][task]}.html",
            every,
            info=info,
            id=show(task, 100),
            suite={"label": self._names.suite_title(suite), "href": f"suites/{self._slug['suite'][suite]}.html"},
            facts=task_facts(own),
            primary=primary_view(own, self._extra.correlations, self._slug),
            example=self._names.example(suite, task),
            agreement=task in {p.task for p in self._extra.correlations} | {p.task for p in self._extra.humans},
            contexts=context_views(own),
            views=views,
            notes=notes.texts,
            results=place,
            means=place.replace(".results.json.zip", ".repeats.json") if means else "",
        )

    def _task_section(self, task: str, table: Table) -> tuple[str, Any]:
        """The sentence and the chart of a task under a setting."""
        assert table.setting is not None
        suite = self._by_task[task][0].result.suite
        own = [entry for entry in self._by_suite[suite] if entry.setting == table.setting]
        section = self._section(suite, table.setting, own)
        which = [k for k, column in enumerate(section.columns) if column.task == task]
        if not which:
            return "", None
        standing = section.stander.standing(which[:1])
        return lead_sentence(standing), strip_chart(standing, f"{self._names.task(task).title}, {table.title}", MAX_STRIP)

    def _models(self) -> None:
        cells = self._primary_cells()
        names = sorted(self._by_model, key=lambda name: (name.lower(), name))
        lines = [model_line(name, self._by_model[name], self._registry, self._suites, self._names) for name in names]
        for line, name in zip(lines, names, strict=True):
            line |= {"slug": self._slug["model"][name], "facets": self._facets.of(name)}
        self._page("models.html", "models.html", models=lines)
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

    def _about(self) -> None:
        listing = results_csv(self._entries)
        self._files["data/results.csv"] = listing
        self._page(
            "about.html",
            "about.html",
            counts=counts(self._entries),
            newest=newest(self._entries),
            n_results=sum(len(entry.runs) for entry in self._entries),
            digest=hash_data(listing),
            changes=changelog(self._entries, self._names),
            papers=papers(self._entries, self._names),
            problems=[show(problem, 300) for problem in self._problems],
            results=[
                {
                    "label": self._names.task(task).title,
                    "id": show(task, 100),
                    "href": self._results_place(task),
                }
                for task in sorted(self._by_task)
            ],
        )

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
