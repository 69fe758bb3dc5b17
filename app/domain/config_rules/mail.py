"""Validates the headers that a channel adds to its e-mail."""

from collections.abc import Iterator

from app.domain.config_rules.error import ConfigError
from schema.channels import Sendgrid, Smtp

RESERVED_HEADERS = frozenset(  # set by us, or by the servers on the way (RFC 5322, 3.6; RFC 3834, 5)
    {
        *("from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date"),
        *("message-id", "in-reply-to", "references", "auto-submitted"),
        *("return-path", "received", "received-spf", "authentication-results", "dkim-signature"),
    }
)
RESERVED_PREFIXES = ("content-", "mime-", "resent-", "arc-", "x-sg-")  # X-SG: SendGrid's own


def mail_errors(config: Smtp | Sendgrid) -> Iterator[ConfigError]:
    """Errors of a channel that sends e-mail."""
    for name in config.headers:
        if name.lower() in RESERVED_HEADERS or name.lower().startswith(RESERVED_PREFIXES):
            yield f"headers.{name}", "is set automatically; leave it out"
