"""A template of a stranger costs its budget of steps and seconds at the most, when it is checked and when it is rendered."""

from __future__ import annotations

import random

import pytest

from ehrbench.errors import UsageError
from ehrbench.tasks import _sandbox
from ehrbench.tasks._sandbox import render

ENDLESS = {
    "round": "{{ 1|round(-99999999) }}",
    "round up": "{{ 1.5|round(99999999, 'ceil') }}",
    "loops": "{% for a in range(1000) %}{% for b in range(1000) %}{{ range(1000)|list|count }}{% endfor %}{% endfor %}",
    "empty loops": "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
    "ifs": "{% if a %}" * 200 + "{% endif %}" * 200,
    "infinity": '{{ "1e999"|float|int }}',
    "products": "{{ " + "*".join(["999999999"] * 2000) + " }}",
    "growing text": "{{ 'aaaaaaaaaa'" + "|replace('a', 'aaaaaaaaaa')" * 2000 + " }}",
    "conditions": "{{ " + "1 if a else (" * 100 + "2" + ")" * 100 + " }}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_would_not_end_is_refused_or_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are counted, not seconds, so that the outcome is the same on every machine."""
    monkeypatch.setattr(_sandbox, "MAX_SECONDS", 600.0)
    _sandbox.parse.cache_clear()
    with pytest.raises(UsageError, match=r"prompt\.user"):
        render(ENDLESS[name], "prompt.user", {"a": 1})


def test_the_seconds_of_a_rendering_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sandbox, "MAX_SECONDS", 0.0)
    with pytest.raises(UsageError, match="more than 0 seconds"):
        render("{% for a in xs %}{{ a }}{% endfor %}", "prompt.user", {"xs": [1, 2]})


def test_an_ordinary_prompt_is_rendered_as_before() -> None:
    source = (
        "{% for e in examples %}{{ loop.index }}/{{ loop.length }} {{ e.input|upper|trim }}{% if not loop.last %}, {% endif %}"
    )
    source += "{% endfor %}; {{ (part + 1) * 2 }} of {{ xs|join(', ') }}; {{ 2.345|round(1) }}"
    values = {"examples": [{"input": " a "}, {"input": "b"}], "part": 1, "xs": ["x", "y"]}
    assert render(source, "prompt.user", values) == "1/2 A, 2/2 B; 4 of x, y; 2.3"


@pytest.mark.parametrize("seed", range(200))
def test_random_templates_end_in_a_text_or_one_sentence(seed: int) -> None:
    source = random_template(random.Random(seed))
    try:
        render(source, "prompt.user", {"question": "Why?", "xs": list(range(50)), "text": "abc " * 100})
    except UsageError as error:
        assert "\n" not in str(error)


def random_template(chance: random.Random, depth: int = 0) -> str:
    """A template of loops, ifs, filters and arithmetic, as a stranger might write it."""
    kind = chance.randrange(6 if depth < 4 else 2)
    if kind == 0:
        return chance.choice(["text ", "{{ question }}", "\n"])
    if kind in (1, 2):
        return "{{ " + _expression(chance, 0) + " }}"
    if kind == 3:
        inner = "".join(random_template(chance, depth + 1) for _ in range(chance.randrange(1, 4)))
        return "{% for i in " + _expression(chance, 2) + " %}" + inner + "{% endfor %}"
    if kind == 4:
        return "{% if " + _expression(chance, 1) + " %}" + random_template(chance, depth + 1) + "{% endif %}"
    return "".join(random_template(chance, depth + 1) for _ in range(3))


def _expression(chance: random.Random, depth: int) -> str:
    kind = chance.randrange(6 if depth < 5 else 2)
    if kind == 0:
        return chance.choice(["question", "xs", "text", "range(1000)", "range(10**9)", "'1e999'", "i"])
    if kind == 1:
        return str(chance.choice([0, 1, -1, 7, 10**6, 10**15, 1.5, 1e300]))
    inner = _expression(chance, depth + 1)
    if kind in (2, 3):
        chosen = chance.choice(sorted(_sandbox._FILTERS.split()))
        arguments = {"round": "(-99999999)", "replace": "('a', 'aaaaaaaaaa')", "join": "(text)", "sort": "", "sum": ""}
        return f"({inner})|{chosen}{arguments.get(chosen, '')}"
    if kind == 4:
        return f"({inner}) {chance.choice(['+', '-', '*', '/', '//', '%', '~', '**', '=='])} ({_expression(chance, depth + 1)})"
    return f"({inner} if {_expression(chance, depth + 1)} else {_expression(chance, depth + 1)})"
