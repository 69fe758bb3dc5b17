"""Tries of a delivery: what is said, and what it means for each delivery that the message tells."""

import random

import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors import senders
from actors.senders import Undelivered
from app.domain.alerting import backoff
from app.domain.alerting.circuit_breaker import Answer
from app.domain.text import templates
from app.security.auth import ack_links
from app.store.alerting.delivery_claims import Claimed
from app.store.alerting.delivery_results import Settled
from schema.message import Message

REFUSED_TOGETHER = 5  # tries of one that was refused with others, before it is refused itself

log = structlog.get_logger()


class Timing(Struct, frozen=True):
    """When a try began, and how long it took."""

    at_ms: int
    took_ms: int


def message_of(claimed: Claimed, now_ms: int, base: str, behind: str = "") -> Message:
    """What goes out: the newest event, and the others that are told with it, newest first.

    base    of the addresses people see us at
    behind  the monitor that all of a group hang on
    """
    message = _told(claimed, behind)
    return replace(
        message,
        late_s=backoff.lateness_s(round(claimed.event.at.timestamp() * 1000), now_ms),
        ack_url=_ack_url(claimed, message, base),
        others=tuple(_told(one, behind) for one in reversed(claimed.others)),
    )


def _told(claimed: Claimed, behind: str) -> Message:
    message = senders.message_of(claimed.event, claimed.id)
    return replace(message, facts=message.facts | {"parent": {"name": behind}}) if behind else message


def in_own_words(claimed: Claimed, message: Message) -> Message:
    """The message as the channel's templates have it; what they can't say is said in ours, and logged."""
    rendering = templates.rendering_of(claimed.channel.terms.templates, message)
    if rendering.troubles:
        log.warning("notify.template_failed", channel=claimed.channel.id, troubles=rendering.troubles)
    return rendering.message


def _ack_url(claimed: Claimed, message: Message, base: str) -> str:
    """Where a reader says that they look after it; the same on every attempt. A test has nothing to look after."""
    if message.event not in ack_links.ASKING or message.test or not message.incident_id or claimed.others:
        return ""
    return ack_links.url_for(base, message.incident_id, claimed.channel.id, claimed.created_ms)


def results_of(claimed: Claimed, failed: Undelivered | None, timing: Timing, give_up_after_s: float) -> list[Settled]:
    """How the try went, for the carrier and for everyone who rides along."""
    own = replace(
        _failure_of(claimed, failed, timing, give_up_after_s) if failed else _success_of(claimed),
        at_ms=timing.at_ms,
        took_ms=timing.took_ms,
        grouped=bool(claimed.others),
    )
    again = failed is not None and answer_of(failed) is Answer.REFUSED and not claimed.again
    return [own, *(_of_rider(own, one, again=again and one.attempts < REFUSED_TOGETHER) for one in claimed.others)]


def _of_rider(carrier: Settled, rider: Claimed, *, again: bool) -> Settled:
    """Who rode along fares as the carrier did; but a refusal may be about the carrier only, and the others go anew."""
    own = replace(carrier, id=rider.id, attempts=rider.attempts, answer=None)
    if not again:
        return own
    wait_s = backoff.delay_s(rider.attempts, None, random.random())  # noqa: S311  # spreads retries
    return replace(own, state="pending", next_at_ms=own.at_ms + own.took_ms + int(wait_s * 1000), answered=True)


def _success_of(claimed: Claimed) -> Settled:
    return Settled(claimed.id, claimed.attempts, "sent", answer=Answer.TAKEN)


def _failure_of(claimed: Claimed, failed: Undelivered, timing: Timing, give_up_after_s: float) -> Settled:
    """A try that did not work: again later, or never, with the reason."""
    if claimed.event.is_test:  # somebody waits for the answer; a retry would surprise them
        return Settled(claimed.id, claimed.attempts, "dead", failed.reason)
    ended_ms = timing.at_ms + timing.took_ms
    result = Settled(
        claimed.id,
        claimed.attempts,
        "dead",
        failed.reason,
        answer=None if failed.ours else answer_of(failed),
        asked_s=min(failed.retry_after_s or 0.0, backoff.RETRY_AFTER_LIMIT_S),
        answered=failed.answered and not claimed.again,
    )
    age_s = (ended_ms - claimed.since_ms) / 1000
    if backoff.is_hopeless(age_s, give_up_after_s, permanent=failed.permanent):
        gave_up = backoff.given_up(give_up_after_s, failed.reason)
        return result if failed.permanent else replace(result, error=gave_up)
    wait_s = backoff.delay_s(claimed.attempts, failed.retry_after_s, random.random())  # noqa: S311  # spreads retries
    return replace(result, state="pending", next_at_ms=ended_ms + int(wait_s * 1000))


def answer_of(failed: Undelivered) -> Answer:
    """What a failure says about its channel."""
    if failed.gone:
        return Answer.GONE
    if failed.permanent:
        return Answer.BARRED if failed.channel else Answer.REFUSED
    return Answer.BUSY
