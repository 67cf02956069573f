"""Jobs in one worker process per device of this machine: for editors that run a model on a GPU.

Each worker has an editor of its own and overlaps its jobs around it as engine_threads does. What breaks CUDA breaks
one worker: its jobs are tried once more, another takes its place. This process itself never touches a device.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Never

import editor as editors
from agent.batch.engine_threads import PATIENCE, SLOT, ThreadEngine
from agent.batch.feed import Feed, Reports
from agent.batch.health import Health
from agent.batch.work import Report, Work, worker_died
from agent.batch.workers import Lane, Worker, at_work, close_lanes, cpus, run_lanes
from agent.config import Settings
from editor.base import Editor

Make = Callable[[Settings], Editor]
"""Makes the editor, in the worker, from settings with one device. It is pickled: a function of a module."""


def as_settings_say(settings: Settings) -> Editor:
    """The editor that the settings name."""
    return editors.configured(settings.editor, settings)


class DeviceEngine:
    """One editor per device. devices: their names; one named twice gets two editors. in_flight: over all of them.

    folder: the output folder, which living workers hold.
    """

    name = "devices"

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        devices: Sequence[str],
        in_flight: int,
        *,
        make: Make = as_settings_say,
    ) -> None:
        self.editors = len(devices)
        each = max(1, -(-in_flight // self.editors))
        self.in_flight = each * self.editors
        self.warnings: list[str] = []
        self._lock = threading.Lock()
        threads = max(1, cpus() // self.editors)
        self._lanes = [
            _Lane(
                device,
                each,
                (folder, settings.model_copy(update={"device": device}), each, threads, make),
                self._left_out,
            )
            for device in devices
        ]

    def run(self, feed: Feed) -> Generator[Report, None, None]:
        """Carry out the feed."""
        return run_lanes([lane for lane in self._lanes if not lane.health.left_out], feed, self.close)

    def close(self) -> None:
        """End the workers."""
        close_lanes(self._lanes)

    def _left_out(self, lane: _Lane) -> bool:
        with self._lock:
            warning = lane.health.leave_out(other.health for other in self._lanes)
            if warning is not None:
                self.warnings.append(warning)
        return lane.health.left_out


class _Lane(Lane):
    """A device and the worker on it. left_out: asked between jobs whether the device is to be used no more."""

    def __init__(
        self, device: str, capacity: int, arguments: tuple[object, ...], left_out: Callable[[_Lane], bool]
    ) -> None:
        super().__init__(PATIENCE + 5)  # which its jobs get
        self.health = Health(device)
        self._capacity = capacity
        self._arguments = arguments
        self._left_out = left_out
        self._in_flight: dict[str, Work] = {}
        self._next: Work | None = None
        """Taken from the feed, to be run alone when the others have ended."""

    def work_off(self, feed: Feed, done: Reports) -> None:
        """Several jobs at a time, until the device is left out."""
        try:
            while not self._ending:
                idle = not self._in_flight and self._next is None
                if idle and self._left_out(self):
                    break
                found = self._some(feed)
                for report in found:
                    feed.finished(report.work)
                    if not self._ending:
                        done.put(report)
                if not found:
                    break
            done.put(None)
        except BaseException as error:
            done.put(error)

    def _some(self, feed: Feed) -> list[Report]:
        """Keep the worker busy, and wait for what comes next from it: a report, or its end. [] = no more work."""
        try:
            self._fill(feed)
            if not self._in_flight or self._worker is None:
                return []
            report: Report = self._worker.pipe.recv()
        except (EOFError, ConnectionError):
            return self._all_died()
        self._in_flight.pop(report.work.job.id)
        self.health.judge(report.record)
        return [report]

    def _fill(self, feed: Feed) -> None:
        """Send work while there is room for it."""
        while self._has_room() and (work := self._next or feed.take()) is not None:
            self._next = work if work.alone and self._in_flight else None
            if self._next is not None:
                return
            self._in_flight[work.job.id] = work
            self._ready_worker().pipe.send(work)

    def _has_room(self) -> bool:
        if self._ending or (self.health.in_doubt and self._in_flight):
            return False
        alone = any(work.alone for work in self._in_flight.values())
        return not alone and len(self._in_flight) < self._capacity

    def _all_died(self) -> list[Report]:
        worker, self._worker = self._worker, None
        how = "the batch is ending" if worker is None else worker.died()
        self.health.died(how)
        lost, self._in_flight = self._in_flight, {}
        return [worker_died(work, how) for work in lost.values()]

    def _ready_worker(self) -> Worker:
        if self.health.broken and self._worker is not None:
            self._worker.terminate()
            self._worker.join(self._patience)
            self._worker, self.health.broken = None, False
        # not a daemon: torch.compile starts processes of its own
        return self._worker or self._start(_worker, self._arguments, daemon=False)


# in the worker ------------------------------------------------------------------------------------------


class _Inbox:
    """The work that comes through the pipe, for the threads of an engine."""

    def __init__(self, pipe: Connection, readers: int) -> None:
        self._pipe, self._readers = pipe, readers
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="reedit-inbox", daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._work.put(self._pipe.recv())
        self.stop()

    def take(self) -> Work | None:
        return self._work.get()

    def finished(self, work: Work) -> None:
        pass

    def stop(self) -> None:
        for _ in range(self._readers):
            self._work.put(None)


def _worker(pipe: Connection, folder: Path, settings: Settings, jobs: int, threads: int, make: Make) -> None:
    """Do the jobs that come through the pipe, several at once around one editor, until it ends."""
    with contextlib.suppress(KeyboardInterrupt, EOFError, ConnectionError):
        at_work(folder, pipe, _interrupt)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # torch is not imported yet
        import cv2

        cv2.setNumThreads(threads)
        engine = ThreadEngine([make(settings)], jobs)
        with contextlib.closing(engine.run(_Inbox(pipe, jobs))) as ended:
            for report in ended:
                pipe.send(report)
    gc.freeze()  # or the interpreter's last collection walks through all of torch, for three seconds
    if any(thread.name.startswith(SLOT) for thread in threading.enumerate()):
        os._exit(0)  # the interpreter cannot end in order while a job is still inside torch


def _interrupt(*_: object) -> Never:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise KeyboardInterrupt
