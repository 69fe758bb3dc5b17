"""A process counts as ended only when its own host knows it."""

import pytest
from hypothesis import given, strategies as st

from app.domain.system import process_identity
from app.domain.system.process_identity import MAX_PID, ObservedProcess, ProcessIdentity, ProcessState

HERE, ELSEWHERE = "a1" * 10, "b2" * 10
WORKER = ProcessIdentity(HERE, 812, 5_000)
HOSTS = st.text("0123456789abcdef", min_size=16, max_size=64)
PROCESSES = st.builds(ProcessIdentity, HOSTS, st.integers(1, MAX_PID), st.integers(0, 2**63 - 1))
OBSERVED = st.builds(ObservedProcess, st.booleans(), st.none() | st.integers(0, 2**63 - 1), st.booleans())

GONE, HIDDEN = ObservedProcess(exists=False), ObservedProcess(exists=True)
STATES = {
    "it runs": (HERE, ObservedProcess(exists=True, started=5_000), ProcessState.RUNNING),
    "no process has its pid": (HERE, GONE, ProcessState.ENDED),
    "another one has its pid": (HERE, ObservedProcess(exists=True, started=5_001), ProcessState.ENDED),
    "it is a zombie": (HERE, ObservedProcess(exists=True, started=5_000, has_exited=True), ProcessState.ENDED),
    "another one with its pid is a zombie": (
        HERE, ObservedProcess(exists=True, started=9_000, has_exited=True), ProcessState.ENDED,
    ),
    "a process has its pid, and its start is hidden": (HERE, HIDDEN, ProcessState.UNKNOWN),
    "another host has no such pid": (ELSEWHERE, GONE, ProcessState.UNKNOWN),
    "another host has such a process": (ELSEWHERE, ObservedProcess(exists=True, started=5_000), ProcessState.UNKNOWN),
    "a host without a fingerprint has no such pid": ("", GONE, ProcessState.UNKNOWN),
}  # fmt: skip
OTHER_TEXTS = [
    "",
    "0b7e4b5c-8f0c-4d39-9c5e-1f0e6f1a2b3c",  # the id of a worker of an earlier version
    f"{HERE}-0-5000",  # to signal 0 is to signal one's own group
    f"{HERE}--1-5000",  # and -1 everybody
    f"{HERE}-{MAX_PID + 1}-5000",
    f"{HERE}-812",
    f"{HERE}-812-5000-1",
    f"{HERE}-812-5000\n",
    f"{HERE}-٨١٢-5000",
    f"{HERE.upper()}-812-5000",
    f"{'f' * 15}-812-5000",
]


@pytest.mark.parametrize(("host", "observed", "state"), STATES.values(), ids=STATES)
def test_the_state_of_a_process(host: str, observed: ObservedProcess, state: ProcessState) -> None:
    assert process_identity.state_of(WORKER, host, observed) is state


@given(PROCESSES, HOSTS, OBSERVED)
def test_a_process_of_another_host_has_no_known_state(
    process: ProcessIdentity, host: str, observed: ObservedProcess
) -> None:
    if host != process.host:
        assert process_identity.state_of(process, host, observed) is ProcessState.UNKNOWN


@given(PROCESSES, OBSERVED)
def test_a_process_with_its_pid_and_start_has_not_ended(process: ProcessIdentity, observed: ObservedProcess) -> None:
    if observed.exists and observed.started in {None, process.started} and not observed.has_exited:
        assert process_identity.state_of(process, process.host, observed) is not ProcessState.ENDED


@given(PROCESSES)
def test_an_identity_is_read_as_it_was_written(process: ProcessIdentity) -> None:
    assert process_identity.parse(process_identity.encode(process)) == process


@given(st.text(max_size=100) | st.from_regex(r"[0-9a-f]{14,17}-[0-9]{0,9}-[0-9]{0,20}", fullmatch=True))
def test_any_text_is_an_identity_or_none(text: str) -> None:
    process = process_identity.parse(text)
    assert process is None or (0 < process.pid <= MAX_PID and int(text.split("-")[1]) == process.pid)


@pytest.mark.parametrize("text", OTHER_TEXTS)
def test_other_texts_are_no_identities(text: str) -> None:
    assert process_identity.parse(text) is None
