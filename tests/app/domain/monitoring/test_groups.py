"""The status of a group from its members, and groups that would contain themselves."""

import pytest
from hypothesis import given, strategies as st

from app.domain.monitoring.groups import cyclic_member, group_status
from schema.status import Status
from schema.targets import Group, GroupPolicy

SIGNS = {
    "+": Status.UP,
    "~": Status.DEGRADED,
    "-": Status.DOWN,
    "?": Status.UNKNOWN,
    "p": Status.PENDING,
    "m": Status.MAINTENANCE,
}
ALL, ANY, AT_LEAST = GroupPolicy.ALL, GroupPolicy.ANY, GroupPolicy.AT_LEAST
UP, DOWN, DEGRADED, UNKNOWN = Status.UP, Status.DOWN, Status.DEGRADED, Status.UNKNOWN
policies, members = st.sampled_from(GroupPolicy), st.lists(st.sampled_from(Status), max_size=8)


def group(policy: GroupPolicy, at_least: int = 1) -> Group:
    return Group(members=["x"], policy=policy, at_least=at_least)


@pytest.mark.parametrize(
    ("policy", "at_least", "course", "expected", "message"),
    [
        (ALL, 1, "+++", UP, "3 of 3 up"),
        (ALL, 1, "++-", DOWN, "2 of 3 up, 3 must be"),
        (ALL, 1, "++?", UNKNOWN, "2 of 3 up, 1 unknown"),
        (ALL, 1, "+-?", DOWN, "1 of 3 up, 3 must be"),
        (ALL, 1, "++p", UP, "3 of 3 up"),
        (ALL, 1, "++~", DEGRADED, "3 of 3 up"),
        (ALL, 1, "+m", UP, "1 of 1 up"),
        (ANY, 1, "+--", DEGRADED, "1 of 3 up"),
        (ANY, 1, "---", DOWN, "0 of 3 up, 1 must be"),
        (ANY, 1, "--?", UNKNOWN, "0 of 3 up, 1 unknown"),
        (ANY, 1, "+??", UP, "1 of 3 up"),
        (AT_LEAST, 2, "++-", DEGRADED, "2 of 3 up"),
        (AT_LEAST, 2, "+--", DOWN, "1 of 3 up, 2 must be"),
        (AT_LEAST, 2, "+-?", UNKNOWN, "1 of 3 up, 1 unknown"),
        (AT_LEAST, 9, "++", UP, "2 of 2 up"),  # others were deleted
        (ALL, 1, "", UNKNOWN, "no member is active"),
        (ANY, 1, "mm", UNKNOWN, "no member is active"),
    ],
)
def test_a_policy_decides(policy, at_least, course, expected, message):
    assert group_status(group(policy, at_least), [SIGNS[sign] for sign in course]) == (expected, message)


@given(policies, st.integers(1, 9), members)
def test_an_unknown_member_that_comes_up_never_makes_it_worse(policy, at_least, statuses):
    before, _ = group_status(group(policy, at_least), statuses)
    if Status.UNKNOWN in statuses:
        statuses[statuses.index(Status.UNKNOWN)] = UP
        after, _ = group_status(group(policy, at_least), statuses)
        assert (before, after) != (UP, DOWN)
        assert before is not DOWN or after is DOWN


@pytest.mark.parametrize(
    ("groups", "wanted", "through"),
    [
        ({}, ["a", "b"], None),
        ({}, ["a", "me"], "me"),
        ({"a": ["me"]}, ["b", "a"], "a"),
        ({"a": ["b"], "b": ["c"], "c": ["me"]}, ["a"], "a"),
        ({"a": ["b"], "b": ["a"]}, ["a"], None),  # somebody else's circle still ends
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"]}, ["a"], None),  # a diamond is none
    ],
)
def test_a_group_within_itself_is_found_through_any_number_of_others(groups, wanted, through):
    assert cyclic_member("me", wanted, groups) == through
