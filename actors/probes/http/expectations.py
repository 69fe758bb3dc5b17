"""Checks an HTTP response against its monitor: status, headers, body. The body is read once, and only if needed."""

from functools import lru_cache, partial

from msgspec import Struct

from actors.probes.kit.bounded_body import BoundedBody
from actors.probes.kit.http_response import HttpProbeResponse
from actors.probes.kit.result import CheckInconclusive
from actors.probes.kit.threads import run_in_thread
from app.domain.parsing import untrusted_json
from app.domain.parsing.values import ABSENT, Scalar, Untyped
from app.domain.validation.assertions import is_costly, mismatch_reason
from schema.heartbeat_texts import heartbeat_text
from schema.targets import Http
from schema.targets.http import HeaderAssertion

SHOWN_CHARS = 80  # of a monitor's pattern or header, in a message


class ExpectationResult(Struct, frozen=True):
    """Why an expectation failed, empty when none did, and the value of the JSON query."""

    failure: str = ""
    value: Scalar = ABSENT


async def check_expectations(target: Http, response: HttpProbeResponse) -> ExpectationResult:
    """Check the response, cheapest rule first. Raises TargetFailed for an undecodable body, and aiohttp's errors."""
    if response.status not in accepted_statuses(tuple(target.accepted_statuscodes)):
        return ExpectationResult(
            f"{heartbeat_text(response.status)}, expected {', '.join(target.accepted_statuscodes)}"
        )
    if target.header_assertions and (failure := await _header_failure(target, response)):
        return ExpectationResult(failure)
    if not (target.keyword or target.regex or target.json_query):
        return ExpectationResult()
    body = BoundedBody(response, target.max_body_bytes)
    return await _check_text(target, await _read_text(target, body), body)


@lru_cache(maxsize=1_024)
def accepted_statuses(codes: tuple[str, ...]) -> frozenset[int]:
    """Every status that these codes (204), classes (2XX) and ranges (200-299) include."""
    found: set[int] = set()
    for code in codes:
        first_code, _, last_code = code.upper().replace("XX", "00").partition("-")
        end = int(last_code or first_code) + (99 if "X" in code.upper() else 0)
        found.update(range(int(first_code), end + 1))
    return frozenset(found)


async def _header_failure(target: Http, response: HttpProbeResponse) -> str:
    for assertion in target.header_assertions:
        value = response.headers.get(assertion.name)
        if value is None:
            return f"the header {assertion.name[:SHOWN_CHARS]} is not in the answer"
        if failure := await _assertion_failure(assertion, Untyped(value)):
            return f"the header {assertion.name[:SHOWN_CHARS]}, {value[:SHOWN_CHARS]!r}, {failure}"
    return ""


async def _assertion_failure(assertion: HeaderAssertion, value: Untyped) -> str:
    compared = (value, assertion.operator, assertion.expected, assertion.compare)
    if is_costly([(assertion.operator, assertion.expected)], value):
        return await run_in_thread(mismatch_reason, *compared)
    return mismatch_reason(*compared)


async def _read_text(target: Http, body: BoundedBody) -> str:
    """As much of the body as decides: all of it, unless it only has to contain something."""
    is_all_needed = target.json_query or (target.keyword and target.invert_keyword)
    if is_all_needed or (target.regex and target.invert_regex):
        await body.read()
        return await body.text()
    return await body.read_until(partial(_is_decided, target))


async def _is_decided(target: Http, text: str) -> bool:
    """Whether the body so far contains all that is expected, whatever follows."""
    if target.keyword and target.keyword not in text:
        return False
    if not target.regex:
        return True
    try:
        and_more = f"(?:{target.regex})(?s:.)"  # one more character: a pause is not the end that `$` means
        return await _matches(and_more, text)
    except CheckInconclusive:
        return False


async def _check_text(target: Http, text: str, body: BoundedBody) -> ExpectationResult:
    if target.keyword and (target.keyword in text) is target.invert_keyword:
        is_there = "" if target.invert_keyword else "not "
        return ExpectationResult(f"the keyword {target.keyword[:SHOWN_CHARS]!r} is {is_there}in the body")
    if target.regex and await _matches(target.regex, text) is target.invert_regex:
        what = "something" if target.invert_regex else "nothing"
        return ExpectationResult(f"{what} in the body fits {target.regex[:SHOWN_CHARS]!r}")
    if not target.json_query:
        return ExpectationResult()
    return await _query_json(target, bytes(body.raw) if untrusted_json.declares_encoding(body.raw) else text)


async def _matches(pattern: str, text: str) -> bool:
    from app.domain.validation import regex  # noqa: PLC0415  # most checks never need it

    raw = regex.encode_text(text)
    try:
        if regex.search_cost(pattern, len(raw)) <= regex.EVENT_LOOP_COST:
            return regex.contains_match(pattern, raw)
        return await run_in_thread(regex.contains_match, pattern, raw)
    except ValueError as error:
        raise CheckInconclusive(f"the pattern can't be used: {error}") from error


async def _query_json(target: Http, text: str | bytes) -> ExpectationResult:
    from app.domain.validation import json_query  # noqa: PLC0415  # most checks never need it

    try:
        return ExpectationResult(value=await _json_value(target, text))
    except json_query.NoMatch as error:
        return ExpectationResult(str(error))
    except ValueError as error:
        raise CheckInconclusive(f"the JSON query can't be used: {error}") from error


async def _json_value(target: Http, text: str | bytes) -> Scalar:
    """The query's value: at once when that is quick, else in a thread, from the beginning."""
    from app.domain.validation import json_query  # noqa: PLC0415  # most checks never need it

    language, query = target.json_query_language, target.json_query
    if len(text) <= json_query.EVENT_LOOP_CHARS:
        try:
            return json_query.find_first(language, query, text, json_query.EVENT_LOOP_STEPS)
        except json_query.BudgetExceeded:
            pass
    return await run_in_thread(json_query.find_first, language, query, text)
