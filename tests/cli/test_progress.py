"""The counter on the terminal."""

from __future__ import annotations

import io

import pytest

from secrettool.cli.progress import Counter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def counted(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, total: int) -> str:
    monkeypatch.setattr("sys.stderr", stream)
    counter = Counter(total, "objects")
    for _ in range(2):
        counter.step()
    counter.clear()
    return stream.getvalue()


def test_counter_on_a_terminal_writes_over_itself_and_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    said = counted(monkeypatch, Terminal(), 300)
    assert said.split("\r\x1b[K") == ["", "1 of 300 objects", "2 of 300 objects", ""]


@pytest.mark.parametrize(("stream", "total", "term"), [(io.StringIO, 300, "xterm"), (Terminal, 3, "xterm"), (Terminal, 300, "dumb")])
def test_counter_is_silent(monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], total: int, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    assert counted(monkeypatch, stream(), total) == ""
