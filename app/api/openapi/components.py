"""One set of components out of two: what is returned has its plain name, what is sent another where it differs."""

import re
from typing import Any

import msgspec

from app.api.openapi.schemas import Schema

REQUEST_MARK = "sent:"
REQUEST_SUFFIX = "Draft"
_MARKED = re.compile(rb"#/components/schemas/sent:(\w+)")


def merge_components(document: dict[str, Any], returned: dict[str, Schema], sent: dict[str, Schema]) -> bytes:
    """The document as JSON, with its components under their last names."""
    differing = _differing_names(returned, sent)
    names = {name: f"{name}{REQUEST_SUFFIX}" if name in differing else name for name in sent}
    if taken := [new for name, new in names.items() if name in differing and (new in returned or new in sent)]:
        raise TypeError(f"A component is called {taken[0]} already: call the struct of what is sent by another name.")
    renamed = {names[name]: {**schema, "title": names[name]} for name, schema in sent.items()}
    document["components"]["schemas"] = dict(sorted({**renamed, **returned}.items()))
    text = msgspec.json.encode(document)
    return _MARKED.sub(lambda found: b"#/components/schemas/" + names[found.group(1).decode()].encode(), text)


def _differing_names(returned: dict[str, Schema], sent: dict[str, Schema]) -> set[str]:
    """Names that mean one thing when they are sent and another when they are returned, in themselves or below."""
    both = returned.keys() & sent.keys()
    texts = {name: msgspec.json.encode(sent[name]) for name in both}
    below = {name: {one.decode() for one in _MARKED.findall(text)} for name, text in texts.items()}
    plain = {name: text.replace(REQUEST_MARK.encode(), b"") for name, text in texts.items()}
    found = {name for name in both if plain[name] != msgspec.json.encode(returned[name])}
    while more := {name for name in both - found if below[name] & found}:
        found |= more
    return found
