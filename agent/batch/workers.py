"""A process of this machine that works for a batch: how it is started, ended, and found dead."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

from agent.batch.feed import Feed, Reports, reports
from agent.batch.state import hold_as_worker
from agent.batch.work import Report

PATIENCE = 10.0
"""Seconds that a worker told to end gets to close its traces."""


def cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Worker:
    """A process that runs target(pipe, *args), and this side of its pipe. It begins with a message: it is ready.

    daemon: False for one that has to start processes of its own.
    """

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...], *, daemon: bool = True) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=target, args=(theirs, *args), name="reedit-worker", daemon=daemon
        )
        with _without_interrupts():
            self._process.start()
        theirs.close()

    def died(self) -> str:
        """How it ended, in words; waits until it has."""
        self._process.join()
        return _how(self._process.exitcode)

    def dismiss(self) -> None:
        """Let it end by itself: there is no more work. Waits until it has."""
        self.pipe.close()  # it reads the end of the pipe
        self._process.join()

    def terminate(self) -> None:
        """Tell it to end; jobs in the middle close their traces as interrupted."""
        self._process.terminate()

    def join(self, patience: float) -> None:
        """Wait until it has ended; after `patience` seconds it is killed."""
        self._process.join(patience)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class Lane(ABC):
    """A place for one worker at a time. patience: seconds that a worker told to end gets."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._worker: Worker | None = None
        self._ending = False
        self._lock = threading.Lock()

    @abstractmethod
    def work_off(self, feed: Feed, done: Reports) -> None:
        """Hand the feed's work to the worker until there is no more; then put None. Runs in a thread of its own."""

    def _start(self, target: Callable[..., object], args: tuple[Any, ...], *, daemon: bool = True) -> Worker:
        """A new worker, when it is ready. Raises EOFError when it died before, or is not to begin any more."""
        with self._lock:
            if self._ending:
                raise EOFError
            worker = self._worker = Worker(target, args, daemon=daemon)
        worker.pipe.recv()
        return worker

    def terminate(self) -> None:
        """Tell the worker to end, and begin no other."""
        with self._lock:
            self._ending = True
            worker = self._worker  # the lane's own thread may drop it at any moment
        if worker is not None:
            worker.terminate()

    def join(self) -> None:
        """Wait until it has ended."""
        worker = self._worker
        if worker is not None:
            worker.join(self._patience)


def run_lanes(lanes: Sequence[Lane], feed: Feed, close: Callable[[], None]) -> Generator[Report, None, None]:
    """Carry out the feed in all lanes; reports in the order in which jobs end. close: called when cut off."""
    done: Reports = queue.SimpleQueue()
    threads = [
        threading.Thread(target=lane.work_off, args=(feed, done), name=f"reedit-lane-{n}", daemon=True)
        for n, lane in enumerate(lanes)
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
            close()
        for thread in threads:
            thread.join()


def close_lanes(lanes: Sequence[Lane]) -> None:
    """End the workers; jobs in the middle close their traces as interrupted."""
    for lane in lanes:
        lane.terminate()
    for lane in lanes:
        lane.join()


@contextlib.contextmanager
def _without_interrupts() -> Generator[None, None, None]:
    """Ctrl-C goes to the whole process group; what happens to the workers is for this process to say."""
    held = hasattr(signal, "pthread_sigmask") and signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        if held is not False:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _how(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = ", perhaps for lack of memory" if name == "SIGKILL" else ""
        return f"the worker process was ended by {name}{hint}"
    return f"the worker process ended with exit code {exitcode}"


# in the worker ------------------------------------------------------------------------------------------


def at_work(folder: Path, pipe: Connection, terminate: Callable[..., object]) -> None:
    """Make this process a worker of the folder. terminate: what SIGTERM calls.

    From the message that this sends on it holds the folder: it will not outlive the batch unseen.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, terminate)
    threading.Thread(target=_end_with_parent, name="reedit-watch", daemon=True).start()
    hold_as_worker(folder)  # until the process ends
    pipe.send("ready")


def _end_with_parent() -> NoReturn:
    """End at once when the batch is gone: nobody would record what this worker still made."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
