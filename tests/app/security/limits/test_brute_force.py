"""Guessing is slowed down, from one address or many, and an attacker cannot lock a user out permanently."""

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import replace

import pytest
import time_machine

from app import db
from app.security.limits import brute_force
from app.security.limits.brute_force import LOCKOUT_RULES, WIDE_FACTOR, LockedOut
from app.security.secrets import sealing
from app.settings import Settings
from app.store.identity import login_failures
from schema.login_attempts import CredentialKind

MOST, WINDOW_S, LOCKOUT_S = 4, 60, 90
HOME, ELSEWHERE = "198.51.100.7", "203.0.113.9"
ADA = "ada@example.org"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(1_795_000_000, tick=False) as coordinates:
        yield coordinates


@pytest.fixture(autouse=True)
def rules(store: Settings) -> None:
    sealing.prepare(store)
    short = replace(store, bruteforce_max_attempts=MOST, bruteforce_window_s=WINDOW_S, bruteforce_lockout_s=LOCKOUT_S)
    brute_force.prepare(short, login_failures)


async def guess(address: str, account: str = ADA, proof: CredentialKind = CredentialKind.PASSWORD) -> None:
    """A wrong attempt: rejected, or locked out."""
    await brute_force.refuse_if_locked(proof, address, account)
    await brute_force.record_failure(proof, address, account)


async def result_of(tries: Awaitable[None]) -> str:
    """`wrong`, or for how many seconds one has to wait."""
    try:
        await tries
    except LockedOut as refusal:
        return str(refusal.retry_after_s)
    return "wrong"


async def test_repeated_failures_cause_a_lockout(clock: time_machine.Traveller) -> None:
    assert [await result_of(guess(HOME)) for _ in range(MOST + 1)] == ["wrong"] * MOST + [str(LOCKOUT_S)]
    clock.shift(LOCKOUT_S - 1)
    assert await result_of(guess(HOME)) == "1"
    clock.shift(1)
    assert await result_of(guess(HOME)) == "wrong"


async def test_tries_that_are_refused_do_not_prolong_the_wait(clock: time_machine.Traveller) -> None:
    for _ in range(MOST):
        await guess(HOME)
    for _ in range(LOCKOUT_S):
        assert await result_of(guess(HOME)) != "wrong"
        clock.shift(1)
    assert await result_of(guess(HOME)) == "wrong"


