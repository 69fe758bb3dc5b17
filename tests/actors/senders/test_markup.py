"""Every provider shows words as they were written, and links to addresses as they were written."""

import pytest
from hypothesis import given as for_any, settings, strategies as st

from schema.channels import PROVIDERS
from tests.actors.senders import sample_messages
from tests.actors.senders.displays import displays
from tests.actors.senders.readers import Shown

WITH_OWN_READERS = sorted(set(PROVIDERS) - {"apprise"})  # Apprise: tests/actors/apprise_sandbox/test_formats.py
TOKEN = st.text("ABYZabyz0189-_", min_size=1, max_size=40)
WORD = st.text("*_~`[]()<>#|\\&;:!-+=.@{}$a1é🔥", min_size=1, max_size=12) | st.sampled_from(
    [
        *(
            "_staging_",
            "*/5",
            "**",
            "my_shop",
            "2026-11-28",
            "&lt;b&gt;",
            "[x](y)",
            "<@all>",
            "@channel",
            "C:\\new",
            "1.",
        ),
        *("<b>", "</p>", "||x||", "```", "~~gone~~", "#ops", "~town", "<!here>", "- a", "===", "\\_", "\\\\*", "-"),
    ]
)
HOST = st.sampled_from(["watch.example.org", "wiki.example", "10.0.0.1:8080", "a-b.example:3001"])
TAIL = st.text("abz019-._~:/?#[]@!$&'()*+,;=%", max_size=25)
OURS = st.builds("https://watch.example.org/ack/{}.{}".format, TOKEN, TOKEN)


def _is_whole(address: str) -> bool:
    """Whether no mark at its end could belong to the sentence around it."""
    return address[-1] not in ".,:;!?'[" and address.count("(") == address.count(")") and not set("[]") & set(address)


ADDRESS = OURS | st.builds("https://{}/{}".format, HOST, TAIL).filter(_is_whole)
AROUND = st.sampled_from([("", ""), ("(", ")"), ("", "."), ('"', '"'), ("<", ">"), ("", ","), ("run: ", "!")])


@st.composite
def texts(draw: st.DrawFn) -> Shown:
    """Some lines, and the addresses in them."""
    pieces = draw(st.lists(st.lists(st.tuples(AROUND, ADDRESS | st.none(), WORD), min_size=1, max_size=4), max_size=4))
    lines, links = list[str](), list[str]()
    for line in pieces:
        words = [f"{before}{address}{after}" if address else word for (before, after), address, word in line]
        links += [address for _, address, _ in line if address]
        lines.append(" ".join(words))
    return Shown("\n".join(["x", *lines]), links)


@pytest.mark.parametrize("provider", WITH_OWN_READERS)
@settings(max_examples=25, deadline=None)
@for_any(st.lists(WORD, min_size=1, max_size=3).map(" ".join), texts(), OURS)
def test_a_provider_shows_what_was_written(provider: str, title: str, text: Shown, ack_url: str) -> None:
    asked = sample_messages.message(title=title, text=text.text, msg=text.text, incident_id="3b1f")
    for shown in displays(provider, asked):
        expected = text.text if provider == "webhook" else f"{title}\n{text.text}"
        assert shown.text.removeprefix("🔴 ") == expected
        assert shown.links == text.links
    linked = sample_messages.message(title=title, text=f"{text.text}\nAcknowledge: {ack_url}", ack_url=ack_url)
    assert ack_url in displays(provider, linked)[0].links or provider == "webhook"
