"""What an HTTP answer must be: its status, its headers, its words. The body is read once, where words are asked for."""

from functools import lru_cache, partial

from msgspec import Struct

from actors.probes.kit.bounded_body import Body
from actors.probes.kit.http_response import Reply
from actors.probes.kit.result import Unsure
from actors.probes.kit.threads import off_loop
from app.domain.monitoring.values import ABSENT, Scalar, Untyped
from app.domain.parsing import untrusted_json
from app.domain.validation.assertions import is_costly, unmet
from schema.heartbeat_texts import text_of as words_for
from schema.targets import Http
from schema.targets.http import HeaderAssertion

SHOWN = 80  # characters of what a monitor looks for, in a sentence


class Read(Struct, frozen=True):
    """What was found: the trouble, empty when there is none, and the JSON query's hit."""

    trouble: str = ""
    value: Scalar = ABSENT


async def read(target: Http, answer: Reply) -> Read:
    """Hold the answer against the monitor, cheapest first. Raises Failed for a broken body, aiohttp's errors."""
    if answer.status not in accepted(tuple(target.accepted_statuscodes)):
        return Read(f"{words_for(answer.status)}, expected {', '.join(target.accepted_statuscodes)}")
    if target.header_assertions and (trouble := await _headers(target, answer)):
        return Read(trouble)
    if not (target.keyword or target.regex or target.json_query):
        return Read()
    body = Body(answer, target.max_body_bytes)
    return await _words(target, await _text(target, body), body)


@lru_cache(maxsize=1_024)
def accepted(codes: tuple[str, ...]) -> frozenset[int]:
    """Every status that these codes (204), classes (2XX) and ranges (200-299) mean."""
    found: set[int] = set()
    for code in codes:
        least, _, most = code.upper().replace("XX", "00").partition("-")
        end = int(most or least) + (99 if "X" in code.upper() else 0)
        found.update(range(int(least), end + 1))
    return frozenset(found)


async def _headers(target: Http, answer: Reply) -> str:
    for one in target.header_assertions:
        value = answer.headers.get(one.name)
        if value is None:
            return f"the header {one.name[:SHOWN]} is not in the answer"
        if words := await _unmet(one, Untyped(value)):
            return f"the header {one.name[:SHOWN]}, {value[:SHOWN]!r}, {words}"
    return ""


async def _unmet(one: HeaderAssertion, value: Untyped) -> str:
    compared = (value, one.operator, one.expected, one.compare)
    if is_costly([(one.operator, one.expected)], value):
        return await off_loop(unmet, *compared)
    return unmet(*compared)


async def _text(target: Http, body: Body) -> str:
    """As much of the body as decides: all of it, unless it only has to hold something."""
    is_all_needed = target.json_query or (target.keyword and target.invert_keyword)
    if is_all_needed or (target.regex and target.invert_regex):
        await body.read()
        return await body.text()
    return await body.read_until(partial(_is_enough, target))


async def _is_enough(target: Http, text: str) -> bool:
    """Whether what has come holds all that is wanted, whatever follows."""
    if target.keyword and target.keyword not in text:
        return False
    if not target.regex:
        return True
    try:
        return await _found(
            f"(?:{target.regex})(?s:.)", text
        )  # and one more character: a pause is not the end, to a `$`
    except Unsure:
        return False


async def _words(target: Http, text: str, body: Body) -> Read:
    if target.keyword and (target.keyword in text) is target.invert_keyword:
        is_there = "" if target.invert_keyword else "not "
        return Read(f"the keyword {target.keyword[:SHOWN]!r} is {is_there}in the body")
    if target.regex and await _found(target.regex, text) is target.invert_regex:
        fits = "something" if target.invert_regex else "nothing"
        return Read(f"{fits} in the body fits {target.regex[:SHOWN]!r}")
    if not target.json_query:
        return Read()
    return await _hit(target, bytes(body.raw) if untrusted_json.tells_itself(body.raw) else text)


async def _found(regex: str, text: str) -> bool:
    from app.domain.validation import regex as patterns  # noqa: PLC0415  # a library that most checks never need

    raw = patterns.in_utf8(text)
    try:
        if patterns.cost(regex, len(raw)) <= patterns.PROMPT_COST:
            return patterns.found(regex, raw)
        return await off_loop(patterns.found, regex, raw)
    except ValueError as error:
        raise Unsure(f"the pattern can't be used: {error}") from error


async def _hit(target: Http, text: str | bytes) -> Read:
    from app.domain.validation import json_query  # noqa: PLC0415  # a library that most checks never need

    try:
        return Read(value=await _value(target, text))
    except json_query.NotFound as error:
        return Read(str(error))
    except ValueError as error:
        raise Unsure(f"the JSON query can't be used: {error}") from error


async def _value(target: Http, text: str | bytes) -> Scalar:
    """The query's hit: at once when that is soon found, else in a thread, from the beginning."""
    from app.domain.validation import json_query  # noqa: PLC0415  # a library that most checks never need

    language, query = target.json_query_language, target.json_query
    if len(text) <= json_query.PROMPT_CHARS:
        try:
            return json_query.hit(language, query, text, json_query.PROMPT_STEPS)
        except json_query.Spent:
            pass
    return await off_loop(json_query.hit, language, query, text)
