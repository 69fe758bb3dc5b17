"""Generated examples are the same in every run, whatever else was imported before."""

import sys
from types import ModuleType

import pytest
from hypothesis import given, strategies as st

from tests.searching import SEARCHING

MODULE = "NUMBERS = [{}]\nTEXTS = [{}]\n".format(
    ", ".join(str(7_000_000 + n) for n in range(500)), ", ".join(f"'a word of a module {n}'" for n in range(500))
)


def _examples():
    found = []

    @given(number=st.integers(), text=st.text())
    def note(number, text):
        found.append((number, text))

    note()
    return found


@pytest.mark.skipif(SEARCHING, reason="a search tries others each time")
def test_every_run_tries_the_same(tmp_path, monkeypatch):
    before = _examples()
    place = tmp_path / "words.py"
    place.write_text(MODULE)
    module = ModuleType("words_of_a_module")
    module.__file__ = str(place)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert _examples() == before
