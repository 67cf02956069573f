"""Jobs in worker processes of this machine: for the built-in editor, which works on the CPU.

Each worker has its own editor and does one job at a time. A worker that dies costs its job one attempt; another takes
its place. Workers are replaced after some jobs, so that no leak in a library adds up.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from multiprocessing.connection import Connection
from pathlib import Path

from agent.batch.feed import Feed, Reports
from agent.batch.work import Parts, Report, Work, perform, worker_died
from agent.batch.workers import Lane, Worker, at_work, close_lanes, cpus, run_lanes

JOBS_PER_WORKER = 500


class ProcessEngine:
    """N worker processes, one job each. folder: the output folder, which living workers hold."""

    name = "processes"

    def __init__(self, folder: Path, workers: int, *, jobs_per_worker: int = JOBS_PER_WORKER) -> None:
        self.editors = self.in_flight = workers
        self.warnings: list[str] = []
        self._slots = [_Slot(folder, max(1, cpus() // workers), jobs_per_worker) for _ in range(workers)]

    def run(self, feed: Feed) -> Generator[Report, None, None]:
        """Carry out the feed."""
        return run_lanes(self._slots, feed, self.close)

    def close(self) -> None:
        """End the workers."""
        close_lanes(self._slots)


class _Slot(Lane):
    """A lane whose worker does one job at a time."""

    def __init__(self, folder: Path, threads: int, jobs_per_worker: int) -> None:
        super().__init__()
        self._folder, self._threads, self._jobs_per_worker = folder, threads, jobs_per_worker
        self._jobs = 0

    def work_off(self, feed: Feed, done: Reports) -> None:
        """One job after another."""
        try:
            while (work := feed.take()) is not None:
                report = self._do(work)
                feed.finished(work)
                if self._ending:
                    break
                done.put(report)
            done.put(None)
        except BaseException as error:
            done.put(error)

    def _do(self, work: Work) -> Report:
        try:
            pipe = self._ready_worker().pipe
            pipe.send(work)
            report: Report = pipe.recv()
        except (EOFError, ConnectionError):
            worker, self._worker = self._worker, None
            # None: told to end before it began
            return worker_died(work, "the batch is ending" if worker is None else worker.died())
        return report

    def _ready_worker(self) -> Worker:
        if self._worker is not None and self._jobs >= self._jobs_per_worker:
            self._worker.dismiss()
            self._worker = None
        if self._worker is None:
            self._worker, self._jobs = self._start(_worker, (self._folder, self._threads)), 0
        self._jobs += 1
        return self._worker


# in the worker ------------------------------------------------------------------------------------------


def _worker(pipe: Connection, folder: Path, threads: int) -> None:
    """Do the jobs that come through the pipe, until it ends."""
    working = False

    def terminate(*_: object) -> None:
        if not working:
            os._exit(0)
        raise KeyboardInterrupt  # the job closes its trace

    with contextlib.suppress(KeyboardInterrupt, EOFError, ConnectionError):
        at_work(folder, pipe, terminate)
        import cv2

        cv2.setNumThreads(threads)
        while True:
            work = pipe.recv()
            working = True
            report = perform(work, Parts())
            working = False
            pipe.send(report)
