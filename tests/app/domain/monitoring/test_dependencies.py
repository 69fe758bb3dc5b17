"""Parents and children in the dependency graph alone."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from app.domain.monitoring import dependencies

NET = {"web": ["switch", "db"], "db": ["switch"], "switch": ["router"], "router": ["uplink"]}
EDGES = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), max_size=4), max_size=8)


def test_ancestors_come_nearest_first():
    assert list(dependencies.ancestors("web", NET)) == ["switch", "db", "router", "uplink"]
    assert dependencies.ancestors("web", NET)["uplink"] == 3
    assert dependencies.ancestors("uplink", NET) == {}


@pytest.mark.parametrize(
    ("monitor", "wanted", "way"),
    [
        ("router", ["web"], ["router", "web", "switch", "router"]),
        ("router", ["elsewhere", "switch"], ["router", "switch", "router"]),
        ("web", ["web"], ["web", "web"]),
        ("web", ["router"], None),
        ("new", ["web"], None),
    ],
)
def test_a_cycle_is_named_by_its_path(monitor, wanted, way):
    assert dependencies.find_cycle(monitor, wanted, NET) == way


@pytest.mark.parametrize(
    ("monitors", "shared"),
    [
        (["web", "db"], "db"),  # one is the parent of the other
        (["web", "switch"], "switch"),
        (["web", "mail"], None),
        (["web"], None),
        (["web", "web"], None),
        ([], None),
    ],
)
def test_the_common_parent_is_the_nearest_of_all(monitors, shared):
    assert dependencies.common_ancestor(monitors, NET) == shared


def test_ties_between_common_ancestors_are_broken_consistently():
    parents = {"a": ["y", "x"], "b": ["x", "y"]}
    assert dependencies.common_ancestor(["a", "b"], parents) == dependencies.common_ancestor(["b", "a"], parents) == "x"


@given(EDGES, st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), max_size=4))
def test_a_way_round_goes_from_child_to_parent_and_ends_where_it_began(parents, monitor, wanted):
    way = dependencies.find_cycle(monitor, wanted, parents)
    reached = set(wanted) | {above for one in wanted for above in dependencies.ancestors(one, parents)}
    assert (way is not None) == (monitor in reached)
    if way:
        assert way[0] == way[-1] == monitor
        assert way[1] in wanted
        assert all(upper in parents[lower] for lower, upper in pairwise(way[1:]))


@given(EDGES, st.sampled_from("abcdefgh"))
def test_ancestors_end_even_where_there_is_a_circle(parents, monitor):
    found = dependencies.ancestors(monitor, parents)
    assert monitor not in found
    assert list(found.values()) == sorted(found.values())
