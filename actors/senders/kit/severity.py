"""What a mood looks like, where a provider leaves that to us. Pure."""

from app.domain.text.message_text import Severity

EMOJI = {Severity.CRITICAL: "🔴", Severity.RESOLVED: "🟢", Severity.WARNING: "🟡", Severity.INFO: "🔵"}
COLOURS = {
    Severity.CRITICAL: 0xD9342B,
    Severity.RESOLVED: 0x2E9E4F,
    Severity.WARNING: 0xE0A100,
    Severity.INFO: 0x5B6B7B,
}


def is_urgent(severity: Severity) -> bool:
    """Somebody may have to act: what is left can wait until people look."""
    return severity in (Severity.CRITICAL, Severity.WARNING)
