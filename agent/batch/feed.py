"""What an engine is, and the feed of work that every engine draws from."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import Protocol

from agent.batch.work import Report, Work
from agent.loop import Stage

Notify = Callable[[str, Stage], None]
"""Called as notify(job id, stage) from any thread."""


Reports = queue.SimpleQueue[Report | BaseException | None]
"""What the threads of an engine put: reports, None when one has no more work, what one failed with."""


def reports(done: Reports, threads: int) -> Generator[Report, None, None]:
    """Reports as they come, until each of the threads has no more work. Raises what a thread failed with."""
    while threads:
        report = done.get()
        if isinstance(report, BaseException):
            raise report
        if report is None:
            threads -= 1
        else:
            yield report


class Source(Protocol):
    """Where an engine's threads get their work from."""

    def take(self) -> Work | None:
        """The next piece of work; None when there is no more, or after `stop`."""
        ...

    def finished(self, work: Work) -> None:
        """Tell that work taken from here has come to its end."""
        ...

    def stop(self) -> None:
        """Hand out nothing more."""
        ...


class Feed:
    """Hands out work, one at a time, to any number of threads; with several VLM servers, least busy first."""

    def __init__(self, work: Iterable[Work], vlm_urls: tuple[str, ...] = ()) -> None:
        self._work = iter(work)
        self._busy = dict.fromkeys(vlm_urls, 0)
        self._lock = threading.Lock()
        self._stopped = False

    def take(self) -> Work | None:
        """The next piece of work; None when there is no more, or after `stop`."""
        with self._lock:
            work = None if self._stopped else next(self._work, None)
            if work is None or not self._busy:
                return work
            url = min(self._busy, key=self._busy.__getitem__)
            self._busy[url] += 1
        return replace(work, settings=work.settings.model_copy(update={"vlm_url": url}))

    def finished(self, work: Work) -> None:
        """Tell that work taken from here has come to its end: its server is free again."""
        with self._lock:
            if work.settings.vlm_url in self._busy:
                self._busy[work.settings.vlm_url] -= 1

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._lock:
            self._stopped = True


class Engine(Protocol):
    """Something that carries out work. It is used for one feed at a time, and closed at the end."""

    name: str
    warnings: list[str]
    """Sentences for people about what did not work as it should, and cost no job."""

    @property
    def editors(self) -> int:
        """How many edits it can do at once: what "editor busy" is a share of. On a cluster it may grow."""
        ...

    @property
    def in_flight(self) -> int:
        """How many jobs are begun and not finished, at most."""
        ...

    def run(self, feed: Feed) -> Generator[Report, None, None]:
        """Carry out everything in the feed; reports in the order in which jobs end.

        Closing the iterator stops at once: work in progress is cut off and not reported.
        """
        ...

    def close(self) -> None:
        """End what the engine started."""
        ...
