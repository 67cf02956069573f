"""Writing a run folder, off the critical path and in order."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from agent.errors import TraceError
from agent.trace.records import EVENT_TYPES, SCHEMA, ImageRef
from agent.trace.thumbnail import name_for, thumbnail
from editor.base import Image, Mask
from editor.pixels import shrink

KEEP_PIXELS = 2_100_000
"""Pictures up to this are kept as they are (full HD is 2.07 million); with --keep full all are."""
SCALED_PIXELS = 2_000_000
"""What other pictures are scaled down to."""
_USER = re.compile(r"://[^/@]*@")
_SECRET = ("key", "token", "secret", "password", "authorization", "credential")

Status = Literal["delivered", "failed", "interrupted"]


class Pending:
    """A picture handed to the trace; its reference exists once the writer thread has stored it."""

    __slots__ = ("pixels", "ref")

    def __init__(self, pixels: Image | Mask) -> None:
        self.pixels: Image | Mask | None = pixels
        self.ref: ImageRef | None = None


class Trace(Protocol):
    """What the loop and the Reasoners write to."""

    def event(self, kind: str, **fields: Any) -> None:
        """Record one event (a key of EVENT_TYPES). Pictures among the fields are `Pending`s from `image`."""
        ...

    def image(self, pixels: Image | Mask) -> Pending:
        """Hand over a picture. It must not be modified afterwards."""
        ...


class NullTrace:
    """A trace that keeps nothing, for library users who want none."""

    def event(self, kind: str, **fields: Any) -> None:
        """Drop the event."""

    def image(self, pixels: Image | Mask) -> Pending:
        """Drop the picture."""
        return Pending(pixels)


class TraceWriter:
    """Writes one run folder.

    The folder appears with the first event, so a request that is refused before anything happened leaves nothing
    behind. One thread writes in the order of the calls: a picture is on disk before the event that names it, and
    PNG encoding and fsync stay off the caller's path. A failed write surfaces as TraceError at the next call.
    """

    def __init__(self, root: Path, header: dict[str, Any], *, keep_full: bool = False) -> None:
        stamp = datetime.now(UTC)
        # to the millisecond, so that ids sort by time; the rest keeps a million parallel runs apart
        self.id = f"{stamp:%Y%m%d-%H%M%S}-{stamp.microsecond // 1000:03d}{secrets.token_hex(4)}"
        self.path = root / self.id
        self._header = {
            "schema": SCHEMA,
            "id": self.id,
            "started": stamp.isoformat(timespec="milliseconds"),
        } | header
        self._keep_full = keep_full
        self._start = time.perf_counter()
        self._seq = 0
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None
        self._events_fd: int | None = None
        self._made = False
        self._closed = False

    @property
    def opened(self) -> bool:
        """Whether anything was recorded."""
        return self._made

    def update_header(self, **fields: Any) -> None:
        """Add to run.json. Only before the first event."""
        if self.opened:
            raise TraceError("The run has begun; its header can no longer change.")
        self._header |= fields

    def event(self, kind: str, **fields: Any) -> None:
        """Record one event; validated here, written by the writer thread."""
        with self._lock:
            if self._closed:  # a description that was still under way when the run was interrupted
                return
            self._raise_fault()
            if self._thread is None:
                self._open()
            seq, self._seq = self._seq, self._seq + 1
            at = round(time.perf_counter() - self._start, 4)
            self._jobs.put(lambda: self._write_event(kind, seq, at, fields))

    def image(self, pixels: Image | Mask) -> Pending:
        """Hand over a picture; it is encoded and stored by the writer thread."""
        pending = Pending(pixels)
        self._jobs.put(lambda: self._store(pending))
        return pending

    def flush(self) -> None:
        """Wait until all that was handed over is on disk. Raises TraceError if it could not be written."""
        if self._thread is not None:
            done = threading.Event()
            self._jobs.put(done.set)
            while not done.wait(0.05) and self._fault is None:
                pass
        self._raise_fault()

    def close(self, status: Status, *, pictures: tuple[Image, Image] | None = None, **result: Any) -> None:
        """Write result.json, the commit mark, and end the writer thread; what is recorded later is dropped.

        pictures: source and result, for the thumbnail.

        Nothing happens if nothing was recorded, or the second time; interrupted by Ctrl-C, it can be called again.
        Raises TraceError if the mark could not be written.
        """
        if self._closed or not self._made:
            return
        try:
            self.flush()
            self._write_result(status, pictures, result)
        except TraceError:
            self._end()
            raise
        self._end()

    def _write_result(
        self, status: Status, pictures: tuple[Image, Image] | None, result: dict[str, Any]
    ) -> None:
        seconds = round(time.perf_counter() - self._start, 4)
        finished = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = {"schema": SCHEMA, "id": self.id, "status": status, "finished": finished, "seconds": seconds}
        try:
            if pictures is not None and (small := thumbnail(*pictures)):
                name = name_for(small)
                write_atomic(self.path / name, small)
                result["thumbnail"] = name
            write_json(self.path / "result.json", record | result)
        except OSError as error:
            raise TraceError(f"Cannot write the run folder {self.path}: {error.strerror or error}") from error

    def _end(self) -> None:
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
        if self._events_fd is not None:
            os.close(self._events_fd)
            self._events_fd = None

    def _open(self) -> None:
        events = self.path / "events.jsonl"
        try:
            self.path.mkdir(parents=True)
            self._made = True
            try:
                (self.path / "images").mkdir()
                write_json(self.path / "run.json", redact(self._header))
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
                self._events_fd = os.open(events, flags, 0o644)
            except BaseException:
                if not events.exists():  # a full disk, Ctrl-C: no half of a run
                    self._made = False
                    shutil.rmtree(self.path, ignore_errors=True)
                raise
        except OSError as error:
            raise TraceError(f"Cannot write the run folder {self.path}: {error.strerror or error}") from error
        _lock_file(self._events_fd)
        self._thread = threading.Thread(target=self._work, name="reedit-trace", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._fault is None:
                try:
                    job()
                except BaseException as error:
                    self._fault = error

    def _raise_fault(self) -> None:
        if self._fault is not None:
            fault = self._fault
            reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
            raise TraceError(f"Cannot write the run folder {self.path}: {reason}") from fault

    def _write_event(self, kind: str, seq: int, at: float, fields: dict[str, Any]) -> None:
        plain = {name: _plain(value) for name, value in fields.items()}
        record = EVENT_TYPES[kind].model_validate({"event": kind, "seq": seq, "at": at} | plain)
        assert self._events_fd is not None
        write_all(self._events_fd, json_line(record.model_dump(mode="json")))
        os.fsync(self._events_fd)

    def _store(self, pending: Pending) -> None:
        from editor.photo.png import encode_png  # what only reads runs does without

        pixels, pending.pixels = pending.pixels, None
        assert pixels is not None
        height, width = pixels.shape[:2]
        scale = 1.0
        if not self._keep_full and height * width > KEEP_PIXELS:
            pixels = shrink(pixels, SCALED_PIXELS)
            scale = round(pixels.shape[1] / width, 6)
        data = encode_png(pixels)
        name = f"images/{hashlib.sha256(data).hexdigest()[:16]}.png"
        target = self.path / name
        if not target.exists():
            write_atomic(target, data)
        pending.ref = ImageRef(path=name, width=width, height=height, scale=scale)


def _plain(value: Any) -> Any:
    if isinstance(value, Pending):
        return value.ref
    if isinstance(value, BaseModel):
        return value.model_dump()
    return value


def json_line(record: Any) -> bytes:
    """One JSON value as a UTF-8 line. A lone surrogate (an odd file name) is escaped rather than refused."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, default=str)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record, allow_nan=False, default=str).encode() + b"\n"


