"""Why a delivery waits, is suppressed or is dead: the code that decisions read, and its sentence for people. Pure."""

from msgspec import Struct

from schema.deliveries import ReasonCode

NAMING_CODES = frozenset({ReasonCode.PARENT_DOWN, ReasonCode.GROUP_ALERTS})  # their sentences name a monitor
_SENTENCES = {
    ReasonCode.QUIET_HOURS: "waits for the end of quiet hours",
    ReasonCode.MIN_OUTAGE: "waits until the outage has lasted long enough for the channel",
    ReasonCode.PARENT_CHECK: "waits for a check of a parent",
    ReasonCode.DIGEST: "waits for the next digest",
    ReasonCode.PARENT_DOWN: "a parent is down",
    ReasonCode.GROUP_ALERTS: "its group alerts for it",
    ReasonCode.MEMBERS_ALERT: "its members alert for it",
    ReasonCode.RECOVERED_EARLY: "it recovered before the outage had lasted long enough for the channel",
    ReasonCode.RECOVERED_WITH_PARENT: "it recovered with its parent",
    ReasonCode.NOT_ALERTED: "no alert was sent for the outage",
    ReasonCode.ALERTED_MEANWHILE: "an alert for the outage was sent meanwhile",
    ReasonCode.COLLAPSED_INTO_RECOVERY: "replaced by the recovery",
    ReasonCode.COLLAPSED_INTO_REMINDER: "replaced by a newer reminder",
    ReasonCode.SUPERSEDED: "an alert for a newer outage was sent while it waited",
    ReasonCode.CHANNEL_INACTIVE: "the channel is inactive",
    ReasonCode.CHANNEL_DELETED: "the channel was deleted",
    ReasonCode.CHANNEL_DISABLED: "the channel is disabled",
    ReasonCode.EXPIRED: "gave up",
    ReasonCode.REJECTED: "rejected",
    ReasonCode.TEST_FAILED: "the test failed",
    ReasonCode.TEST_TIMED_OUT: "no worker sent the test in time",
}


class Reason(Struct, frozen=True):
    """A code with the facts of its sentence.

    name             of the monitor that it names, a parent or a group
    error            the newest attempt's, or the channel's
    give_up_after_s  of EXPIRED: the maximum age
    """

    code: ReasonCode
    name: str = ""
    error: str = ""
    give_up_after_s: float = 0.0


def sentence(reason: Reason) -> str:
    """The reason in words for people. No decision reads them."""
    general = _SENTENCES[reason.code]
    match reason.code:
        case ReasonCode.PARENT_DOWN if reason.name:
            return f"parent {reason.name!r} is down"
        case ReasonCode.GROUP_ALERTS if reason.name:
            return f"its group {reason.name!r} alerts for it"
        case ReasonCode.CHANNEL_DISABLED if reason.error:
            return f"{general}: {reason.error}"
        case ReasonCode.EXPIRED:
            return f"{general} after {reason.give_up_after_s / 3_600:g} h{f': {reason.error}' if reason.error else ''}"
        case ReasonCode.REJECTED | ReasonCode.TEST_FAILED if reason.error:
            return reason.error
        case _:
            return general


def redact(code: str, text: str) -> str:
    """A delivery's stored sentence for a viewer who may not see the monitor that it names.

    code  one of `ReasonCode`, or empty
    """
    return sentence(Reason(ReasonCode(code))) if code in NAMING_CODES else text
