"""Jobs in threads of this process, around editors that each own a server, or a device of this process."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence

from agent.batch.feed import Notify, Reports, Source, reports
from agent.batch.sharing import share
from agent.batch.work import Parts, Report, perform
from agent.config import Settings
from agent.loop import Stage
from agent.trace import Trace
from agent.types import Reasoner
from editor.base import Editor

PATIENCE = 10.0
"""Seconds that cut-off jobs get to end; they do so between two stages, or two inner steps of the editor."""
SLOT = "reedit-job-"
"""How the names of the threads begin that do jobs."""


class _CutOff(KeyboardInterrupt):
    """Ends a job in its thread as Ctrl-C would."""


class ThreadEngine:
    """N jobs in flight: while an editor works on one photo, others think, are judged, decoded and saved.

    editors: one per device or server. reasoner: makes the Reasoner of a job; None = as the job's settings say.
    """

    name = "threads"

    def __init__(
        self,
        editors: Sequence[Editor],
        jobs_in_flight: int,
        *,
        reasoner: Callable[[Settings, Trace], Reasoner] | None = None,
        notify: Notify | None = None,
    ) -> None:
        self.editor = share(editors)
        self.editors = len(editors)
        self.in_flight = jobs_in_flight
        self.warnings: list[str] = []
        self._reasoner = reasoner
        self._notify = notify

    def run(self, feed: Source) -> Generator[Report, None, None]:
        """Carry out the feed."""
        done: Reports = queue.SimpleQueue()
        cut = threading.Event()
        threads = [
            threading.Thread(target=self._slot, args=(feed, done, cut), name=f"{SLOT}{n}", daemon=True)
            for n in range(self.in_flight)
        ]
        for thread in threads:
            thread.start()
        try:
            yield from reports(done, len(threads))
        finally:
            feed.stop()
            cut.set()
            deadline = time.monotonic() + PATIENCE
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Nothing to end: the threads have ended with the feed."""

    def _slot(self, feed: Source, done: Reports, cut: threading.Event) -> None:
        try:
            while (work := feed.take()) is not None:
                job_id = work.job.id

                def notify(stage: Stage, job_id: str = job_id) -> None:
                    if cut.is_set():
                        raise _CutOff
                    if self._notify is not None:
                        self._notify(job_id, stage)

                report = perform(work, Parts(self.editor, self._reasoner, notify))
                feed.finished(work)
                done.put(report)
        except _CutOff:
            pass
        except BaseException as error:
            done.put(error)
            return
        done.put(None)
