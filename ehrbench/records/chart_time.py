"""Chart times: the date styles that releases write, read into datetimes without a zone."""

from __future__ import annotations

import re
from datetime import datetime

_MONTH_FIRST = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([AaPp])\.?[Mm]\.?)?)?\Z"
)
_YEAR_FIRST = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?\s*(?:Z|[+-]\d{2}:?\d{2})?\Z"
)


def parse_time(text: str | None) -> datetime | None:
    """The time that ``text`` states, or None where it states none.

    Read are ``2018-10-08``, ``2018-10-08 20:00[:SS]`` and, month first, ``10/08/2018`` or ``10/08/18`` alone, with a 24-hour
    clock (``20:00``) or a 12-hour one (``8:00 PM``). Two-digit years up to 68 are 20xx, as strptime has it. A zone is dropped:
    chart times are local. Impossible dates, ``NULL`` and anything else are None.
    """
    if not text:
        return None
    text = text.strip()
    if match := _YEAR_FIRST.match(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    elif match := _MONTH_FIRST.match(text):
        month, day, year, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        if len(match[3]) == 2:
            year += 2000 if year < 69 else 1900
        if half := match[7]:
            if not 1 <= hour <= 12:
                return None
            hour = hour % 12 + (12 if half in "pP" else 0)
    else:
        return None
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - releases give local times
    except ValueError:
        return None
