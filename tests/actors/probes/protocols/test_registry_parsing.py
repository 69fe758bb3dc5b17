"""Expiry dates are read as registries write them. `registry_answers.json` has an excerpt of a response of each."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from actors.probes.protocols.registry_dates import parse_date
from actors.probes.protocols.registry_parsing import parse_whois

ANSWERS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("registry_answers.json").read_text(encoding="utf-8")
)
DAYS = st.dates(date(1990, 1, 1), date(2199, 12, 31))
ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
FORMS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y. %m. %d.", "%Y%m%d", "%Y%m%d235959", "%Y-%b-%d.", "%Y-%m-%d (YYYY-MM-DD)",
    "%Y-%m-%d 23:59:59 CLST", "%Y.%m.%d 23:59:59", "%Y-%m-%d 00:00:00 (UTC+8)", "%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y",
    "%d-%b-%Y", "%d-%B-%Y", "%d-%b-%Y 23:59:59 UTC", "%d %b %Y", "%d %B %Y", "%d %b %Y 10:02 WAT", "%d.%m.%Y 23:59:59",
    "%B %d %Y", "%b %d, %Y", "%a %b %d 23:59:59 GMT %Y", "%a %b %d 23:59:00 %Y", "%A %d %b %Y", "%A, %d %B, %Y",
)  # fmt: skip


def test_the_corpus_has_the_answers_of_many_registries() -> None:
    assert len({answer["tld"] for answer in ANSWERS}) >= 150


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer["tld"])
def test_the_expiry_date_of_a_registrys_answer_is_read(answer: dict[str, Any]) -> None:
    found = parse_whois("\r\n".join(answer["lines"]))
    assert found is not None
    assert found.ends_at == datetime.fromisoformat(answer["ends"])


@pytest.mark.parametrize("form", FORMS)
@given(day=DAYS)
def test_a_day_is_read_in_every_form(form: str, day: date) -> None:
    found = parse_date(day.strftime(form))
    assert found is not None
    assert found.date() == day


@given(day=DAYS)
def test_a_day_is_read_without_zeros_and_with_an_ordinal(day: date) -> None:
    expected = datetime(day.year, day.month, day.day, tzinfo=UTC)
    ordinal = f"{day.day}{ORDINALS.get(day.day, 'th')}"
    for text in (
        f"{day.day}.{day.month}.{day.year}",
        f"{ordinal} {day:%B}, {day.year}",
        f"Monday {ordinal} {day:%b %Y}",
    ):
        assert parse_date(text) == expected


@pytest.mark.parametrize(
    ("lines", "day"),
    [
        (["Domain registered: 12/18/2001", "Record will expire on: 03/02/2027"], date(2027, 3, 2)),
        (["Created: 18/12/2001", "Expires: 03/02/2027"], date(2027, 2, 3)),
        (["Expires: 03/02/2027"], date(2027, 2, 3)),
        (["Created: 18-12-2001", "Expires: 03-02-2027"], date(2027, 2, 3)),
    ],
)
def test_other_dates_of_the_answer_show_the_order_of_day_and_month(lines: list[str], day: date) -> None:
    found = parse_whois("\n".join(lines))
    assert found is not None
    assert found.ends_at.date() == day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "never",
        "soon",
        "0000-00-00",
        "2027-13-40",
        "31.02.2027",
        "28 Foo 2027",
        "16/09/14",
        "12345678901",
        "1.2.20271",
    ],
)
def test_a_text_that_is_no_date_of_known_order_is_none(text: str) -> None:
    assert parse_date(text) is None


@given(st.text(max_size=300))
def test_any_text_is_a_date_or_none(text: str) -> None:
    parse_date(text)
    parse_whois(f"expires: {text}\n{text}\nRenewal date:\n{text}")
