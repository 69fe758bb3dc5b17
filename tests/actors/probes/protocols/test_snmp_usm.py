"""Keys of SNMP version 3, against the examples of the standards."""

import pytest

from actors.probes.protocols.snmp_usm import MACS, Engine, SnmpUser, _localized_key, _privacy_key

PASSWORD = "maplesyrup"
ENGINE = Engine(id=bytes.fromhex("000000000000000000000002"))
MD5 = "526f5eed9fcce26f8964c2930787d82b"
SHA = "6695febc9288e36282235fc7151f128497b38f3f"


@pytest.mark.parametrize(("auth", "key"), [("md5", MD5), ("sha", SHA)])
def test_a_password_s_key_is_that_of_rfc_3414(auth: str, key: str) -> None:
    assert _localized_key(MACS[auth][0], PASSWORD.encode(), ENGINE.id).hex() == key


@pytest.mark.parametrize(
    ("auth", "key"), [("md5", f"{MD5}79eff44a90650ee0a3a40abfac5acc12"), ("sha", f"{SHA}9b8b6d78936ba6e7d19dfd9c")]
)
@pytest.mark.parametrize(("priv", "length"), [("aes192c", 24), ("aes256c", 32)])
def test_a_key_is_lengthened_as_in_reeders_draft(auth: str, key: str, priv: str, length: int) -> None:
    user = SnmpUser("shop", auth, PASSWORD, priv, PASSWORD)
    assert _privacy_key(user, ENGINE).hex() == key[: 2 * length]


@pytest.mark.parametrize("auth", MACS)
@pytest.mark.parametrize("priv", ["aes", "aes192", "aes256", "aes192c", "aes256c"])
def test_a_key_begins_with_the_hash_of_the_password(auth: str, priv: str) -> None:
    key = _privacy_key(SnmpUser("shop", auth, PASSWORD, priv, PASSWORD), ENGINE)
    hashed = _localized_key(MACS[auth][0], PASSWORD.encode(), ENGINE.id)
    length = min(len(key), len(hashed))
    assert key[:length] == hashed[:length]
