"""A batch whose results live in an object store: s3://bucket/out, with the layout of a folder.

    OUT/<output>, OUT/results.jsonl, OUT/runs/<id>/...      as in a folder
    OUT/.reedit/batch.json              schema and id of the batch
    OUT/.reedit/lease.json              who works here (store_lease)
    OUT/.reedit/journal/<n>-<token>.jsonl   records, some seconds' worth in an object; the last one of a job counts
    OUT/.reedit/begun/<run>.json        the record of a run that no journal object has yet (store_upload)

A job is finished when its run has a result.json. Workers make everything in a scratch folder of this machine first.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import ClassVar

from pydantic import ValidationError

from agent.batch.jobs import BatchJob
from agent.batch.records import Record, Stat
from agent.batch.state import FOLDER, JOURNAL_SCHEMA, BatchError, Journal, holder, locked, now
from agent.batch.store import RESULTS, newest
from agent.batch.store_lease import BEAT, STALE, Lease, LeaseLost, check, read, said
from agent.batch.store_objects import Objects, StoreError, at_once
from agent.batch.store_upload import BEGUN, SCRATCH, Upload, make_private
from agent.trace.writer import write_atomic
from editor.photo.files import printable

BATCH = ".reedit/batch.json"
JOURNAL = ".reedit/journal"
FLUSH_SECONDS = 30.0
FLUSH_RECORDS = 1000


class ObjectJournal(Journal):
    """Records in objects, each written once. Records that are not written yet have their runs under BEGUN."""

    def __init__(self, objects: Objects, token: str = "") -> None:
        super().__init__()
        self._objects, self._token = objects, token
        self._waiting: list[Record] = []
        self._lock = threading.Lock()
        self._written = time.monotonic()
        self.fault: Exception | None = None
        """Why nothing more may be written: raised by the next append."""
        data = objects.get(BATCH, first=True)
        self.is_new = data is None
        if data is not None:
            self.of = self.check_header(data, f"{objects.url}/{BATCH}")
        names = sorted(objects.list(JOURNAL))
        self._next = 1 + max((int(name[:8]) for name in names if name[:8].isdigit()), default=-1)
        for lines in at_once(lambda name: objects.get(f"{JOURNAL}/{name}"), names):
            self._read(lines or b"")

    def _read(self, lines: bytes) -> None:
        for line in lines.splitlines():
            with suppress(ValidationError):
                self.enter(Record.model_validate_json(line))

    def open(self) -> None:
        """Write the header of a new one."""
        if self.is_new:
            header = {"schema": JOURNAL_SCHEMA, "batch": self.of, "began": now()}
            self._objects.put(BATCH, json.dumps(header).encode())

    def append(self, record: Record) -> None:
        """Enter a record; it is in the store some seconds later, a delivered run is there already."""
        if self.fault is not None:
            raise self.fault
        with self._lock:
            self.enter(record)
            self.entered.add(record.id)
            self._waiting.append(record)

    def due(self) -> bool:
        """Whether there is enough, or for long enough, to be written."""
        with self._lock:
            count = len(self._waiting)
        return count >= FLUSH_RECORDS or (count > 0 and time.monotonic() - self._written >= FLUSH_SECONDS)

    def flush(self) -> None:
        """Put what waits as one object; then its runs need not be found by themselves. Raises StoreError."""
        with self._lock:
            records, self._waiting = self._waiting, []
        self._written = time.monotonic()
        if not records:
            return
        try:
            name = f"{JOURNAL}/{self._next:08}-{self._token}.jsonl"
            self._objects.put(name, b"".join(record.line() for record in records))
        except BaseException:
            with self._lock:
                self._waiting = records + self._waiting
            raise
        self._next += 1
        self.forget([record.run for record in records if record.status == "delivered" and record.run])

    def forget(self, runs: Sequence[str]) -> None:
        """Remove the marks of runs that the journal has. What cannot be removed is only looked at again."""
        with suppress(StoreError):
            at_once(lambda run: self._objects.delete(f"{BEGUN}/{run}.json"), runs)

    def close(self) -> None:
        """Write what waits, unless somebody else writes here now."""
        if self.fault is None:
            self.flush()


class RemoteStore:
    """A place in an object store. Its methods raise StoreError.

    url, runs: as check_url returns them. scratch: a folder of this machine in which workers make results, emptied at
    every start; the processes that use the same one know of each other by its lock.
    """

    results_every: ClassVar[float] = 60.0
    results_are_sent: ClassVar[bool] = True

    def __init__(self, url: str, runs: str | None = None, *, scratch: Path | None = None) -> None:
        self.url, self.runs_shown = url, runs or f"{url}/runs"
        self.scratch = scratch or scratch_for(url)
        self._objects, self._runs = Objects(url), Objects(self.runs_shown)
        self._token = ""
        self._found: dict[str, Stat] = {}

    def shown(self, name: str = "") -> str:
        """A URL."""
        return printable(f"{self.url}/{name}" if name else self.url)

    @contextmanager
    def held(self, tell: Callable[[str], None]) -> Iterator[Journal]:
        """Hold the scratch folder, then the lease, which is renewed by a thread."""
        make_private(self.scratch)
        with locked(self.scratch, self.shown()):
            _empty(self.scratch)
            lease = Lease(self._objects, _id_of(self.scratch))
            lease.take(tell)
            self._token = lease.token
            keeper = _Keeper(lease)
            keeper.start()  # before a long journal is read
            try:
                journal = ObjectJournal(self._objects, lease.token)
                journal.open()
                keeper.keep(journal)
                try:
                    yield journal
                finally:
                    keeper.end()
                    journal.close()
            finally:
                keeper.end()
                with suppress(StoreError, LeaseLost):
                    lease.release()
                _empty(self.scratch)

    def holder(self) -> str | None:
        """Who has the scratch folder of this machine, or a lease that is not old."""
        here = holder(self.scratch)
        found = read(self._objects)
        if here is None and found is not None and found.get("scratch") == _id_of(self.scratch, make=False):
            return None  # it was killed
        return here or (said(found) if found else None)

    def journal(self) -> Journal:
        """The records as they are now. Raises StoreError, also when there is no such bucket."""
        journal = ObjectJournal(self._objects)
        if journal.is_new:  # it may be because of that: stores answer alike for an object and for its bucket
            self._objects.check_bucket()
        return journal

    def upload(self) -> Upload:
        """For the workers."""
        return Upload(self._objects, self._runs, self._token)

    def look(self, jobs: Sequence[BatchJob]) -> None:
        """List what is in the folders of the outputs; a listing tells of a thousand at once."""
        folders = sorted({str(PurePosixPath(job.output).parent) for job in jobs})
        self._found = {}
        names = ["" if folder == "." else folder for folder in folders]
        for folder, found in zip(names, at_once(self._objects.list, names), strict=True):
            prefix = f"{folder}/" if folder else ""
            self._found |= {prefix + name: stat for name, stat in found.items()}

    def tidy(self, jobs: Sequence[BatchJob]) -> None:
        """Nothing: an object is whole or not there."""

    def unentered(self, journal: Journal) -> tuple[list[Record], set[str]]:
        """Looked for among the marks of runs that were begun."""
        names = [name.removesuffix(".json") for name in sorted(self._objects.list(BEGUN))]
        outputs = {record.output for record in journal.records.values()}
        known = [name for name in names if name in journal.runs]
        new = [name for name in names if name not in journal.runs]
        found: list[Record] = []
        ours: set[str] = set()
        for name, mark in zip(new, at_once(self._begun, new), strict=True):
            if mark is None:
                continue
            record, delivered = mark
            ours.add(record.output or "")
            if delivered:
                found.append(record)
            elif record.output in outputs:
                known.append(name)
        if isinstance(journal, ObjectJournal) and self._token:
            journal.forget(known)
        return newest(found, journal), ours

    def _begun(self, run: str) -> tuple[Record, bool] | None:
        """The record of a run, and whether it was delivered."""
        data = self._objects.get(f"{BEGUN}/{run}.json")
        try:
            record = Record.model_validate_json(data or b"")
        except ValidationError:
            return None
        return record, self._runs.stat(f"{run}/result.json") is not None

    def stat(self, output: str) -> Stat | None:
        """As `look` found it."""
        return self._found.get(output)

    def unchanged(self, record: Record, *, verify: bool) -> bool:
        """By its version, else by its bytes."""
        found = self.stat(record.output or "")
        if found is None or record.sha256 is None:
            return False
        if found == record.output_stat and not verify:
            return True
        return self._objects.digest(record.output or "") == record.sha256

    def write_results(self, data: bytes) -> None:
        """One put, if the place is still ours. Raises LeaseLost when it is not."""
        check(self._objects, self._token)
        self._objects.put(RESULTS, data)


class _Keeper(threading.Thread):
    """Renews the lease and writes the journal while the batch runs."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(name="reedit-lease", daemon=True)
        self._lease = lease
        self._journal: ObjectJournal | None = None
        self._fault: BatchError | None = None
        self._ended = threading.Event()
        self._renewed = time.monotonic()

    def run(self) -> None:
        while not self._ended.wait(1.0):
            try:
                if time.monotonic() - self._renewed >= BEAT:
                    self._lease.renew()
                    self._renewed = time.monotonic()
                if self._journal is not None and self._journal.due():
                    self._journal.flush()
            except LeaseLost as error:
                self._fault = BatchError(str(error))
            except Exception as error:  # the store may come back before the lease is up
                if time.monotonic() - self._renewed > STALE:
                    self._fault = BatchError(f"lost touch with the store: {error}")
            if self._fault is not None:
                break
        if self._journal is not None:
            self._journal.fault = self._fault

    def keep(self, journal: ObjectJournal) -> None:
        """Write this one from now on, and tell it when the lease is lost."""
        self._journal = journal
        if self._fault is not None:
            raise self._fault

    def end(self) -> None:
        """Stop, after what is under way."""
        self._ended.set()
        self.join()


def scratch_for(url: str) -> Path:
    """Where this user's batches into a place of an object store make their files on this machine."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"{SCRATCH}{user}" / name


def _id_of(scratch: Path, *, make: bool = True) -> str:
    """What tells this scratch folder from those of other machines."""
    path = scratch / FOLDER / "id"
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        made = secrets.token_hex(16)
        if make:
            write_atomic(path, made.encode())
        return made


def _empty(scratch: Path) -> None:
    """Remove what workers that were killed left there."""
    for path in scratch.iterdir():
        if path.name == FOLDER:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
