"""SCRAM sign-ins: a server can't have us hash for as long as it likes, whoever speaks the protocol."""

import struct

import pytest

from actors.probes.postgres_sign_in import SignIn
from actors.probes.scram import MOST_ROUNDS, TOO_MANY_ROUNDS, Scram
from actors.probes.seen import Failed

NONCE = "nonce"


def first(rounds: int | str) -> bytes:
    return f"r={NONCE}more,s=c2FsdA==,i={rounds}".encode()


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", 4 + len(body)) + body


READY = message(b"Z", b"I")


def server_first(rounds: int | str) -> bytes:
    return message(b"R", struct.pack(">i", 11) + first(rounds))


def test_as_many_rounds_as_allowed_are_hashed():
    assert b",p=" in Scram("ada", "secret", "sha256", NONCE).final(first(MOST_ROUNDS))
    assert SignIn()(server_first(MOST_ROUNDS)) == ""


@pytest.mark.parametrize("rounds", [MOST_ROUNDS + 1, 999_999_999])
def test_more_rounds_are_refused(rounds):
    with pytest.raises(Failed, match=TOO_MANY_ROUNDS):
        Scram("ada", "secret", "sha256", NONCE).final(first(rounds))


@pytest.mark.parametrize("rounds", [MOST_ROUNDS + 1, 2_000_000_000, "9" * 5_000, f"4096,i={MOST_ROUNDS + 1}"])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_postgresqls_sign_in_is_refused_in_whatever_pieces_it_comes(rounds, piece):
    judge, data = SignIn(), message(b"N", b"notice") + server_first(rounds)
    found = [judge(data[at : at + piece]) for at in range(0, len(data), piece)]
    assert TOO_MANY_ROUNDS in found


def test_the_rows_after_a_sign_in_may_have_any_words():
    judge = SignIn()
    assert judge(server_first(4_096) + message(b"R", struct.pack(">i", 0)) + READY) == ""
    assert judge(server_first(2_000_000_000)) == ""
