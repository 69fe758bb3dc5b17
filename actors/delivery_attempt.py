"""Tries of a delivery: what is said, and what it means for each delivery that the message tells."""

import random

import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors import senders
from actors.senders import DeliveryError
from app import clock
from app.domain.alerting import backoff
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.domain.text import templates
from app.security.auth import ack_links
from app.store.alerting.delivery_claims import DeliveryClaim
from app.store.alerting.delivery_results import AttemptResult
from schema.message import Message

MAX_MERGED_REJECTIONS = 5  # tries of one that was refused with others, before it is refused itself

log = structlog.get_logger()


class AttemptTiming(Struct, frozen=True):
    """When a try began, and how long it took."""

    at_ms: int
    took_ms: int


def build_message(claimed: DeliveryClaim, now_ms: int, base_url: str, parent: str = "") -> Message:
    """What goes out: the newest event, and the others that are told with it, newest first.

    base    of the addresses people see us at
    behind  the monitor that all of a group hang on
    """
    message = _event_message(claimed, parent)
    return replace(
        message,
        late_s=backoff.lateness_s(clock.epoch_ms(claimed.event.at), now_ms),
        ack_url=_ack_url(claimed, message, base_url),
        merged=tuple(_event_message(one, parent) for one in reversed(claimed.merged)),
    )


def _event_message(claimed: DeliveryClaim, behind: str) -> Message:
    message = senders.message_from_event(claimed.event, claimed.id)
    return replace(message, facts=message.facts | {"parent": {"name": behind}}) if behind else message


def apply_templates(claimed: DeliveryClaim, message: Message) -> Message:
    """The message as the channel's templates have it; what they can't say is said in ours, and logged."""
    rendering = templates.render(claimed.channel.rules.templates, message)
    if rendering.errors:
        log.warning("notify.template_failed", channel=claimed.channel.id, troubles=rendering.errors)
    return rendering.message


def _ack_url(claimed: DeliveryClaim, message: Message, base: str) -> str:
    """Where a reader says that they look after it; the same on every attempt. A test has nothing to look after."""
    if message.event not in ack_links.ACKNOWLEDGEABLE or message.test or not message.incident_id or claimed.merged:
        return ""
    return ack_links.url_for(base, message.incident_id, claimed.channel.id, claimed.created_ms)


def attempt_results(
    claimed: DeliveryClaim, error: DeliveryError | None, timing: AttemptTiming, max_age_s: float
) -> list[AttemptResult]:
    """How the try went, for the carrier and for everyone who rides along."""
    own = replace(
        _failure(claimed, error, timing, max_age_s) if error else _success(claimed),
        at_ms=timing.at_ms,
        took_ms=timing.took_ms,
        in_digest=bool(claimed.merged),
    )
    again = error is not None and failure_outcome(error) is AttemptOutcome.MESSAGE_REJECTED and not claimed.maybe_sent
    return [
        own,
        *(_result_of_merged(own, one, again=again and one.attempts < MAX_MERGED_REJECTIONS) for one in claimed.merged),
    ]


def _result_of_merged(carrier: AttemptResult, rider: DeliveryClaim, *, again: bool) -> AttemptResult:
    """Who rode along fares as the carrier did; but a refusal may be about the carrier only, and the others go anew."""
    own = replace(carrier, id=rider.id, attempts=rider.attempts, outcome=None)
    if not again:
        return own
    wait_s = backoff.retry_delay_s(rider.attempts, None, random.random())  # noqa: S311  # spreads retries
    return replace(own, state="pending", next_at_ms=own.at_ms + own.took_ms + int(wait_s * 1000), got_response=True)


def _success(claimed: DeliveryClaim) -> AttemptResult:
    return AttemptResult(claimed.id, claimed.attempts, "sent", outcome=AttemptOutcome.ACCEPTED)


def _failure(
    claimed: DeliveryClaim, failed: DeliveryError, timing: AttemptTiming, give_up_after_s: float
) -> AttemptResult:
    """A try that did not work: again later, or never, with the reason."""
    if claimed.event.is_test:  # somebody waits for the answer; a retry would surprise them
        return AttemptResult(claimed.id, claimed.attempts, "dead", failed.reason)
    ended_ms = timing.at_ms + timing.took_ms
    result = AttemptResult(
        claimed.id,
        claimed.attempts,
        "dead",
        failed.reason,
        outcome=None if failed.stalled else failure_outcome(failed),
        retry_after_s=min(failed.retry_after_s or 0.0, backoff.MAX_RETRY_AFTER_S),
        got_response=failed.got_response and not claimed.maybe_sent,
    )
    age_s = (ended_ms - claimed.age_from_ms) / 1000
    if backoff.is_exhausted(age_s, give_up_after_s, permanent=failed.permanent):
        gave_up = backoff.exhausted_reason(give_up_after_s, failed.reason)
        return result if failed.permanent else replace(result, error=gave_up)
    wait_s = backoff.retry_delay_s(claimed.attempts, failed.retry_after_s, random.random())  # noqa: S311  # spreads retries
    return replace(result, state="pending", next_at_ms=ended_ms + int(wait_s * 1000))


def failure_outcome(error: DeliveryError) -> AttemptOutcome:
    """What a failure says about its channel."""
    if error.endpoint_gone:
        return AttemptOutcome.CHANNEL_GONE
    if error.permanent:
        return AttemptOutcome.CHANNEL_REJECTED if error.channel_level else AttemptOutcome.MESSAGE_REJECTED
    return AttemptOutcome.TEMPORARY_FAILURE
