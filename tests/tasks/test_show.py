"""The listing of a resolved task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ehrbench.tasks.show import dotted, resolved_lines
from ehrbench.tasks.yaml_file import Position, read_yaml

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e30, max_value=1e30)
    | TEXT
    | st.sampled_from(
        ["null", "True", "no", "1", "1.5", "~", "", "# x", "a: b", "{{ q }}", "- a", "'", "é", "😀", "\u2028", "\x85"]
    )
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4))
@example({"smallest without an exponent, of most digits": 0.00010123014665629827})
def test_the_listing_reads_back(tmp_path_factory: Any, values: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "shown.yaml"
    path.write_text("\n".join(resolved_lines(values, {})) + "\n", encoding="utf-8", newline="")
    assert read_yaml(path).value == values


def test_each_value_has_its_line() -> None:
    at = Position(Path("suite.yaml"), 7)
    lines = list(resolved_lines({"data": {"path": "x y", "options": {}}, "metrics": ["a", "b"], "n": None}, {("metrics",): at}))
    assert lines == [
        "data:",
        '  path: "x y"  # default',
        "  options: {}  # default",
        "metrics: [a, b]  # suite.yaml:7",
        "n: null  # default",
    ]
    assert dotted(("data", "files", 0, "name")) == "data.files[0].name"
