"""An outcome lists certificates and domains that expire soon, whatever the status."""

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from actors.probes.kit import expiring
from actors.probes.kit.certificate import Certificate
from app import clock
from app.domain.alerting.expiry import days_left
from app.domain.text.titles import event_text
from schema.events import EventKind
from schema.jobs import ExpiringItem
from schema.status import Status
from schema.targets import Http, Mail, Ssl, Tcp
from schema.targets.mail import MailProtocol, MailSecurity
from tests.actors.probes import certificates
from tests.actors.probes.scripted_server import saying, talking
from tests.actors.probes.target import answering, serving
from tests.actors.probes.types.test_domain import asking, ends_in, rdap, rdap_response
from tests.actors.senders import sample_messages

SILENT = saying(b"", then_hanging=True)


def ends_of(outcome) -> ExpiringItem:
    assert outcome.expiring is not None
    return outcome.expiring


async def test_a_certificate_is_known_by_its_fingerprint(check, tmp_path):
    async with talking(SILENT, tls=certificates.served(tmp_path, days=40)) as port:
        ending = ends_of(await check(Ssl(host="127.0.0.1", port=port)))
        again = await check(Ssl(host="127.0.0.1", port=port))
    fingerprint = certificates.fingerprint(tmp_path)
    assert (ending.kind, ending.identity) == ("certificate", fingerprint)
    assert (ending.name, ending.issuer) == ("CN=the target", "CN=Tests' authority")
    assert again.expiring == ending


async def test_a_certificate_that_expires_much_later_is_not_listed(check, tmp_path):
    async with talking(SILENT, tls=certificates.served(tmp_path, days=120)) as port:
        assert (await check(Ssl(host="127.0.0.1", port=port))).expiring is None


@pytest.mark.parametrize("days", [5, -2])
async def test_a_failing_check_has_met_one_all_the_same(check, tmp_path, days):
    async with talking(SILENT, tls=certificates.served(tmp_path, days=days)) as port:
        outcome = await check(Ssl(host="127.0.0.1", port=port))
    assert outcome.status is Status.DOWN
    assert ends_of(outcome).identity == certificates.fingerprint(tmp_path)


@pytest.mark.parametrize(("status", "wanted"), [("200 OK", True), ("500 Broken", True), ("200 OK", False)])
async def test_an_address_is_checked_when_requested(check, tmp_path, status, wanted):
    async with serving(answering(status=status), tls=certificates.served(tmp_path, days=20)) as target:
        outcome = await check(Http(url=target.url(scheme="https"), check_cert_expiry=wanted))
    assert (outcome.expiring is not None) is wanted


async def test_a_certificate_rejected_as_expired_is_reported_without_its_name(check, tmp_path):
    async with serving(answering(), tls=certificates.served(tmp_path, days=-2)) as target:
        outcome = await check(Http(url=target.url(scheme="https"), check_cert_expiry=True))
    assert (outcome.status, outcome.expiring) == (Status.DOWN, expiring.EXPIRED_CERTIFICATE)


async def test_an_untrusted_certificate_is_not_reported_as_expired(check, tmp_path):
    tls = certificates.served(tmp_path, days=20, signer=certificates.other_authority())
    async with serving(answering(), tls=tls) as target:
        outcome = await check(Http(url=target.url(scheme="https"), check_cert_expiry=True))
    assert (outcome.status, outcome.expiring) == (Status.DOWN, None)


async def test_a_check_without_tls_meets_none(check):
    async with talking(SILENT) as port:
        assert (await check(Tcp(host="127.0.0.1", port=port))).expiring is None


async def test_a_mail_server_shows_one(check, tmp_path):
    message = saying(b"+OK ready\r\n+OK\r\n.\r\n+OK\r\n", then_hanging=True)
    async with talking(message, tls=certificates.served(tmp_path, days=20)) as port:
        outcome = await check(Mail(host="127.0.0.1", port=port, protocol=MailProtocol.POP3, security=MailSecurity.TLS))
    assert ends_of(outcome).identity == certificates.fingerprint(tmp_path)


async def test_a_domain_is_known_by_its_name_and_its_date(check):
    async with rdap(rdap_response(20)) as (url, _):
        near = ends_of(await check(asking(url, domain="shop.example")))
    async with rdap(rdap_response(3)) as (url, _):
        down = await check(asking(url))
    assert (near.kind, near.identity) == ("domain", f"shop.example {ends_in(20)[:10]}")
    assert (near.name, near.issuer) == ("shop.example", "Names Ltd")
    assert (down.status, ends_of(down).identity) == (Status.DOWN, f"shop.example {ends_in(3)[:10]}")


@given(left_s=st.integers(1, 100 * 86_400))
def test_a_check_and_an_alert_count_the_same_days(left_s: int) -> None:
    now = sample_messages.AT
    certificate = Certificate("CN=shop", "CN=authority", now + timedelta(seconds=left_s), "ab12")
    days = certificate.days_left(now)
    assert days == days_left(clock.epoch_ms(certificate.not_after), clock.epoch_ms(now)) == left_s // 86_400
    words = {0: "expires today", 1: "expires in 1 day"}.get(days, f"expires in {days} days")
    for facts in ({"expires_at": certificate.not_after.isoformat()}, {"days": days}):
        message = sample_messages.message(event=EventKind.CERTIFICATE_EXPIRING, facts=facts)
        assert words in str(event_text(message))
