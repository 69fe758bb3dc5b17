"""What a mood looks like, where a provider leaves that to us. Pure."""

from app.domain.text.message_text import Mood

EMOJI = {Mood.BAD: "🔴", Mood.GOOD: "🟢", Mood.WARNING: "🟡", Mood.NEUTRAL: "🔵"}
COLOURS = {Mood.BAD: 0xD9342B, Mood.GOOD: 0x2E9E4F, Mood.WARNING: 0xE0A100, Mood.NEUTRAL: 0x5B6B7B}


def is_urgent(mood: Mood) -> bool:
    """Somebody may have to act: what is left can wait until people look."""
    return mood in (Mood.BAD, Mood.WARNING)
