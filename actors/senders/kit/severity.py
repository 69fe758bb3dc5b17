"""Emoji and colours of severities, for providers without their own. Pure."""

from app.domain.text.message_text import Severity

EMOJI = {Severity.CRITICAL: "🔴", Severity.RESOLVED: "🟢", Severity.WARNING: "🟡", Severity.INFO: "🔵"}
COLOURS = {
    Severity.CRITICAL: 0xD9342B,
    Severity.RESOLVED: 0x2E9E4F,
    Severity.WARNING: 0xE0A100,
    Severity.INFO: 0x5B6B7B,
}


def is_urgent(severity: Severity) -> bool:
    """Whether somebody may have to act now."""
    return severity in (Severity.CRITICAL, Severity.WARNING)
