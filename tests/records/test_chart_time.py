from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.records.chart_time import parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10/08/2018 20:00", datetime(2018, 10, 8, 20, 0)),
        ("10/08/2018 08:00 PM", datetime(2018, 10, 8, 20, 0)),
        ("10/08/2018 9:00 PM", datetime(2018, 10, 8, 21, 0)),
        ("4/8/18 12:05 AM", datetime(2018, 4, 8, 0, 5)),
        ("4/8/18 12:05 pm", datetime(2018, 4, 8, 12, 5)),
        ("4/28/99 7:15", datetime(1999, 4, 28, 7, 15)),
        ("10/20/2018", datetime(2018, 10, 20)),
        ("2016-03-01 10:00", datetime(2016, 3, 1, 10, 0)),
        ("2016-03-01 10:00:59", datetime(2016, 3, 1, 10, 0, 59)),
        ("2016-03-01T10:00:59.250Z", datetime(2016, 3, 1, 10, 0, 59)),
        (" 2016-03-01 ", datetime(2016, 3, 1)),
    ],
)
def test_reads_every_style(text: str, expected: datetime) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text", [None, "", "NULL", "2016-02-30", "13/01/2016 10:00", "10/08/2018 13:00 PM", "0:10", "2016", "10/08/2018 24:00"]
)
def test_what_is_no_time_is_none(text: str | None) -> None:
    assert parse_time(text) is None


@given(st.datetimes(min_value=datetime(1969, 1, 1), max_value=datetime(2068, 12, 31)))
def test_styles_agree(moment: datetime) -> None:
    moment = moment.replace(second=0, microsecond=0)
    for style in (
        "%m/%d/%Y %H:%M",
        "%m/%d/%Y %I:%M %p",
        "%m/%d/%y %H:%M",
        "%m/%d/%y %I:%M %p",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
    ):
        assert parse_time(moment.strftime(style)) == moment, style
