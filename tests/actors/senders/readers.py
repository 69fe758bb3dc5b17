"""Readers of providers' markups, each by the provider's own rules: the text that people see, and where its links lead.

A reader fails when it meets markup that the text is not expected to have.
"""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any, NamedTuple

from markdown_it import MarkdownIt

URL = re.compile(r"https?://[^\s<>\"]+")


class Shown(NamedTuple):
    """What a provider shows."""

    text: str
    links: list[str]

    def __add__(self, other: Any) -> "Shown":
        return Shown(self.text + other.text, self.links + other.links)


NOTHING = Shown("", [])
Rule = tuple[str, Callable[[re.Match[str]], Shown]]


def plain(text: str) -> Shown:
    """Plain text: an address ends before the marks of its sentence and before a bracket that it did not open."""
    return Shown(text, [_trimmed(one) for one in URL.findall(text)])


def _trimmed(url: str) -> str:
    while url[-1] in ".,:;!?'…" or (url[-1] == ")" and url.count(")") > url.count("(")):
        url = url[:-1]
    return url


def _scan(text: str, rules: list[Rule], markup: str) -> Shown:
    """Apply the first rule that matches at each place; any other character is shown. Fails where markup matches."""
    shown, at = NOTHING, 0
    while at < len(text):
        for pattern, read in rules:
            if match := re.compile(pattern, re.MULTILINE).match(text, at):
                shown, at = shown + read(match), match.end()
                break
        else:
            found = re.compile(markup, re.MULTILINE).match(text, at)
            assert not found, f"{found} is markup in {text!r}"
            shown, at = shown + Shown(text[at], []), at + 1
    return shown._replace(text=shown.text.replace("\u200b", ""))


def _link(match: re.Match[str]) -> Shown:
    return Shown(match[1], [match[1]])


def _text(match: re.Match[str]) -> Shown:
    return Shown(match[1], [])


OUR_LINK: Rule = (r"\[Acknowledge\]\(([^()\s]+)\)", lambda match: Shown("Acknowledge", [match[1]]))


def discord(text: str) -> Shown:
    """Discord: simple-markdown's `escape` and `autolink`, Discord's own marks and mentions."""
    rules: list[Rule] = [(r"\\([^0-9A-Za-z\s])", _text), (r"<([^: >]+:/[^ >]+)>", _link), OUR_LINK]
    return _scan(text, rules, r"[*_~`|\[\]<]|https?://|^ *(?:[-+*]|\d+\.|#{1,3}|>) |^-#|@(?:everyone|here)")


def mattermost(text: str) -> Shown:
    """Mattermost: `escape`, `autolink`, `tag`, `em` and `code` of its fork of marked, and its mentions."""
    rules: list[Rule] = [
        (r"\\([`*{}\[\]()#+\-.!_>|~]|\\(?![A-Za-z0-9_]))", _text),
        (r"<((?:[^ >]+(?:@|:/))[^ >]+)>", _link),
        (r"(&(?:lt|amp);)", lambda match: Shown(unescape_three(match[1]), [])),
        OUR_LINK,
    ]
    marks = r"[*`\[|]|(?<![A-Za-z0-9_])_|_(?![A-Za-z0-9_])|~~|</?[A-Za-z]|&#?\w+;|[@#~]\w|https?://"
    return _scan(text, rules, marks + r"|^ *[-+] |^ *\d+\. |^ *>|^ {4}|^ *(?:=|-){2,} *$|^ *#{1,6} ")


def whatsapp(text: str) -> Shown:
    """WhatsApp: links first; then a mark at the edge of a word makes bold, italic, struck out or code."""
    rules: list[Rule] = [(rf"({URL.pattern})", lambda match: plain(match[1]))]
    shown = _scan(text, rules, r"[*~`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
    return shown._replace(text=shown.text.translate(str.maketrans("∗＿∼ˋ", "*_~`")))  # noqa: RUF001  # the lookalikes


def anchors(text: str) -> Shown:
    """Google Chat: an address in angle brackets is a link; three characters are entities."""
    rules: list[Rule] = [
        (r"<([^>|]+)>", lambda match: Shown(unescape_three(match[1]), [unescape_three(match[1])])),
        (r"(&(?:lt|gt|amp);)", lambda match: Shown(unescape_three(match[1]), [])),
    ]
    shown = _scan(text, rules, r"[*~`<]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
    return shown._replace(text=shown.text.translate(str.maketrans("∗＿∼ˋ", "*_~`")))  # noqa: RUF001  # the lookalikes


def unescape_three(text: str) -> str:
    """The text of Slack's and Google's three entities."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def rocket_chat(text: str) -> Shown:
    """Rocket.Chat: `Escaped`, `AutoLinkURL` and `References` of its message parser; marks that begin anything else."""
    rules: list[Rule] = [
        (r"\\([*_~`#.])", _text),
        (r"<(https?://[^\s|)]+)\|[^>|]+>", _link),
        (r"(?<!\S)(https?://(?:(?![.,!%~*\"':;()=]*(?:\s|$)).)+)", _link),
    ]
    marks = r"[*_~`]|<https?:|\]\(|(?<!\w)@\w|#\w|^[-*] |^\d+\. |^>|^#+ "
    return _scan(text, rules, marks)


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.shown, self.links, self.tags = "", list[str](), set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.shown += "\n" if tag == "br" else ""
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.shown += data


def html(text: str) -> Shown:
    """HTML: text and links; no tags but those of a message."""
    parser = _Html()
    parser.feed(text)
    parser.close()
    assert parser.tags <= {"b", "strong", "br", "a", "html", "body", "h2", "p"}
    return Shown(parser.shown.replace("\u200b", ""), parser.links)


def common_mark(text: str) -> Shown:
    """CommonMark with GitHub's tables and struck text, by a parser of its own; line ends in a paragraph stay."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]  # it would encode letters
    shown, block_ends = NOTHING, 0
    for block in parser.parse(text):
        assert block.type in {"paragraph_open", "paragraph_close", "inline"}, block.type
        block_ends += block.type == "paragraph_close"
        for token in block.children or []:
            assert token.type in {"text", "text_special", "softbreak", "link_open", "link_close"}, token.type
            breaks = "\n" if token.type == "softbreak" else ""
            shown += Shown(breaks + token.content, [str(token.attrs["href"])] if token.type == "link_open" else [])
    assert block_ends == 1
    return shown._replace(text=shown.text.replace("\u200b", "").replace("\u00a0", " "))


def rich_text(block: dict[str, Any]) -> Shown:
    """Slack's rich text: elements of text and links."""
    (section,) = block["elements"]
    shown = NOTHING
    for one in section["elements"]:
        is_link = one["type"] == "link"
        shown += Shown(one.get("text", one.get("url")), [one["url"]] if is_link else [])
    return shown


def card(content: dict[str, Any]) -> Shown:
    """Teams' card: a line for each block of runs, whose actions link."""
    lines = [one["inlines"] for one in content["body"]]
    links = [run["selectAction"]["url"] for line in lines for run in line if "selectAction" in run]
    return Shown("\n".join("".join(run["text"] for run in line) for line in lines), links)
