import pytest

from bench import figure
from bench.figure import Figure


@pytest.mark.parametrize(
    ("value", "goal", "at_least", "verdict"),
    [
        (2.5, 2.5, False, "ok"),
        (2.6, 2.5, False, "short"),
        (3_000, 3_000, True, "ok"),
        (2_999, 3_000, True, "short"),
        (None, 1, False, "not yet"),
        (5, None, False, ""),
    ],
)
def test_a_figure_shows_whether_it_reaches_its_goal(value, goal, at_least, verdict):
    assert Figure(name="P", what="w", value=value, goal=goal, at_least=at_least).verdict == verdict


@pytest.mark.parametrize(
    ("ordered", "share", "expected"), [([1.0], 0.99, 1.0), ([1.0, 2.0, 3.0, 4.0], 0.5, 3.0), ([1.0, 2.0], 1.0, 2.0)]
)
def test_a_percentile_is_one_of_the_values(ordered, share, expected):
    assert figure.percentile(ordered, share) == expected


@pytest.mark.parametrize(
    ("value", "formatted"), [(None, "—"), (0.0123, "0.0123"), (12_345.6, "12,346"), (99.94, "99.9")]
)
def test_numbers_show_three_digits_that_matter(value, formatted):
    assert figure.number(value) == formatted


def test_the_table_has_a_line_per_figure():
    row = Figure(name="P5b", what="pings", value=3_100, unit="/s", goal=3_000, at_least=True)
    assert figure.table([row]).splitlines()[2] == "| P5b | pings | 3,100 /s | ≥ 3,000 /s | ok |  |"


def test_the_table_replaces_the_text_between_the_markers():
    page = f"before {figure.BEGIN} old {figure.END} after"
    assert figure.placed(page, "new") == f"before {figure.BEGIN}\nnew\n{figure.END} after"


def test_a_page_without_markers_is_left_alone():
    with pytest.raises(ValueError, match="needs"):
        figure.placed("nothing here", "new")
