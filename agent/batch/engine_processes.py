"""Jobs in worker processes of this machine: for the built-in editor, which works on the CPU.

Each worker has its own editor and does one job at a time. A worker that dies costs its job one attempt; another takes
its place. Workers are replaced after some jobs, so that no leak in a library adds up.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Generator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

from agent.batch.feed import Feed, Reports, reports
from agent.batch.state import hold_as_worker
from agent.batch.work import Parts, Report, Work, perform, worker_died

JOBS_PER_WORKER = 500
PATIENCE = 10.0
"""Seconds that a worker told to end gets to close its trace."""


def cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ProcessEngine:
    """N worker processes, one job each. folder: the output folder, which living workers hold."""

    name = "processes"

    def __init__(self, folder: Path, workers: int, *, jobs_per_worker: int = JOBS_PER_WORKER) -> None:
        self.editors = workers
        self._slots = [_Slot(folder, max(1, cpus() // workers), jobs_per_worker) for _ in range(workers)]

    def run(self, feed: Feed) -> Generator[Report, None, None]:
        """Carry out the feed."""
        done: Reports = queue.SimpleQueue()
        threads = [
            threading.Thread(target=slot.work_off, args=(feed, done), name=f"reedit-worker-{n}", daemon=True)
            for n, slot in enumerate(self._slots)
        ]
        for thread in threads:
            thread.start()
        ended = False
        try:
            yield from reports(done, len(threads))
            ended = True
        finally:
            feed.stop()
            if not ended:
                self.close()
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """End the workers; one in the middle of a job closes its trace as interrupted."""
        for slot in self._slots:
            slot.terminate()
        for slot in self._slots:
            slot.join()


class _Slot:
    """A place for one worker at a time."""

    def __init__(self, folder: Path, threads: int, jobs_per_worker: int) -> None:
        self._folder, self._threads, self._jobs_per_worker = folder, threads, jobs_per_worker
        self._process: Any = None
        self._pipe: Connection | None = None
        self._jobs = 0
        self._ending = False
        self._lock = threading.Lock()

    def work_off(self, feed: Feed, done: Reports) -> None:
        """Hand the feed's work to the worker until there is no more. Runs in a thread of its own."""
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
            pipe = self._ready_worker()
            pipe.send(work)
            report: Report = pipe.recv()
        except (EOFError, ConnectionError):
            process, self._process = self._process, None
            if process is None:  # told to end before it began
                return worker_died(work, "the batch is ending")
            process.join()
            return worker_died(work, _how(process.exitcode))
        return report

    def _ready_worker(self) -> Connection:
        if self._process is not None and self._jobs >= self._jobs_per_worker:
            assert self._pipe is not None
            self._pipe.close()  # the worker reads the end of the pipe, and ends
            self._process.join()
            self._process = None
        if self._process is None:
            self._start()
        self._jobs += 1
        assert self._pipe is not None
        return self._pipe

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_worker, args=(theirs, self._folder, self._threads), name="reedit-worker", daemon=True
        )
        # Ctrl-C goes to the whole process group; what happens to the workers is for this process to say
        held = hasattr(signal, "pthread_sigmask") and signal.pthread_sigmask(
            signal.SIG_BLOCK, [signal.SIGINT]
        )
        try:
            with self._lock:
                if self._ending:
                    raise EOFError
                process.start()
                self._process, self._pipe, self._jobs = process, ours, 0
        finally:
            if held is not False:
                signal.pthread_sigmask(signal.SIG_SETMASK, held)
            theirs.close()
        ours.recv()  # from here on it holds the folder: it will not outlive this process unseen

    def terminate(self) -> None:
        with self._lock:
            self._ending = True
            if self._process is not None:
                self._process.terminate()

    def join(self) -> None:
        process = self._process
        if process is not None:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()


def _how(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = ", perhaps for lack of memory" if name == "SIGKILL" else ""
        return f"the worker process was ended by {name}{hint}"
    return f"the worker process ended with exit code {exitcode}"


# in the worker ------------------------------------------------------------------------------------------


def _worker(pipe: Connection, folder: Path, threads: int) -> None:
    """Do the jobs that come through the pipe, until it ends."""
    working = False

    def terminate(*_: object) -> None:
        if not working:
            os._exit(0)
        raise KeyboardInterrupt  # the job closes its trace

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, terminate)
    threading.Thread(target=_end_with_parent, name="reedit-watch", daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, EOFError, ConnectionError):
        hold_as_worker(folder)  # until the process ends
        import cv2

        cv2.setNumThreads(threads)
        pipe.send("ready")
        while True:
            work = pipe.recv()
            working = True
            report = perform(work, Parts())
            working = False
            pipe.send(report)


def _end_with_parent() -> NoReturn:
    """End at once when the batch is gone: nobody would record what this worker still made."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
