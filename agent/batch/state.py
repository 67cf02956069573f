"""The state of an output folder: who works in it, and what was finished there.

OUT/.reedit/lock           held (flock) by the process that runs the batch, and says who that is
OUT/.reedit/workers.lock   held, shared, by its worker processes
OUT/.reedit/journal.jsonl  a first line with the schema, then one Record per finished job, fsynced one by one

A job is finished when its record is in the journal; a torn last line is cut off. A run whose result.json is there but
whose record is not, because the process was killed in between, is found among the run folders and entered.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.batch.records import Record
from agent.errors import ReeditError, UsageError
from agent.trace.writer import write_all
from editor.photo.files import printable, reason

FOLDER = ".reedit"
JOURNAL_SCHEMA = "reedit.batch/1"
LEFTOVER = re.compile(r"\.reedit-[0-9a-f]{16}\.tmp")
"""Temporary files of a save that was killed."""
WAIT_FOR_WORKERS = 20.0
"""Seconds; workers of a killed batch notice at once, but one may be in the middle of an image operation."""


class BatchError(ReeditError):
    """The batch as a whole cannot run or go on."""


class Journal(ABC):
    """What is recorded. `of`: the id of this batch, by which its runs are known."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        """The last record of every job, by id."""
        self.runs: set[str] = set()
        """All runs that any record names."""
        self.entered: set[str] = set()
        """Ids of the records that were appended."""
        self.of = secrets.token_hex(8)

    @abstractmethod
    def append(self, record: Record) -> None:
        """Enter a record for good. Raises OSError or ReeditError."""

    def enter(self, record: Record) -> None:
        """Take a record up here."""
        self.records[record.id] = record
        if record.run:
            self.runs.add(record.run)

    @staticmethod
    def check_header(line: bytes, name: str) -> str:
        """The id in a journal's first line. Raises BatchError for that of something else."""
        with suppress(ValueError):
            header = json.loads(line)
            if isinstance(header, dict) and header.get("schema") == JOURNAL_SCHEMA:
                return str(header.get("batch"))
        raise BatchError(f"{name} was not written by this version of reedit; choose another output folder.")


class FileJournal(Journal):
    """The journal of an output folder: a file, fsynced line by line."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / FOLDER / "journal.jsonl"
        self._fd: int | None = None
        self._size = self._read()

    def _read(self) -> int:
        """Load what is there; returns the length of its whole lines in bytes."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return 0
        size = 0
        with file:
            for number, line in enumerate(file):
                if not line.endswith(b"\n"):
                    break
                size += len(line)
                if number == 0:
                    self.of = self.check_header(line, printable(self._path))
                    continue
                try:
                    self.enter(Record.model_validate_json(line))
                except ValidationError:
                    continue  # that job is looked up among the run folders, or done again
        return size

    def open(self) -> None:
        """Make it ready for append: cut off a torn line, write the header of a new one. Raises OSError."""
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.ftruncate(self._fd, self._size)
        os.lseek(self._fd, self._size, os.SEEK_SET)
        if self._size == 0:
            header = {"schema": JOURNAL_SCHEMA, "batch": self.of, "began": now()}
            self._write(json.dumps(header).encode() + b"\n")

    def append(self, record: Record) -> None:
        """Enter a record; it is on the disk when this returns. Raises OSError, and then it is not entered."""
        before = self.records.get(record.id)
        self.enter(record)  # first: Ctrl-C may come at any moment, and what is on the disk must be known here
        self.entered.add(record.id)
        try:
            self._write(record.line())
        except OSError:
            self.entered.discard(record.id)
            self.records.pop(record.id)
            if before is not None:
                self.records[record.id] = before
            raise

    def _write(self, data: bytes) -> None:
        assert self._fd is not None, "the journal is not open"
        try:
            write_all(self._fd, data)
            os.fsync(self._fd)
        except OSError:  # a full disk: what was written of the line goes again
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, self._size, os.SEEK_SET)
            raise
        self._size += len(data)

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


@contextmanager
def held(folder: Path) -> Iterator[Journal]:
    """The journal of an output folder, for the one process that may write there.

    Raises BatchError that says who holds the folder, or why it cannot be written.
    """
    with locked(folder, printable(folder)):
        journal = FileJournal(folder)
        try:
            journal.open()
        except OSError as error:
            raise BatchError(f"{printable(folder)}: cannot be written: {reason(error)}.") from error
        try:
            yield journal
        finally:
            journal.close()


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """The lock of a folder, when no worker of an earlier batch works there any more.

    name: of what it stands for. Raises BatchError that says who holds it, or why it cannot be written.
    """
    home = folder / FOLDER
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(f"{name}: cannot be an output folder: {reason(error)}.") from error
    try:
        if not _flock_soon(lock):
            raise BatchError(f"{name} is in use by {holder(folder) or 'another process'}.")
        _wait_for_workers(home / "workers.lock", name)
        try:
            _tell_holder(lock)
        except OSError as error:
            raise BatchError(f"{name}: cannot be written: {reason(error)}.") from error
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def holder(folder: Path) -> str | None:
    """Who works in the folder now, in words; None when nobody does."""
    try:
        lock = os.open(folder / FOLDER / "lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        if _flock(lock, shared=True):
            return None
        said = json.loads(os.read(lock, 4096) or b"{}")
        return f"process {said.get('pid', '?')} on {said.get('host', '?')} since {said.get('since', '?')}"
    except (OSError, ValueError, AttributeError):
        return "another process"
    finally:
        os.close(lock)


def hold_as_worker(folder: Path) -> int:
    """A worker's sign that it lives: the returned descriptor stays open until the process ends."""
    guard = os.open(folder / FOLDER / "workers.lock", os.O_RDWR | os.O_CREAT, 0o644)
    _flock(guard, shared=True)
    return guard


def sweep(folders: Iterable[Path]) -> None:
    """Remove the temporary files that a killed save left behind. Only while the folder is held."""
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if LEFTOVER.fullmatch(entry.name):
                    with suppress(OSError):
                        os.unlink(entry.path)  # noqa: PTH108


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _tell_holder(lock: int) -> None:
    who: dict[str, Any] = {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps(who).encode(), 0)


def _wait_for_workers(path: Path, name: str) -> None:
    """Workers of a killed batch end by themselves; none may save while the next one runs."""
    guard = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + WAIT_FOR_WORKERS
        while not _flock(guard, shared=False):
            if time.monotonic() > deadline:
                raise BatchError(f"{name}: workers of an earlier batch are still running; end them first.")
            time.sleep(0.02)
    finally:
        os.close(guard)


def _flock_soon(fd: int) -> bool:
    """As _flock, over the instant in which somebody only asks who holds the folder."""
    for _ in range(10):
        if _flock(fd, shared=False):
            return True
        time.sleep(0.03)
    return False


def _flock(fd: int, *, shared: bool) -> bool:
    """Take a lock without waiting; False when another process has it. True where there are no such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
