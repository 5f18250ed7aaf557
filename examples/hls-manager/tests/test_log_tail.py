"""Following a log: every line once, whatever becomes of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hls_manager.log_tail import LogTail


class Log:
    """A log file and who follows it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.place = folder / "access.log", folder / "place.json"
        self.tail = LogTail(self.path, self.place)

    def write(self, text: str) -> None:
        with open(self.path, "a") as out:
            out.write(text)

    def read(self, keep: bool = True) -> list[str]:
        lines = self.tail.read()
        if keep and self.tail.place:
            self.tail.keep(self.tail.place)
        return lines

    def restart(self) -> None:
        self.tail.close()
        self.tail = LogTail(self.path, self.place)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_what_was_there_before_is_of_the_past(log: Log) -> None:
    log.write("old\n")
    assert log.read() == []
    log.write("new\n")
    assert log.read() == ["new"] and log.read() == []


def test_a_file_that_comes_later_is_read_from_its_start(log: Log) -> None:
    assert log.read() == []
    log.write("a\nb\n")
    assert log.read() == ["a", "b"]


def test_lines_that_come_in_pieces(log: Log) -> None:
    log.read()
    log.write("a\nhal")
    assert log.read() + log.read() == ["a"]
    log.write("f\n\n")
    assert log.read() == ["half", ""]
    log.restart()
    log.write("more\n")
    assert log.read() == ["more"]


def test_a_restart_goes_on_where_lines_were_done_with(log: Log) -> None:
    log.write("")
    log.read()
    log.write("a\n")
    assert log.read() == ["a"]
    log.write("b\n")
    assert log.read(keep=False) == ["b"]
    log.restart()
    log.write("c\n")
    # Nobody was told of b: it comes again. What came while nobody was there comes too.
    assert log.read() == ["b", "c"]


def test_rotation(log: Log) -> None:
    log.write("")
    log.read()
    log.write("a\n")
    assert log.read() == ["a"]
    log.write("b\n")
    log.path.rename(f"{log.path}.1")
    assert log.read() == ["b"]
    with open(f"{log.path}.1", "a") as old:
        old.write("c\n")  # Its writer was not told yet.
    log.write("d\n")
    assert log.read() == ["c"]
    with open(f"{log.path}.1", "a") as old:
        old.write("e\n")  # It is told one reading later.
    assert log.read() == ["e", "d"]
    log.write("f\n")
    assert log.read() == ["f"] and log.read() == []


def test_a_new_log_that_cannot_be_opened_yet(
    log: Log, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log.write("")
    log.read()
    log.write("a\n")
    assert log.read(keep=False) == ["a"]
    log.path.rename(f"{log.path}.1")
    log.write("b\n")

    # Root may open anything, so the refusal is played.
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("builtins.open", refuse)
        assert [log.read(keep=False) for _ in range(5)] == [[]] * 5
    assert caplog.text.count("cannot be read") == 1
    with open(f"{log.path}.1", "a") as old:
        old.write("c\n")
    assert log.read() == ["c", "b"]


def test_rotation_while_nobody_was_there(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.write("")
    log.read()
    log.write("a\n")
    assert log.read() == ["a"]
    log.write("b\n")
    log.path.rename(f"{log.path}.1")
    log.write("c\n")
    log.restart()
    assert log.read() + log.read() == ["b", "c"] and not caplog.records
    # Rotated twice: what is gone is gone, and what is there is read.
    log.write("d\n")
    log.path.unlink()
    Path(f"{log.path}.1").unlink()
    log.write("e\n")
    log.restart()
    assert log.read() == ["e"] and "is nowhere any more" in caplog.text


def test_truncation(log: Log) -> None:
    log.write("")
    log.read()
    log.write("a long first line\n")
    assert log.read() == ["a long first line"]
    log.path.write_text("b\n")
    assert log.read() == ["b"]
    log.path.write_text("")
    assert log.read() == []
    log.restart()
    log.write("c\n")
    assert log.read() == ["c"]


def test_a_log_that_was_sent_is_emptied(log: Log) -> None:
    log.write("")
    log.read()
    writer = open(log.path, "a")  # As nginx has it: opened once, and appended to.

    def write(text: str) -> None:
        writer.write(text)
        writer.flush()

    write("a\n" * 100)
    assert len(log.read(keep=False)) == 100
    log.tail.truncate(50)
    assert log.path.stat().st_size == 200, "nobody was told of it"
    assert log.tail.place
    log.tail.keep(log.tail.place)
    log.tail.truncate(200)
    assert log.path.stat().st_size == 200, "it is not larger"
    write("b\nhalf")
    log.tail.truncate(50)
    assert log.path.stat().st_size > 200, "there is more in it"
    assert log.read() == ["b"]
    log.tail.truncate(50)
    assert log.path.stat().st_size > 200, "a line is in the middle of being written"
    write(" of it\n")
    assert log.read() == ["half of it"]
    log.tail.truncate(50)
    assert log.path.stat().st_size == 0
    write("c\n")
    assert log.read(keep=False) == ["c"]
    log.restart()
    assert log.read() == ["c"]
    write("d\n")
    assert log.read() == ["d"] and log.path.read_text() == "c\nd\n"
    writer.close()


def test_lines_without_end_and_bytes_that_are_no_text(log: Log) -> None:
    log.write("")
    log.read()
    with open(log.path, "ab") as out:
        out.write(b"x" * 3_000_000)
    assert log.read() == []
    with open(log.path, "ab") as out:
        out.write(b"x\n\xff\xfe\nnext\n")
    assert log.read() == ["\ufffd\ufffd", "next"]
    log.restart()
    assert log.read() == []


def test_a_backlog_comes_in_parts(log: Log) -> None:
    log.write("")
    log.read()
    lines = [f"{number:09}" for number in range(500_000)]
    log.write("\n".join(lines) + "\n")
    got: list[str] = []
    while part := log.tail.read(most_bytes=1 << 20):
        assert len(part) < 250_000
        got += part
    assert got == lines


def test_a_place_that_cannot_be_read_is_none(log: Log) -> None:
    log.write("a\n")
    for damaged in ("", "{}", '{"inode": 1}', "[1, 2]"):
        log.place.write_text(damaged)
        log.restart()
        assert log.read(keep=False) == []


def test_a_log_that_cannot_be_read(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.path.mkdir()
    assert log.read() == [] and "cannot be read" in caplog.text
    log.path.rmdir()
    assert log.read() == []
    log.write("a\n")
    assert log.read() == ["a"]
