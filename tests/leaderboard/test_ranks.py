from hypothesis import given
from hypothesis import strategies as st

from ehrbench.leaderboard.ranks import Estimate, rank_ranges, told_apart


def test_the_interval_of_a_difference_decides() -> None:
    # Half-widths 0.03 and 0.04: told apart beyond sqrt(0.03² + 0.04²) = 0.05, although the intervals still overlap at 0.06.
    low = Estimate(0.50, 0.46, 0.54)
    assert told_apart(Estimate(0.56, 0.53, 0.59), low)
    assert not told_apart(Estimate(0.545, 0.515, 0.575), low)


def test_unequal_arms_count_on_the_side_that_faces_the_other() -> None:
    # Facing arms: 0.03 below the greater, 0.04 above the smaller.
    assert told_apart(Estimate(0.56, 0.53, 0.99), Estimate(0.50, 0.01, 0.54))


def test_models_that_cannot_be_told_apart_share_a_range() -> None:
    estimates = [Estimate(v, v - 0.03, v + 0.03) for v in (0.9, 0.5, 0.52, 0.3)]
    assert [str(r) for r in rank_ranges([*estimates, None])] == ["1", "2–3", "2–3", "4", "None"]


def test_lower_may_be_better() -> None:
    assert [str(r) for r in rank_ranges([Estimate(2.75, 2.7, 2.8), Estimate(4.5, 4.4, 4.6)], higher_is_better=False)] == [
        "1",
        "2",
    ]


estimate = st.tuples(st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3)).map(
    lambda t: Estimate(t[0], t[0] - t[1], t[0] + t[2])
)


@given(st.lists(estimate, max_size=12))
def test_ranges_are_places_and_mirror(estimates: list[Estimate]) -> None:
    ranges = rank_ranges(estimates)
    n = len(estimates)
    for one in ranges:
        assert one is not None
        assert 1 <= one.best <= one.worst <= n
    mirrored = rank_ranges([Estimate(-e.value, -e.high, -e.low) for e in estimates], higher_is_better=False)
    assert mirrored == ranges
    for a, one in zip(estimates, ranges, strict=True):
        if all(a.value >= other.value for other in estimates):
            assert one is not None
            assert one.best == 1
