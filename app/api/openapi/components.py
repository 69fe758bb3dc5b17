"""Merges the components of responses and requests: a request's component gets another name where the two differ."""

import re
from typing import Any

import msgspec

from app.api.openapi.schemas import Schema

REQUEST_MARK = "request:"  # before the name of a component in references from requests, until the two sets are merged
REQUEST_SUFFIX = "Draft"
_MARKED = re.compile(rb"#/components/schemas/request:(\w+)")


def merge_components(document: dict[str, Any], responses: dict[str, Schema], requests: dict[str, Schema]) -> bytes:
    """The document as JSON, with its components under their final names."""
    differing = _differing_names(responses, requests)
    names = {name: f"{name}{REQUEST_SUFFIX}" if name in differing else name for name in requests}
    if taken := [new for name, new in names.items() if name in differing and (new in responses or new in requests)]:
        raise TypeError(f"There is a component called {taken[0]} already: rename the struct of the request.")
    renamed = {names[name]: {**schema, "title": names[name]} for name, schema in requests.items()}
    document["components"]["schemas"] = dict(sorted({**renamed, **responses}.items()))
    text = msgspec.json.encode(document)
    return _MARKED.sub(lambda match: b"#/components/schemas/" + names[match.group(1).decode()].encode(), text)


def _differing_names(responses: dict[str, Schema], requests: dict[str, Schema]) -> set[str]:
    """Names whose schema differs between requests and responses, in itself or in a component that it refers to."""
    both = responses.keys() & requests.keys()
    texts = {name: msgspec.json.encode(requests[name]) for name in both}
    references = {name: {one.decode() for one in _MARKED.findall(text)} for name, text in texts.items()}
    unmarked = {name: text.replace(REQUEST_MARK.encode(), b"") for name, text in texts.items()}
    differing = {name for name in both if unmarked[name] != msgspec.json.encode(responses[name])}
    while more := {name for name in both - differing if references[name] & differing}:
        differing |= more
    return differing
