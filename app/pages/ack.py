"""The page behind a message's link, with a button that acknowledges the incident.

A GET changes nothing, since mail filters open links before people do; only the button's POST acknowledges. The page
needs no script and no cookie: the link itself grants this one action.
"""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.params import FromPath
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET

from app import clock
from app.api.http import audit_trail, errors, query_params, rate_limits
from app.api.incidents import incident_changes
from app.domain.text.message_text import format_instant
from app.errors import Conflict, NoSuch
from app.security.auth import ack_links
from app.security.auth.ack_links import AckLink
from app.security.auth.policy import ANYONE
from app.security.limits import failed_logins
from app.security.limits.proxy_headers import address_of
from app.store.incidents import acknowledgements
from app.store.incidents.acknowledgements import AckContext
from schema.errors import ErrorReply
from schema.login_attempts import AuthMethod

HERE = Path(__file__).parent
STYLE = (HERE / "ack.css").read_text(encoding="utf-8")
PAGE = (HERE / "ack.html").read_text(encoding="utf-8")
STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
# rate limited by address like sign-in; some mail programs add query parameters to links they open
ROUTE_OPTIONS = {rate_limits.RATE: rate_limits.AUTH, query_params.ANY_PARAMETER: True}
BUTTON = '<form method="post"><button type="submit">Acknowledge</button></form>'
FORGED = ("This link is not complete", "It is incomplete or not from this installation. Copy the whole link.")
EXPIRED = ("This link has expired", "A link is valid for seven days. Sign in to see the incident.")
GONE = ("This incident is no longer here", "The incident, or the channel that this link was sent to, was deleted.")
HTTP_NOT_FOUND, HTTP_GONE = 404, 410


class UnusableLink(Exception):  # noqa: N818  # names the fact
    """A link that can't be used, with the status and the page's text."""

    def __init__(self, status: int, explanation: tuple[str, str]) -> None:
        super().__init__(explanation[0])
        self.status, self.explanation = status, explanation


def _as_page(handler: Callable[[Any, Any], Response[ErrorReply]]) -> Callable[[Any, Any], Response[str]]:
    """The handler's JSON error as a page, such as a rate limit or an unavailable database."""

    def handle(request: Any, error: Any) -> Response[str]:
        reply = handler(request, error)
        body = reply.content.error
        retry = [] if body.retry_after is UNSET else [f"Try again in {body.retry_after} seconds."]
        page = _page(reply.status_code or 500, "Something went wrong", body.message, *retry)
        page.headers.update(reply.headers)
        return page

    return handle


EXCEPTION_HANDLERS: ExceptionHandlersMap = {kind: _as_page(handler) for kind, handler in errors.HANDLERS.items()}


@get(
    "/ack/{token:str}",
    guards=[ANYONE],
    include_in_schema=False,
    opt=ROUTE_OPTIONS,
    exception_handlers=EXCEPTION_HANDLERS,
)
async def show_incident(token: FromPath[str], request: Request[Any, Any, Any]) -> Response[str]:
    """Show the incident and the button. Changes nothing."""
    return await _incident_or_error(token, request)


@post(
    "/ack/{token:str}",
    guards=[ANYONE],
    include_in_schema=False,
    status_code=200,
    opt=ROUTE_OPTIONS,
    exception_handlers=EXCEPTION_HANDLERS,
    operation_id="AcknowledgeIncidentByLink",
)
async def acknowledge_incident(token: FromPath[str], request: Request[Any, Any, Any]) -> Response[str]:
    """Acknowledge the incident and confirm it. Pressing twice acknowledges once."""
    try:
        link = _read_link(token, request)
        audit_trail.trail_of(request).resource_id = link.incident_id
        audit_trail.trail_of(request).change["channel_id"] = link.channel_id
        context = await _find_incident(link)
        audit_trail.trail_of(request).change["channel"] = context.channel
        change = await acknowledgements.acknowledge(context)
    except UnusableLink as unusable:
        return _page(unusable.status, *unusable.explanation)
    except (Conflict, NoSuch):  # it was resolved or deleted just now
        return await _incident_or_error(token, request)
    await incident_changes.publish(change)
    return _incident_page(msgspec.structs.replace(context, incident=change.incident), request)


async def _incident_or_error(token: str, request: Request[Any, Any, Any]) -> Response[str]:
    try:
        return _incident_page(await _find_incident(_read_link(token, request)), request)
    except UnusableLink as unusable:
        return _page(unusable.status, *unusable.explanation)


def _read_link(token: str, request: Request[Any, Any, Any]) -> AckLink:
    try:
        return ack_links.read_token(token)
    except ack_links.ForgedLink as error:
        failed_logins.record_failed_login(AuthMethod.ACK_LINK, address_of(request))
        raise UnusableLink(HTTP_NOT_FOUND, FORGED) from error


async def _find_incident(link: AckLink) -> AckContext:
    if link.expires_ms <= clock.now_ms():
        raise UnusableLink(HTTP_GONE, EXPIRED)
    try:
        return await acknowledgements.get_context(link.incident_id, link.channel_id)
    except NoSuch as error:
        raise UnusableLink(HTTP_GONE, GONE) from error


def _incident_page(context: AckContext, request: Request[Any, Any, Any]) -> Response[str]:
    """The incident's state, with the button while nobody has acknowledged it."""
    incident, timezone = context.incident, context.timezone or request.app.state.settings.tz
    lines = [f"Since {format_instant(incident.started_at, timezone)}."]
    if incident.resolved_at is not None:
        resolved = format_instant(incident.resolved_at, timezone)
        lines.append(f"It was resolved at {resolved}, so it can't be acknowledged any more.")
        return _page(HTTP_GONE, incident.title, *lines)
    if incident.acknowledged_at is not None:
        at = format_instant(incident.acknowledged_at, timezone)
        by = f"Acknowledged at {at} by {incident.acknowledged_by}."
        return _page(200, incident.title, *lines, by, "Reminders and escalation have ended.")
    hint = f"Acknowledge it if you are handling it. Reminders and escalation then end. Sent to {context.channel}."
    return _page(200, incident.title, *lines, hint, form=BUTTON)


def _page(status: int, title: str, *lines: str, form: str = "") -> Response[str]:
    """A page with the title, the lines, and the button after the first line."""
    paragraphs = [f"<p>{escape(line)}</p>" for line in lines]
    body = "\n".join([*paragraphs[:1], form, *(line.replace("<p>", '<p class="quiet">', 1) for line in paragraphs[1:])])
    text = PAGE.format(title=escape(title), style=STYLE, body=body)
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=HEADERS)


HANDLERS = [show_incident, acknowledge_incident]
