"""Apprise: services without their own sender, run in a sandbox process. Its HTTP requests are made here.

Apprise would escape addresses like words when it converts plain text, so each service gets its own format from us.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from actors.apprise_sandbox.protocol import FormattedText, SendRequest, SendResult
from actors.senders.kit.apprise_markup import ADAPTIVE_CARD, LOOKALIKE, ROCKET_CHAT
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.markup import COMMON_MARK, PLAIN, Markup, html_markup
from actors.senders.kit.retry_after import rule_for_service
from actors.senders.kit.sandbox_requests import SandboxRequests
from actors.senders.providers import discord, mattermost
from app.domain.alerting import apprise_urls
from app.domain.text.message_text import Severity, compose_text
from schema.channels import Apprise
from schema.message import Message

NOTIFY_TYPES = {
    Severity.CRITICAL: "failure",
    Severity.RESOLVED: "success",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}


class ServiceMarkup(NamedTuple):
    """What a service reads.

    text, markdown, html    in a body of that format of Apprise's
    first_line              in a Markdown body's first line, which is the title's; None: what it reads in the others
    title                   in a title that has a field of its own
    """

    text: Markup = PLAIN
    markdown: Markup = COMMON_MARK
    html: Markup = html_markup()
    first_line: Markup | None = None
    title: Markup = PLAIN


_DISCORD = ServiceMarkup(text=discord.MARKUP, markdown=discord.MARKUP, title=discord.MARKUP)
SERVICE_MARKUPS: Mapping[str, ServiceMarkup] = MappingProxyType(  # by module of Apprise; all others read the usual ones
    {
        **dict.fromkeys(("cliq", "evolution", "google_chat", "slack", "whapi"), ServiceMarkup(markdown=LOOKALIKE)),
        **dict.fromkeys(("discord", "fluxer", "guilded"), _DISCORD),
        "mattermost": ServiceMarkup(text=mattermost.MARKUP),
        "rocketchat": ServiceMarkup(markdown=ROCKET_CHAT, first_line=PLAIN),  # its headings have no markup
        "workflows": ServiceMarkup(markdown=ADAPTIVE_CARD, title=ADAPTIVE_CARD),
    }
)


async def send(config: Apprise, message: Message, context: SenderContext) -> None:
    """Send by the service in a sandbox, and judge the outcome by its requests."""
    request = render(config, message)
    requests = SandboxRequests(context.http, rule_for_service(request.module))
    check_result(await context.sandboxes.send(request, requests.send), requests)


def render(config: Apprise, message: Message) -> SendRequest:
    """Render the sandbox request. Raises DeliveryError for a service that is no longer in the catalogue."""
    service, content = apprise_urls.find_service(config), compose_text(message)
    if service is None:
        raise DeliveryError("this version knows no such service", permanent=True, channel_level=True)
    markup = SERVICE_MARKUPS.get(service.module, ServiceMarkup())
    first_line = markup.first_line or markup.markdown
    title, text = content.title, content.text
    return SendRequest(
        service.module,
        apprise_urls.build_url(config),
        NOTIFY_TYPES[content.severity],
        markup.title.render(title),
        {
            "text": FormattedText(markup.text.render(title), markup.text.render(text)),
            "markdown": FormattedText(first_line.render(title), markup.markdown.render(text)),
            "html": FormattedText(markup.html.render(title), markup.html.render(text)),
        },
    )


def check_result(result: SendResult, requests: SandboxRequests) -> None:
    """Return when the service accepted the message.

    raises    DeliveryError: by the last failed request; without one, by Apprise's log
    """
    if requests.denied:
        raise DeliveryError(requests.denied, permanent=True, channel_level=True)
    if result.sent and requests.n_sent:
        return
    if not result.error and result.targets != 1:
        raise DeliveryError(_target_error(result.targets), permanent=True, channel_level=True)
    if requests.last_failure:
        raise requests.last_failure.delivery_error(_detail(result))
    if requests.n_sent:  # rejected with a success status: temporary or not is unknown
        raise DeliveryError(f"the service did not take it{_detail(result)}")
    raise DeliveryError(f"{result.error or 'the service sent nothing'}{_detail(result)}", permanent=True)


def _target_error(targets: int) -> str:
    """Why one address must be one message: a partly delivered one could not be retried."""
    if not targets:
        return "the address names nobody to tell"
    return f"the address stands for {targets} messages: make a channel for each, so that none is told twice"


def _detail(result: SendResult) -> str:
    """Apprise's last log line, and what the sandbox denied."""
    detail = f": {result.log_lines[-1]}" if result.log_lines else ""
    return f"{detail} (held back: {', '.join(result.denied)})" if result.denied else detail
