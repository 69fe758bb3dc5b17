"""Apprise: services without their own sender, run in a sandbox process. Its HTTP requests are made here."""

from actors.apprise_sandbox.protocol import SendRequest, SendResult
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.retry_after import rule_for_service
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
    """Send by the service in a sandbox, and judge the outcome by its requests."""
    request = render(config, message)
    requests = SandboxRequests(context.http, rule_for_service(request.module))
    check_result(await context.sandboxes.send(request, requests.send), requests)


def render(config: Apprise, message: Message) -> SendRequest:
    """Render the sandbox request. Raises DeliveryError for a service that is no longer in the catalogue."""
    service, content = apprise_urls.find_service(config), compose_text(message)
    if service is None:
        raise DeliveryError("this version knows no such service", permanent=True)
    return SendRequest(
        service.module, apprise_urls.build_url(config), content.title, content.text, NOTIFY_TYPES[content.severity]
    )


def check_result(result: SendResult, requests: SandboxRequests) -> None:
    """Return when the service accepted the message.

    raises    DeliveryError: by the last failed request; without one, by Apprise's log
    """
    if requests.denied:
        raise DeliveryError(requests.denied, permanent=True)
    if result.sent and requests.n_sent:
        return
    if not result.error and result.targets != 1:
        raise DeliveryError(_target_error(result.targets), permanent=True)
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
