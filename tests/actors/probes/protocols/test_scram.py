"""SCRAM sign-ins: a server cannot make us hash for arbitrarily long, in any protocol."""

import struct

import pytest
from hypothesis import given, strategies as st

from actors.probes.kit.result import TargetFailed
from actors.probes.protocols.postgres_messages import NOT_POSTGRES, NULL, MessageValidator
from actors.probes.protocols.scram import ScramClient
from actors.probes.protocols.scram_rounds import MAX_ROUNDS, MIN_ROUNDS, TOO_FEW_ROUNDS, TOO_MANY_ROUNDS

NONCE = "nonce"


def first(rounds: int | str) -> bytes:
    return f"r={NONCE}more,s=YSBwaW5jaCBvZiBzYWx0,i={rounds}".encode()


def client() -> ScramClient:
    made = ScramClient("ada", "secret", "SCRAM-SHA-256", NONCE)
    made.first_message()
    return made


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", 4 + len(body)) + body


READY = message(b"Z", b"I")


def server_first(rounds: int | str) -> bytes:
    return message(b"R", struct.pack(">i", 11) + first(rounds))


def test_as_many_rounds_as_allowed_are_hashed():
    assert b",p=" in client().final_message(first(MAX_ROUNDS))
    assert b",p=" in client().final_message(first(MIN_ROUNDS))
    assert MessageValidator()(server_first(MAX_ROUNDS)) == ""


@pytest.mark.parametrize("rounds", [MAX_ROUNDS + 1, 999_999_999])
def test_more_rounds_are_refused(rounds):
    with pytest.raises(TargetFailed, match=TOO_MANY_ROUNDS):
        client().final_message(first(rounds))


@pytest.mark.parametrize("rounds", [0, 1, MIN_ROUNDS - 1])
def test_fewer_rounds_are_refused(rounds):
    with pytest.raises(TargetFailed, match=TOO_FEW_ROUNDS):
        client().final_message(first(rounds))


@pytest.mark.parametrize("rounds", [MAX_ROUNDS + 1, 2_000_000_000, "9" * 5_000, f"4096,i={MAX_ROUNDS + 1}"])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_postgresqls_sign_in_is_refused_in_whatever_pieces_it_comes(rounds, piece):
    judge, data = MessageValidator(), message(b"N", b"notice") + server_first(rounds)
    found = [judge(data[at : at + piece]) for at in range(0, len(data), piece)]
    assert TOO_MANY_ROUNDS in found


def test_rows_after_a_sign_in_may_contain_any_text():
    judge = MessageValidator()
    assert judge(server_first(4_096) + message(b"R", struct.pack(">i", 0)) + READY) == ""
    assert judge(server_first(2_000_000_000)) == ""


BROKEN = {
    "a message without its length": b"Z" + struct.pack(">i", 3),
    "a negative length": b"Z" + struct.pack(">i", -2_000_000_000),
    "a message of no kind": message(b"\0", b""),
    "a message of a kind that nobody knows": message(b"?", b""),
    "a row that ends too soon": message(b"D", struct.pack(">hi", 2, NULL)),
    "a row with something behind it": message(b"D", struct.pack(">hi", 1, NULL) + b"x"),
    "a field before its row": message(b"D", struct.pack(">hi", 1, -2)),
    "a field beyond its row": message(b"D", struct.pack(">hi", 1, 4) + b"abc"),
    "no row": message(b"D", b""),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("piece", [1, 3, 10_000])
def test_postgresqls_messages_must_have_lengths_that_can_be(broken, piece):
    """The library would read the same bytes for ever, or some that are none of the message's."""
    data = message(b"S", b"server_version\0" + b"15.1\0") + READY
    judge, whole = MessageValidator(), data + message(b"D", struct.pack(">hii", 2, NULL, 3) + b"abc") + READY
    assert {judge(whole[at : at + piece]) for at in range(0, len(whole), piece)} == {""}
    assert NOT_POSTGRES in {judge(broken[at : at + piece]) for at in range(0, len(broken), piece)}


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_arbitrary_postgresql_messages_get_a_known_verdict(pieces):
    judge = MessageValidator()
    assert {judge(piece) for piece in pieces} <= {"", NOT_POSTGRES, TOO_MANY_ROUNDS}