def write_all(fd: int, data: bytes) -> None:
    """os.write until everything is written."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_atomic(target: Path, data: bytes) -> None:
    """Temp file in the target's folder, fsync, rename: the target is whole or absent."""
    temp = target.with_name(f".reedit-{secrets.token_hex(8)}.tmp")
    try:
        fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        temp.replace(target)
    except BaseException:
        with suppress(OSError):
            temp.unlink()
        raise


def write_json(target: Path, record: Any) -> None:
    """A JSON file, atomically, indented for people."""
    write_atomic(target, json.dumps(record, indent=2, ensure_ascii=True, default=str).encode() + b"\n")


def redact(value: Any) -> Any:
    """A copy without secrets: "***" is what stands under a name that sounds like one, and before the @ of a URL."""
    if isinstance(value, dict):
        return {k: _hidden(str(k).lower(), v) if isinstance(v, str) else redact(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def _hidden(name: str, value: str) -> str:
    if value and any(word in name for word in _SECRET):
        return "***"
    return _USER.sub("://***@", value) if name.endswith("url") else value


def _lock_file(fd: int) -> None:
    """One writer per run folder (advisory; POSIX only)."""
    try:
        import fcntl
    except ImportError:  # Windows: the random id keeps writers apart
        return
    with suppress(OSError):  # a file system without locks, such as Lustre's default
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
