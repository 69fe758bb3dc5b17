"""A monitor's changes of mind, as tables of checks and as properties of any course of them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from app.domain.monitoring.judge import RULED_OUT, STATUS_EVENTS, Evaluation, MonitorState, RetryPolicy, judge
from schema.events import EventKind
from schema.status import Status

STEP_MS = 1_000
STATUS_OF_SIGN = {"+": Status.UP, "~": Status.DEGRADED, "-": Status.DOWN, "?": Status.UNKNOWN}
SHORT = {
    Status.UP: "U",
    Status.DOWN: "D",
    Status.PENDING: "P",
    Status.MAINTENANCE: "M",
    Status.DEGRADED: "G",
    Status.UNKNOWN: "?",
}


class Check(NamedTuple):
    """What was seen, and whether inside a window."""

    seen: Status
    hidden: bool


def checks_of(course: str) -> list[Check]:
    """`+` up, `~` degraded, `-` down, `?` unknown; in [ ] inside a maintenance window."""
    hidden, checks = False, []
    for sign in course:
        if sign in "[]":
            hidden = sign == "["
        else:
            checks.append(Check(STATUS_OF_SIGN[sign], hidden))
    return checks


def evaluations_of(checks: Iterable[Check], rules: RetryPolicy) -> list[Evaluation]:
    state, evaluations = MonitorState(), []
    for number, check in enumerate(checks, 1):
        evaluations.append(judge(state, check.seen, number * STEP_MS, rules, in_maintenance=check.hidden))
        state = evaluations[-1].state
    return evaluations


def signs_of(evaluations: Sequence[Evaluation]) -> str:
    """v down, ^ up, r a reminder, . nothing."""
    return "".join(
        "." if one.alert is None else "^" if one.alert is EventKind.MONITOR_UP else "v" if one.important else "r"
        for one in evaluations
    )


@pytest.mark.parametrize(
    ("course", "max_retries", "statuses", "expected"),
    [
        ("+++", 0, "UUU", "..."),
        ("-", 0, "D", "v"),  # a new monitor that is down
        ("-", 1, "P", "."),
        ("---", 2, "PPD", "..v"),
        ("+-+--", 2, "UPUPP", "....."),  # a passing check forgives
        ("-+", 0, "DU", "v^"),
        ("--++", 0, "DDUU", "v.^."),
        ("-~~", 0, "DGG", "v^."),  # slow is a recovery
        ("+~+", 0, "UGU", "..."),
        ("~-", 0, "GD", ".v"),
        ("+?+", 0, "U?U", "..."),
        ("-?-", 0, "D?D", "v.."),  # one outage, one alert
        ("-?+", 0, "D?U", "v.^"),
        ("-?-", 1, "P?D", "..v"),  # unknown neither forgives nor counts
        ("-???", 1, "P???", "...."),
        ("?-", 0, "?D", ".v"),
        ("???", 0, "???", "..."),
        ("+[--]-", 0, "UMMD", "...v"),  # still down when the window ends
        ("+[--]+", 0, "UMMU", "...."),
        ("-[-+]+", 0, "DMMU", "v..^"),  # the recovery is alerted after the window
        ("-[+]-", 0, "DMD", "v.."),  # the recovery was never alerted
        ("-[-]-", 0, "DMD", "v.."),
        ("[-]-", 1, "MD", ".v"),  # failing checks of the window count
        ("[-]-", 2, "MP", ".."),
        ("-[+]-", 1, "PMP", "..."),
        ("-[?]-", 1, "PMD", "..v"),
        ("[?]", 0, "M", "."),
        ("[-----]+-", 2, "MMMMMUP", "......."),
    ],
)
def test_a_course_of_checks_leads_to_statuses_and_alerts(course, max_retries, statuses, expected):
    evaluations = evaluations_of(checks_of(course), RetryPolicy(max_retries=max_retries))
    assert "".join(SHORT[one.status] for one in evaluations) == statuses
    assert signs_of(evaluations) == expected


@pytest.mark.parametrize(
    ("course", "resend", "expected"),
    [
        ("-----", 0, "v...."),
        ("-----", 1, "vrrrr"),
        ("-------", 3, "v..r..r"),
        ("--?--", 3, "v...r"),  # unknown is no failing check
        ("--[--]--", 3, "v....r"),  # nor is one that a window hides
        ("--+--", 2, "v.^v."),  # a new outage counts anew
    ],
)
def test_a_reminder_comes_after_every_n_further_failing_checks(course, resend, expected):
    assert signs_of(evaluations_of(checks_of(course), RetryPolicy(resend_interval=resend))) == expected


@pytest.mark.parametrize(
    ("course", "statuses", "expected"),
    [("-", "U", "."), ("+", "D", "v"), ("~", "D", "v"), ("?", "?", "."), ("+-", "DU", "v^"), ("+?~-", "D?DU", "v..^")],
)
def test_upside_down_swaps_passing_and_failing_and_leaves_unknown(course, statuses, expected):
    evaluations = evaluations_of(checks_of(course), RetryPolicy(upside_down=True))
    assert "".join(SHORT[one.status] for one in evaluations) == statuses
    assert signs_of(evaluations) == expected


@pytest.mark.parametrize(
    ("course", "max_retries", "started"),
    [
        ("+--", 1, [None, None, 2]),
        ("+---+", 2, [None, None, None, 2, 2]),
        ("+-?-+", 1, [None, None, None, 2, 2]),
        ("-[+-]+", 0, [1, None, None, 1]),  # the whole outage, across the window
        ("+[--]-", 0, [None, None, None, 2]),
        ("-+-", 0, [1, 1, 3]),
    ],
)
def test_an_outage_starts_with_its_first_failing_check(course, max_retries, started):
    evaluations = evaluations_of(checks_of(course), RetryPolicy(max_retries=max_retries))
    assert [one.started_ms and one.started_ms // STEP_MS for one in evaluations] == started


@pytest.mark.parametrize(
    ("course", "since"),
    [("+++", [1, 1, 1]), ("+--", [1, 2, 2]), ("--?-", [1, 1, 3, 1]), ("-[-]-+", [1, 2, 1, 4]), ("+~~", [1, 2, 2])],
)
def test_a_status_knows_since_when_it_holds_and_down_since_the_outage_began(course, since):
    states = [one.state for one in evaluations_of(checks_of(course), RetryPolicy())]
    assert [one.status_since_ms // STEP_MS for one in states if one.status_since_ms] == since


def test_retries_hold_since_the_first_of_them_and_are_counted():
    states = [one.state for one in evaluations_of(checks_of("+--"), RetryPolicy(max_retries=5))]
    assert [(one.status, one.status_since_ms, one.retries) for one in states[1:]] == [
        (Status.PENDING, 2_000, 1),
        (Status.PENDING, 2_000, 2),
    ]


@pytest.mark.parametrize(
    ("course", "noted"),
    [
        ("+~~+", [None, EventKind.MONITOR_DEGRADED, None, None]),
        ("+??-", [None, EventKind.MONITOR_UNKNOWN, None, None]),
        ("?", [None]),  # nothing was known before either
        ("~", [EventKind.MONITOR_DEGRADED]),
        ("-~", [None, None]),  # it is alerted as a recovery
    ],
)
def test_becoming_degraded_or_unknown_is_noted_once(course, noted):
    assert [one.event for one in evaluations_of(checks_of(course), RetryPolicy())] == noted


@pytest.mark.parametrize("course", ["++", "~~", "--", "??", "-?+[++]++", "[++]", "[---]", "-[-]", "+[?]"])
def test_an_unchanged_state_is_returned_as_the_same_object(course):
    rules = RetryPolicy()
    *_, last = checks_of(course)
    before = evaluations_of(checks_of(course), rules)[-1].state
    assert judge(before, last.seen, 99_000, rules, in_maintenance=last.hidden).state is before


def test_a_lower_limit_of_retries_holds_from_the_next_check_on():
    patient = evaluations_of(checks_of("--"), RetryPolicy(max_retries=9))[-1].state
    evaluation = judge(patient, Status.DOWN, 3_000, RetryPolicy(max_retries=1), in_maintenance=False)
    assert (evaluation.status, evaluation.alert, evaluation.started_ms) == (Status.DOWN, EventKind.MONITOR_DOWN, 1_000)


courses = st.lists(st.builds(Check, st.sampled_from(list(STATUS_OF_SIGN.values())), st.booleans()), max_size=60)
rules_of_any_owner = st.builds(RetryPolicy, st.integers(0, 4), st.integers(0, 4), st.booleans())
in_the_open = st.lists(
    st.builds(Check, st.sampled_from(list(STATUS_OF_SIGN.values())), st.just(value=False)), max_size=60
)


def fails(check: Check, rules: RetryPolicy) -> bool:
    passing = (Status.UP, Status.DEGRADED)
    return check.seen in passing if rules.upside_down else check.seen is Status.DOWN


@given(courses, rules_of_any_owner)
def test_alerts_of_down_and_up_alternate_beginning_with_down(checks, rules):
    boundaries = signs_of(evaluations_of(checks, rules)).replace(".", "").replace("r", "")
    assert boundaries == ("v^" * len(boundaries))[: len(boundaries)]


@given(courses, rules_of_any_owner)
def test_a_reminder_is_sent_only_while_the_last_alert_was_down(checks, rules):
    believed_down = False
    for sign in signs_of(evaluations_of(checks, rules)).replace(".", ""):
        assert sign != "r" or believed_down
        believed_down = sign != "^"


@given(courses, rules_of_any_owner)
def test_down_needs_more_failing_checks_in_a_row_than_retries(checks, rules):
    streak = 0
    for check, evaluation in zip(checks, evaluations_of(checks, rules), strict=True):
        if check.seen is not Status.UNKNOWN:
            streak = streak + 1 if fails(check, rules) else 0
        if evaluation.alert is EventKind.MONITOR_DOWN:
            assert streak > rules.max_retries or not evaluation.important


@given(courses, rules_of_any_owner)
def test_no_alert_inside_a_window_or_for_our_own_errors(checks, rules):
    for check, evaluation in zip(checks, evaluations_of(checks, rules), strict=True):
        if check.hidden or check.seen is Status.UNKNOWN:
            assert evaluation.alert is None
            assert evaluation.status is (Status.MAINTENANCE if check.hidden else Status.UNKNOWN)


@given(courses, rules_of_any_owner)
def test_unknown_results_change_no_alert(checks, rules):
    known = [check for check in checks if check.seen is not Status.UNKNOWN]
    assert signs_of(evaluations_of(known, rules)).replace(".", "") == signs_of(evaluations_of(checks, rules)).replace(
        ".", ""
    )


@given(in_the_open, rules_of_any_owner)
def test_reminders_are_every_nth_failing_check_after_the_first_alert(checks, rules):
    further = 0
    for check, evaluation in zip(checks, evaluations_of(checks, rules), strict=True):
        if evaluation.important:
            further = 0
        elif evaluation.status is Status.DOWN and fails(check, rules):
            further += 1
            due = rules.resend_interval > 0 and further % rules.resend_interval == 0
            assert (evaluation.alert is EventKind.MONITOR_DOWN) is due


@given(courses, rules_of_any_owner)
def test_after_every_course_the_last_alert_matches_the_last_open_check(checks, rules):
    settling = [Check(Status.UP if not rules.upside_down else Status.DOWN, hidden=False)]
    evaluations = evaluations_of([*checks, *settling], rules)
    assert evaluations[-1].state == MonitorState(Status.UP, evaluations[-1].state.status_since_ms)
    assert signs_of(evaluations).replace(".", "").replace("r", "")[-1:] in {"", "^"}


@given(courses, rules_of_any_owner)
def test_the_state_has_the_status_of_the_heartbeat(checks, rules):
    for evaluation in evaluations_of(checks, rules):
        assert evaluation.state.status == evaluation.status
        assert (evaluation.state.alerted_ms is not None) <= (evaluation.state.failing_since_ms is not None)


@given(courses, rules_of_any_owner)
def test_an_alert_is_important_unless_it_is_a_reminder_and_has_a_start(checks, rules):
    for number, evaluation in enumerate(evaluations_of(checks, rules), 1):
        assert not evaluation.important or evaluation.alert is not None
        assert (evaluation.started_ms is None) is (evaluation.alert is None)
        assert evaluation.started_ms is None or STEP_MS <= evaluation.started_ms <= number * STEP_MS


@pytest.mark.parametrize("before", ["", "+", "-", "+-", "?"])
def test_pending_is_stored_and_neither_counts_nor_resets_nor_alerts(before):
    state = evaluations_of(checks_of(before), RetryPolicy())[-1].state if before else MonitorState()
    evaluation = judge(state, Status.PENDING, 9_000, RetryPolicy(), in_maintenance=False)
    assert (evaluation.status, evaluation.alert, evaluation.important) == (Status.PENDING, None, False)
    assert (evaluation.state.alerted_ms, evaluation.state.retries) == (state.alerted_ms, state.retries)
    after = judge(evaluation.state, Status.DOWN, 10_000, RetryPolicy(), in_maintenance=False)
    assert (after.alert is EventKind.MONITOR_DOWN) == (state.alerted_ms is None)


@pytest.mark.parametrize(
    ("course", "max_retries", "expected"),
    [
        ("+~+", 0, [(3, Status.DEGRADED, 2)]),
        ("+~~-", 0, [(4, Status.DEGRADED, 2)]),
        ("+~-~+", 1, [(5, Status.DEGRADED, 2)]),  # a retry in between is no end
        ("+~--", 1, [(4, Status.DEGRADED, 2)]),
        ("+?+", 0, [(3, Status.UNKNOWN, 2)]),
        ("+?~+", 0, [(3, Status.UNKNOWN, 2), (4, Status.DEGRADED, 3)]),
        ("+~?~+", 0, [(4, Status.UNKNOWN, 3), (5, Status.DEGRADED, 2)]),
        ("+~?+", 0, [(4, Status.DEGRADED, 2), (4, Status.UNKNOWN, 3)]),
        ("+-?-+", 0, [(4, Status.UNKNOWN, 3)]),
        ("+-~+", 0, []),  # the recovery says degraded, and no event of its own
        ("?+", 0, []),  # the first one is not announced
        ("+~[+]+", 0, [(4, Status.DEGRADED, 2)]),
    ],
)
def test_degraded_and_unknown_end_with_a_status_that_rules_them_out(course, max_retries, expected):
    evaluations = evaluations_of(checks_of(course), RetryPolicy(max_retries))
    ends = [(no, *end) for no, one in enumerate(evaluations, 1) for end in one.cleared]
    assert [(no, status, since_ms // STEP_MS) for no, status, since_ms in ends] == expected


@given(courses, rules_of_any_owner)
def test_degraded_and_unknown_are_announced_and_ended_in_turn(checks, rules):
    """Each begins with an event and ends before it begins again; a monitor that is up or down has neither."""
    lasting: set[Status] = set()
    for one in evaluations_of(checks, rules):
        ended = {status for status, _ in one.cleared}
        assert ended <= lasting
        lasting -= ended
        lasting |= {status for status, kind in STATUS_EVENTS.items() if one.event is kind}
        held = {Status.DEGRADED: one.state.degraded_ms, Status.UNKNOWN: one.state.unknown_ms}
        assert {status for status, since_ms in held.items() if since_ms is not None} == lasting
        if one.status in {Status.UP, Status.DOWN}:
            assert not lasting


def test_every_status_rules_something_out_or_nothing():
    assert set(RULED_OUT) == set(Status)
