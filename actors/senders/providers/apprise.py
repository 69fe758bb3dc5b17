"""Apprise: services that have no sender of their own, told by a process in a cage. Its requests come out here."""

from actors.apprise_sandbox.protocol import SendRequest, SendResult
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.sandbox_requests import SandboxRequests
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


async def send(config: Apprise, message: Message, context: SenderContext) -> None:
    """Have the service tell it, and judge by its requests what became of it."""
    errands = SandboxRequests(context.http)
    check_result(await context.sandboxes.send(render(config, message), errands.send), errands)


def render(config: Apprise, message: Message) -> SendRequest:
    """The order. Raises Undelivered for a service that is in no catalogue any more."""
    service, words = apprise_urls.find_service(config), compose_text(message)
    if service is None:
        raise DeliveryError("this version knows no such service", permanent=True)
    return SendRequest(
        service.module, apprise_urls.build_url(config), words.title, words.text, NOTIFY_TYPES[words.severity]
    )


def check_result(result: SendResult, requests: SandboxRequests) -> None:
    """Return when the service took the message.

    raises    Undelivered: by the request that failed last; without one, by what Apprise says
    """
    if requests.denied:
        raise DeliveryError(requests.denied, permanent=True)
    if result.sent and requests.n_sent:
        return
    if not result.error and result.targets != 1:
        raise DeliveryError(_target_error(result.targets), permanent=True)
    if requests.last_failure:
        raise requests.last_failure.delivery_error(_detail(result))
    if requests.n_sent:  # the service refused in the words of a success: who knows for how long
        raise DeliveryError(f"the service did not take it{_detail(result)}")
    raise DeliveryError(f"{result.error or 'the service sent nothing'}{_detail(result)}", permanent=True)


def _target_error(targets: int) -> str:
    """Why one address must be one message: when some have it and some don't, nobody can send it again."""
    if not targets:
        return "the address names nobody to tell"
    return f"the address stands for {targets} messages: make a channel for each, so that none is told twice"


def _detail(done: SendResult) -> str:
    """Apprise's last words, and what the cage held back."""
    said = f": {done.log_lines[-1]}" if done.log_lines else ""
    return f"{said} (held back: {', '.join(done.denied)})" if done.denied else said
