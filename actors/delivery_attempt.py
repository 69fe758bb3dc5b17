"""One delivery attempt: the message to send, and the result for each delivery that it carries."""

import random

import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors import senders
from actors.senders import DeliveryError, SendReport
from app import clock
from app.domain.alerting import backoff, reasons, routing
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.domain.alerting.reasons import Reason
from app.domain.text import templates
from app.security.auth import ack_links
from app.store.alerting.delivery_claims import DeliveryClaim
from app.store.alerting.delivery_results import AttemptResult
from schema.deliveries import ReasonCode, RecipientOutcome
from schema.message import Message

MAX_MERGED_REJECTIONS = 5  # attempts of a merged delivery before a rejection of its digest counts for itself

log = structlog.get_logger()


class AttemptTiming(Struct, frozen=True):
    """When an attempt began, and how long it took."""

    at_ms: int
    took_ms: int


def build_message(
    claim: DeliveryClaim, now_ms: int, base_url: str, parent: str = "", *, timezone: str = "UTC"
) -> Message:
    """Build the message: the newest event, and the events merged into it, newest first.

    base_url  of links in the message
    parent    name of the monitor that all monitors of a digest depend on; empty: none
    timezone  of the times, for a channel without a time zone
    """
    timezone = claim.channel.rules.timezone or timezone
    message = _event_message(claim, parent, timezone)
    return replace(
        message,
        late_s=backoff.lateness_s(clock.epoch_ms(claim.event.at), now_ms),
        ack_url=_ack_url(claim, message, base_url),
        merged=tuple(_event_message(member, parent, timezone) for member in reversed(claim.merged)),
    )


def _event_message(claim: DeliveryClaim, parent: str, timezone: str) -> Message:
    message = senders.message_from_event(claim.event, claim.id)
    is_silent = routing.is_silent(tuple(claim.channel.rules.events), claim.event.event, claim.event.data)
    facts = message.facts | {"parent": {"name": parent}} if parent else message.facts
    return replace(message, facts=facts, silent=is_silent, timezone=timezone)


def apply_templates(claim: DeliveryClaim, message: Message) -> Message:
    """Render the message by the channel's templates. A template that fails is logged; our text is used instead."""
    rendering = templates.render(claim.channel.rules.templates, message)
    if rendering.errors:
        log.warning("notify.template_failed", channel=claim.channel.id, errors=rendering.errors)
    return rendering.message


def _ack_url(claim: DeliveryClaim, message: Message, base_url: str) -> str:
    """The acknowledge link, the same on every attempt; empty for tests, digests and events without an incident."""
    if message.event not in ack_links.ACKNOWLEDGEABLE or message.test or not message.incident_id or claim.merged:
        return ""
    return ack_links.url_for(base_url, message.incident_id, claim.channel.id, claim.created_ms)


def attempt_results(
    claim: DeliveryClaim,
    error: DeliveryError | None,
    timing: AttemptTiming,
    max_age_s: float,
    report: SendReport | None = None,
) -> list[AttemptResult]:
    """Results of an attempt: of the delivery that was sent, then of those merged into it, which share its recipients.

    report    how it went for each recipient; None: the channel has one
    """
    report = report or SendReport(claim.settled)
    own = AttemptResult(claim.id, claim.attempts, "sent", report.not_reached, outcome=AttemptOutcome.ACCEPTED)
    if error:
        own = _failure(claim, error, timing, max_age_s)
    rejected = error is not None and failure_outcome(error) is AttemptOutcome.MESSAGE_REJECTED
    own = replace(
        own,
        at_ms=timing.at_ms,
        took_ms=timing.took_ms,
        in_digest=bool(claim.merged),
        is_test=claim.event.is_test,
        is_trial=claim.is_trial,
        recipients=tuple(report.results.values()),
        settled=tuple(report.all_settled().values()),
        rejected=rejected,
    )
    if report.has_reached_somebody:
        own = _partly_sent(own, error, report)
    elif rejected and any(one.rejections for one in (claim, *claim.merged)):
        own = replace(own, outcome=None)  # one bad message is one rejection, in however many digests it was
    retry = rejected and not claim.maybe_sent and not own.partly_sent
    merged = [
        _result_of_merged(own, member, retry=retry and member.attempts < MAX_MERGED_REJECTIONS)
        for member in claim.merged
    ]
    return [own, *merged]


def _partly_sent(result: AttemptResult, error: DeliveryError | None, report: SendReport) -> AttemptResult:
    """The result when some recipients have the message.

    It is kept as it is for the others, single or with its digest. Given up, it is still sent. That one recipient can't
    be reached says nothing about the channel.
    """
    outcome = result.outcome
    if report.results and outcome is not None:
        accepted = any(one.outcome is RecipientOutcome.ACCEPTED for one in report.results.values())
        outcome = AttemptOutcome.ACCEPTED if accepted or error is None else None
    state = "sent" if result.state == "dead" else result.state
    return replace(result, state=state, outcome=outcome, partly_sent=True, got_response=False)


def _result_of_merged(digest: AttemptResult, member: DeliveryClaim, *, retry: bool) -> AttemptResult:
    """The digest's result for a merged delivery. A rejection may concern the digest only: `retry` sends it again."""
    own = replace(digest, id=member.id, attempts=member.attempts, outcome=None)
    if not retry:
        return own
    own = replace(own, settled=member.settled)
    wait_s = backoff.retry_delay_s(member.attempts, None, random.random())  # noqa: S311  # spreads retries
    return replace(
        own,
        state="pending",
        reason_code=None,
        next_attempt_ms=own.at_ms + own.took_ms + int(wait_s * 1000),
        got_response=True,
    )


def _failure(claim: DeliveryClaim, error: DeliveryError, timing: AttemptTiming, max_age_s: float) -> AttemptResult:
    """Result of a failed attempt: pending with the time of its retry, or dead, with the reason."""
    if claim.event.is_test:  # the user waits for this result; a later retry would surprise
        code = ReasonCode.REJECTED if error.permanent else ReasonCode.TEST_FAILED
        return AttemptResult(claim.id, claim.attempts, "dead", error.reason, reason_code=code)
    ended_ms = timing.at_ms + timing.took_ms
    result = AttemptResult(
        claim.id,
        claim.attempts,
        "dead",
        error.reason,
        outcome=None if error.stalled else failure_outcome(error),
        retry_after_s=min(error.retry_after_s or 0.0, backoff.MAX_RETRY_AFTER_S),
        got_response=error.got_response and not claim.maybe_sent,
    )
    age_s = (ended_ms - claim.age_from_ms) / 1000
    if backoff.is_exhausted(age_s, max_age_s, permanent=error.permanent):
        code = ReasonCode.REJECTED if error.permanent else ReasonCode.EXPIRED
        reason = Reason(code, error=error.reason, give_up_after_s=max_age_s)
        return replace(result, error=reasons.sentence(reason), reason_code=code)
    wait_s = backoff.retry_delay_s(claim.attempts, error.retry_after_s, random.random())  # noqa: S311  # spreads retries
    return replace(result, state="pending", next_attempt_ms=ended_ms + int(wait_s * 1000))


def failure_outcome(error: DeliveryError) -> AttemptOutcome:
    """What a failure means for its channel."""
    if error.endpoint_gone:
        return AttemptOutcome.CHANNEL_GONE
    if error.permanent:
        return AttemptOutcome.CHANNEL_REJECTED if error.channel_level else AttemptOutcome.MESSAGE_REJECTED
    return AttemptOutcome.TEMPORARY_FAILURE