async def test_the_window_slides(clock: time_machine.Traveller) -> None:
    for _ in range(MOST - 1):
        await guess(HOME)
        clock.shift(WINDOW_S // 2)
    assert [await result_of(guess(HOME)) for _ in range(MOST)] == ["wrong"] * 3 + [str(LOCKOUT_S)]


async def test_a_wait_binds_the_account_from_this_address_only(clock: time_machine.Traveller) -> None:
    for _ in range(MOST):
        await guess(HOME)
    assert await result_of(guess(ELSEWHERE)) == "wrong"
    assert await result_of(guess(HOME, "bob@example.org")) == "wrong"


async def test_account_names_are_counted_case_insensitively(clock: time_machine.Traveller) -> None:
    for _ in range(MOST):
        await guess(HOME, " ADA@Example.org")
    assert await result_of(guess(HOME)) != "wrong"


async def test_concurrent_guesses_stay_within_the_limit() -> None:
    answers = await asyncio.gather(*(result_of(guess(HOME)) for _ in range(40)))
    assert answers.count("wrong") <= MOST


async def test_beyond_the_limit_a_right_guess_looks_like_a_wrong_one() -> None:
    await brute_force.refuse_if_locked(
        CredentialKind.PASSWORD, HOME, ADA
    )  # all were admitted before the first was known as wrong
    for _ in range(MOST):
        await brute_force.record_failure(CredentialKind.PASSWORD, HOME, ADA)
    with pytest.raises(LockedOut):
        await brute_force.record_success(CredentialKind.PASSWORD, HOME, ADA)


async def test_a_right_guess_resets_the_wrong_ones_before_it(clock: time_machine.Traveller) -> None:
    for _ in range(3):
        for _ in range(MOST - 1):
            await guess(HOME)
        await brute_force.record_success(CredentialKind.PASSWORD, HOME, ADA)
    assert await result_of(guess(HOME)) == "wrong"


async def test_an_account_guessed_from_many_addresses_is_closed_to_strangers(clock: time_machine.Traveller) -> None:
    answers = [await result_of(guess(f"192.0.2.{number}")) for number in range(MOST * WIDE_FACTOR + 1)]
    assert answers == ["wrong"] * MOST * WIDE_FACTOR + [str(LOCKOUT_S)]


async def test_its_owner_gets_in_meanwhile_from_where_they_got_in_before(clock: time_machine.Traveller) -> None:
    await brute_force.record_success(CredentialKind.PASSWORD, HOME, ADA)
    for _ in range(10):
        answers = [await result_of(guess(f"192.0.2.{number}")) for number in range(MOST * WIDE_FACTOR + 1)]
        assert answers[-1] == str(LOCKOUT_S)
        await brute_force.refuse_if_locked(CredentialKind.PASSWORD, HOME, ADA)
        await brute_force.record_success(CredentialKind.PASSWORD, HOME, ADA)
        clock.shift(LOCKOUT_S)


async def test_a_familiar_address_still_has_its_own_limit(clock: time_machine.Traveller) -> None:
    await brute_force.record_success(CredentialKind.PASSWORD, HOME, ADA)
    assert [await result_of(guess(HOME)) for _ in range(MOST + 1)][-1] == str(LOCKOUT_S)


async def test_an_address_that_guesses_at_many_accounts_has_to_wait(clock: time_machine.Traveller) -> None:
    await brute_force.record_success(CredentialKind.PASSWORD, HOME, ADA)
    answers = [await result_of(guess(HOME, f"user{number}@example.org")) for number in range(MOST * WIDE_FACTOR + 1)]
    assert answers == ["wrong"] * MOST * WIDE_FACTOR + [str(LOCKOUT_S)]
    await brute_force.refuse_if_locked(
        CredentialKind.PASSWORD, HOME, ADA
    )  # who shares that address and is known goes on


async def test_many_at_once_from_many_addresses_are_counted_together() -> None:
    answers = await asyncio.gather(*(result_of(guess(f"192.0.2.{number}")) for number in range(40)))
    assert answers.count("wrong") <= MOST * WIDE_FACTOR


async def test_addresses_of_one_ipv6_network_are_one(clock: time_machine.Traveller) -> None:
    answers = [await result_of(guess(f"2001:db8::{number:x}")) for number in range(1, MOST + 2)]
    assert answers[-1] == str(LOCKOUT_S)
    assert await result_of(guess("2001:db8:0:1::1")) == "wrong"


async def test_kinds_of_proof_are_counted_apart(clock: time_machine.Traveller) -> None:
    for _ in range(MOST):
        await guess(HOME)
    assert await result_of(guess(HOME, proof=CredentialKind.CODE)) == "wrong"


async def test_codes_are_guarded_more_strictly_than_passwords(clock: time_machine.Traveller) -> None:
    answers = [await result_of(guess(f"192.0.2.{number}", proof=CredentialKind.CODE)) for number in range(MOST + 1)]
    assert answers == ["wrong"] * MOST + [str(LOCKOUT_S * LOCKOUT_RULES[CredentialKind.CODE].time_factor)]


async def test_key_attempts_have_no_account_and_bind_their_address(clock: time_machine.Traveller) -> None:
    answers = [await result_of(guess(HOME, "", CredentialKind.KEY)) for _ in range(MOST * WIDE_FACTOR + 1)]
    assert answers == ["wrong"] * MOST * WIDE_FACTOR + [str(LOCKOUT_S)]
    assert await result_of(guess(ELSEWHERE, "", CredentialKind.KEY)) == "wrong"


async def test_a_clock_that_was_put_back_causes_no_long_lockout(clock: time_machine.Traveller) -> None:
    for _ in range(MOST):
        await guess(HOME)
    clock.shift(-3_600)
    assert await result_of(guess(HOME)) == "wrong"


async def test_attempted_user_names_are_not_stored(clock: time_machine.Traveller) -> None:
    await guess(HOME, "hunter2, typed into the wrong field")
    assert "hunter2" not in str([dict(row) for row in await db.rows("SELECT * FROM login_failures")])


async def test_a_success_without_anything_new_writes_nothing(clock: time_machine.Traveller) -> None:
    await brute_force.record_success(CredentialKind.PASSWORD, HOME, ADA)
    first = [dict(row) for row in await db.rows("SELECT * FROM known_addresses")]
    clock.shift(3_600)
    await brute_force.record_success(CredentialKind.PASSWORD, HOME, ADA)
    assert [dict(row) for row in await db.rows("SELECT * FROM known_addresses")] == first


async def test_failures_are_forgotten_when_they_count_for_nothing(clock: time_machine.Traveller) -> None:
    await guess(HOME)
    await brute_force.record_success(CredentialKind.PASSWORD, ELSEWHERE, ADA)
    now_ms = 1_795_000_000_000
    assert await login_failures.delete_expired(now_ms + (WINDOW_S + LOCKOUT_S) * 1_000) == 0
    assert await login_failures.delete_expired(now_ms + (WINDOW_S + LOCKOUT_S) * 1_000 + 1) == 1
    assert await login_failures.delete_expired(now_ms + login_failures.KNOWN_ADDRESS_TTL_MS + 1) == 1
