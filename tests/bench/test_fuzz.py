"""Fuzzing fails when an operation was not tested, however well the others did."""

import pytest

from bench.fuzz import Outcome, checked_in, operations_of, verdict_of

DOCUMENT = {
    "paths": {
        "/api/v1/monitors": {"parameters": [], "get": {}, "post": {}},
        "/health": {"summary": "Are we well", "get": {}},
    }
}
GET, POST, HEALTH = "GET /api/v1/monitors", "POST /api/v1/monitors", "GET /health"
EVERY = frozenset({GET, POST, HEALTH})
JUNIT = f"""<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="schemathesis">
  <testcase name="{GET}" time="1.5" />
  <testcase name="{HEALTH}"><failure type="failure">a reply that the document does not have</failure></testcase>
  <testcase name="{POST}"><skipped type="skipped">No examples in schema</skipped></testcase>
  <testcase name="PUT /api/v1/monitors"><error type="error">Runtime Error</error></testcase>
</testsuite></testsuites>"""


def test_the_document_names_its_operations() -> None:
    assert operations_of(DOCUMENT) == EVERY


def test_skipped_and_aborted_operations_are_not_tested() -> None:
    assert checked_in(JUNIT) == {GET, HEALTH}


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (Outcome("nobody", 0, EVERY), "nobody: 3 of 3 operations tested, and everything holds."),
        (Outcome("nobody", 0), f"nobody: 0 of 3 operations tested; not tested: {GET}, {HEALTH}, {POST}."),
        (Outcome("admin", 0, EVERY - {POST}), f"admin: 2 of 3 operations tested; not tested: {POST}."),
        (Outcome("admin", 0, EVERY ^ {POST, "GET /x"}), f"admin: 2 of 3 operations tested; not tested: {POST}."),
        (Outcome("admin", 1, EVERY), "admin: 3 of 3 operations tested; something does not hold, see above."),
        (Outcome("admin", -9, EVERY), "admin: 3 of 3 operations tested; something does not hold, see above."),
    ],
    ids=["all", "none", "all but one", "another instead", "failures", "killed"],
)  # fmt: skip
def test_only_a_run_that_tested_everything_passes(outcome: Outcome, sentence: str) -> None:
    assert verdict_of(outcome, EVERY) == (sentence.endswith("everything holds."), sentence)


def test_a_document_without_operations_fails() -> None:
    assert verdict_of(Outcome("nobody", 0), frozenset()) == (False, "nobody: the document has no operations.")


def test_a_long_list_of_what_is_missing_is_cut() -> None:
    many = frozenset(f"GET /{letter}" for letter in "abcdefg")
    assert verdict_of(Outcome("nobody", 0), many)[1].endswith("GET /a, GET /b, GET /c, GET /d, GET /e, ….")
