"""One-time codes as RFC 6238 has them, on the standard's own vectors."""

import pytest

from app.security.credentials import totp

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"
VECTORS = [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]


@pytest.mark.parametrize(("at_s", "code"), VECTORS)
def test_codes_are_those_of_the_standard(at_s: int, code: str) -> None:
    assert totp.step_of(SECRET, code, at_s) == at_s // 30


@pytest.mark.parametrize(("late_s", "known"), [(-60, False), (-30, True), (30, True), (60, False)])
def test_a_clock_may_be_off_by_a_step(late_s: int, *, known: bool) -> None:
    assert (totp.step_of(SECRET, "081804", 1_111_111_109 + late_s) is not None) is known


def test_a_step_that_was_taken_is_not_taken_again() -> None:
    assert totp.step_of(SECRET, "287082", 59, after=1) is None
    assert totp.step_of(SECRET, "287 082", 59, after=0) == 1


@pytest.mark.parametrize("code", ["", "28708", "287083", "\uff12\uff18\uff17\uff10\uff18\uff12", "x" * 64])
def test_anything_else_is_no_code(code: str) -> None:
    assert totp.step_of(SECRET, code, 59) is None


def test_a_recovery_code_is_hashed_for_its_owner_however_it_is_written() -> None:
    code = totp.generate_recovery_codes()[0]
    assert totp.recovery_code_hash("ada", code) == totp.recovery_code_hash("ada", code.upper().replace("-", " "))
    assert totp.recovery_code_hash("ada", code) != totp.recovery_code_hash("bob", code)
