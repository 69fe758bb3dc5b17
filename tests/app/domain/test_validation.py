"""Rules of a config beyond its types are reported by field name."""

import string

import pytest
from hypothesis import given, strategies as st

from app.domain import config_rules
from app.domain.config_rules import http
from schema.targets import Http, Tcp, Website, WebSocket
from schema.targets.http import Encoding, JsonLanguage
from tests.actors.probes import certificates


def faults(**fields) -> dict[str, str]:
    return {one.field: one.message for one in config_rules.field_errors(Http(url="http://127.0.0.1/", **fields))}


NAMES = st.text(max_size=20) | st.sampled_from(["X-A", "x_b", "", ":path", "X A", "X-A:", "Connection", "TE", "Host"])
CONTROL_CHARS = {*map(chr, range(32)), "\x7f"} - {"\t"}
SITES = {
    Http: {"url": "http://a.test"},
    Website: {"url": "http://a.test"},
    WebSocket: {"url": "ws://a.test"},
}


@given(
    kind=st.sampled_from(list(SITES)),
    name=NAMES,
    value=st.text(max_size=20) | st.sampled_from(["a\r\nB: c", "\0", "a\tb"]),
)
def test_only_valid_headers_that_frame_nothing_are_accepted(kind, name, value):
    """Names are tokens (RFC 9110, 5.1) that frame nothing, and values have no control characters."""
    is_token = bool(name) and all(one in string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~" for one in name)
    holds = is_token and name.lower() not in http.FRAMING_HEADERS and not set(value) & CONTROL_CHARS
    assert (not config_rules.field_errors(kind(**SITES[kind], headers={name: value}))) is holds


@pytest.mark.parametrize("name", sorted(http.HANDSHAKE_HEADERS))
def test_a_websocket_agrees_by_itself(name):
    assert config_rules.field_errors(WebSocket(url="ws://a.test", headers={name.title(): "x"}))


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"regex": "("}, "regex", "is not RE2: missing ): ("),
        ({"regex": r"(a)\1"}, "regex", r"is not RE2: invalid escape sequence: \1"),
        ({"regex": "((a{100}){100}){100}"}, "regex", "is not RE2: "),
        ({"regex": "(a?){1000}b"}, "regex", "is too expensive for `max_body_bytes`; use fewer repetitions, or read "),
        ({"json_query": "a.b"}, "json_query", "is not jsonpath: "),
        ({"json_query": "$" + "[?(" * 300}, "json_query", "is not jsonpath: "),
        ({"json_query": "a..b", "json_query_language": JsonLanguage.JMESPATH}, "json_query", "is not jmespath: "),
        ({"body": "{", "encoding": Encoding.JSON}, "body", "is not JSON: "),
        ({"body": "[" * 60_000, "encoding": Encoding.JSON}, "body", "is not JSON: "),
        ({"body": "<a>", "encoding": Encoding.XML}, "body", "is not XML: "),
        ({"body": "<!DOCTYPE a><a/>", "encoding": Encoding.XML}, "body", "must be XML without a DOCTYPE"),
        ({"body": "a", "encoding": Encoding.FORM}, "body", "is not a form; "),
        ({"body": "a=1&b=%zz", "encoding": Encoding.FORM}, "body", "is not a form; "),
        ({"body": "a=" + "b" * 60_000 + " ", "encoding": Encoding.FORM}, "body", "is not a form; "),
        ({"headers": {"content-type": "a/b"}, "encoding": Encoding.TEXT}, "encoding", "must be empty if"),
        ({"tls_cert": "x", "tls_key": ""}, "tls_key", "is required with tls_cert"),
        ({"tls_ca": "x"}, "tls_ca", "must be certificates in PEM"),
    ],
)
def test_invalid_fields_are_reported_with_a_message(fields, field, message):
    assert faults(**fields)[field].startswith(message)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"regex": r"\bok\b", "json_query": "$..a"},
        {"regex": "(a?){1000}b", "max_body_bytes": 50_000},
        {"json_query": "a[?b=='c'].d | [0]", "json_query_language": JsonLanguage.JMESPATH},
        {"body": '{"a": [1]}', "encoding": Encoding.JSON},
        {"body": "<a><b/></a>", "encoding": Encoding.XML},
        {"body": "a=1%20&b=c=d&e=", "encoding": Encoding.FORM},
    ],
)
def test_valid_fields_are_accepted(fields):
    assert faults(**fields) == {}


def test_certificate_and_key_must_belong_together(tmp_path):
    own, other = certificates.pair(tmp_path), certificates.pair(tmp_path)
    assert faults(tls_cert=own[0], tls_key=own[1], tls_ca=own[0]) == {}
    assert faults(tls_cert=own[0], tls_key=other[1]) == {"tls_key": "does not match the certificate"}
    assert set(faults(tls_cert="x", tls_key="y")) == {"tls_cert", "tls_key"}


def test_types_without_such_rules_hold():
    assert config_rules.field_errors(Tcp(host="a", port=1)) == []
