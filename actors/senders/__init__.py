"""Senders: one file per provider with a pure `render()` and a `send()`. Timeouts and errors are handled only here."""

import dataclasses
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from actors.senders.kit.context import SenderContext, make_context
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.provider_errors import judge
from actors.senders.kit.proxies import PROXY_ERRORS, proxy_delivery_error, using_proxy
from actors.senders.kit.redaction import redact_reason
from actors.senders.kit.report import SendReport
from actors.senders.providers import (
    apprise,
    discord,
    google_chat,
    gotify,
    grafana_oncall,
    line,
    matrix,
    mattermost,
    ntfy,
    opsgenie,
    pagerduty,
    pagertree,
    pushbullet,
    pushover,
    sendgrid,
    signal,
    slack,
    smtp,
    teams,
    telegram,
    twilio,
    webhook,
    webpush,
    wecom,
    whatsapp,
)
from app import clock_watch
from app.domain.alerting.messages import message_from_event
from schema.channels import (
    Apprise,
    ChannelConfig,
    Discord,
    GoogleChat,
    Gotify,
    GrafanaOncall,
    Line,
    Matrix,
    Mattermost,
    Ntfy,
    Opsgenie,
    Pagerduty,
    Pagertree,
    Pushbullet,
    Pushover,
    Sendgrid,
    Signal,
    Slack,
    Smtp,
    Teams,
    Telegram,
    Twilio,
    Webhook,
    Webpush,
    Wecom,
    Whatsapp,
)
from schema.message import Message
from schema.proxies import ProxyConfig

__all__ = [
    "SENDERS",
    "SEND_TIMEOUT_S",
    "DeliveryError",
    "SendReport",
    "SenderContext",
    "make_context",
    "message_from_event",
    "send",
]

log = structlog.get_logger()

Sender = Callable[[Any, Message, SenderContext], Awaitable[None]]

STALL_S = 1.0  # of lost time during a send; less does not cost a response
SEND_TIMEOUT_S = 20.0  # of a whole send, from name lookup to response; below the lease of a claimed delivery
SENDERS: dict[type, Sender] = {
    Webhook: webhook.send,
    Smtp: smtp.send,
    Slack: slack.send,
    Discord: discord.send,
    Telegram: telegram.send,
    Ntfy: ntfy.send,
    Gotify: gotify.send,
    Pushover: pushover.send,
    Matrix: matrix.send,
    Mattermost: mattermost.send,
    Teams: teams.send,
    GoogleChat: google_chat.send,
    Signal: signal.send,
    Wecom: wecom.send,
    Whatsapp: whatsapp.send,
    Line: line.send,
    Pushbullet: pushbullet.send,
    GrafanaOncall: grafana_oncall.send,
    Opsgenie: opsgenie.send,
    Pagerduty: pagerduty.send,
    Pagertree: pagertree.send,
    Sendgrid: sendgrid.send,
    Twilio: twilio.send,
    Webpush: webpush.send,
    Apprise: apprise.send,
}


async def send(
    config: ChannelConfig,
    message: Message,
    context: SenderContext,
    *,
    timeout_s: float = SEND_TIMEOUT_S,
    report: SendReport | None = None,
    proxy: ProxyConfig | None = None,
) -> None:
    """Send once. Returns when the receiver has accepted the message: of several recipients, at least one.

    report    names the recipients that it is not sent to again, and holds afterwards how it went for each of the others
    proxy     that of `config.proxy_id`
    raises    DeliveryError with the channel's and the proxy's secrets masked; nothing else
    """
    limit, report = clock_watch.TimeLimit(timeout_s), report or SendReport()
    try:
        async with limit, using_proxy(context, config.proxy_id, proxy) as own_context:
            await SENDERS[type(config)](config, message, dataclasses.replace(own_context, report=report))
    except DeliveryError as error:
        judge(error, type(config))
        raise _mark_stalled(_redact(error, config, proxy), limit) from None
    except PROXY_ERRORS as error:
        raise _mark_stalled(_redact(proxy_delivery_error(error), config, proxy), limit) from None
    except TimeoutError:
        raise _mark_stalled(DeliveryError(f"no answer within {timeout_s:g} s"), limit) from None
    except Exception as error:  # noqa: BLE001  # a bug in one sender delays only its own messages
        log.error(  # noqa: TRY400  # a printed traceback ends in the error's text, which may hold a token
            "sender.crashed", type=type(config).__name__, delivery=message.delivery_id, error=_trace_of(error)
        )
        raise DeliveryError(f"a fault in Watchkeeper ({type(error).__name__}); its log has more") from None
    finally:
        report.redact(lambda reason: _mask(reason, config, proxy))


def _mark_stalled(error: DeliveryError, limit: clock_watch.TimeLimit) -> DeliveryError:
    """Mark the error when this process stalled during the send: it then says nothing about the channel."""
    lost_s = max(clock_watch.watch.lost_s(limit.began_s), limit.late_s)
    error.stalled = lost_s > STALL_S and not error.got_response
    return error


def _redact(error: DeliveryError, config: ChannelConfig, proxy: ProxyConfig | None) -> DeliveryError:
    return DeliveryError(
        _mask(error.reason, config, proxy),
        permanent=error.permanent,
        retry_after_s=error.retry_after_s,
        channel_level=error.channel_level,
        endpoint_gone=error.endpoint_gone,
        got_response=error.got_response,
    )


def _mask(reason: str, config: ChannelConfig, proxy: ProxyConfig | None) -> str:
    return redact_reason(redact_reason(reason, proxy) if proxy else reason, config)


def _trace_of(error: Exception) -> str:
    """The error's type and stack, without its text: that may hold an address or a token."""
    frames = traceback.extract_tb(error.__traceback__)
    path = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__} at {path}"
