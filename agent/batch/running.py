"""Running a batch: what is not done yet goes to the engine; every report is on disk before it is told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.batch.feed import Engine, Feed
from agent.batch.jobs import BatchJob, job_key
from agent.batch.planning import Check, Standing, refuse_foreign_files
from agent.batch.records import Record, Result, stat_of
from agent.batch.results import results_file
from agent.batch.state import BatchError, Journal
from agent.batch.store import LocalStore, Store
from agent.batch.store_lease import LeaseLost
from agent.batch.store_objects import StoreError
from agent.batch.work import Report, Work
from agent.config import Settings
from agent.errors import ReeditError
from editor.photo.files import reason

ATTEMPTS = {"WorkerDied": 2}
BREAKS_WORKER = frozenset({"WorkerDied", "DeviceLost"})
"""Errors that a neighbour in the same worker may have caused: such a job is tried again by itself."""
OTHER_ATTEMPTS = 3
"""How often a job is begun within one start, by the class of an error that may go away."""
IN_A_ROW = 50
"""So many errors that may go away, and nothing delivered in between: what they need is gone, the batch stops.

At least twice as many as jobs in flight: a lost node takes all of its own with it."""
PAUSES = (0.0, 2.0, 8.0)
"""Seconds before the first, second and third pass over what failed."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batch runs. vlm_urls: servers to share the calls among; empty = the settings' own.

    folder: where jobs are made, and where results live unless there is a store; then it is the store's scratch
    folder, with the settings' runs below it.
    """

    folder: Path
    settings: Settings
    retry_failed: bool = False
    verify: bool = False
    overwrite: bool = False
    max_failures: int | None = None
    vlm_urls: tuple[str, ...] = ()
    pauses: tuple[float, ...] = PAUSES
    store: Store | None = None

    @property
    def place(self) -> Store:
        """Where results live."""
        return self.store or LocalStore(self.folder, self.settings.runs)


@dataclass(slots=True)
class Summary:
    """What a batch came to; counts are over all jobs of the manifest. seconds: of this start."""

    jobs: int = 0
    kept: int = 0
    """Done by an earlier start."""
    ran: int = 0
    """Jobs that this start delivered or that failed for good."""
    ok: int = 0
    not_ok: int = 0
    failed: int = 0
    pending: int = 0
    reflected: int = 0
    """Delivered after more than one round."""
    seconds: float = 0.0
    editor_seconds: float = 0.0
    editors: int = 1
    errors: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    """Of the engine, for people."""
    stopped: str | None = None

    @property
    def exit_code(self) -> int:
        """0: all delivered, each a Success. 3: all delivered, some not a Success. 1: some failed or did not run."""
        if self.failed or self.pending or self.stopped:
            return 1
        return 3 if self.not_ok else 0

    @property
    def busy(self) -> float:
        """Share of this start's time in which the editors worked, 0 to 1."""
        return self.editor_seconds / (self.seconds * self.editors) if self.seconds else 0.0

    @property
    def per_minute(self) -> float:
        """Jobs of this start per minute."""
        return 60 * self.ran / self.seconds if self.seconds else 0.0

    def count(self, result: Result) -> None:
        """Count a job by its last result."""
        if result.status == "delivered":
            self.ok += result.ok
            self.not_ok += not result.ok
            self.reflected += (result.rounds or 1) > 1
        elif result.status == "failed":
            self.failed += 1
            self.errors[result.error or "?"] += 1
        else:
            self.pending += 1


class Listener:
    """Is told what happens. Every method may be overridden; all do nothing."""

    def begin(self, jobs: int, standings: Sequence[Standing], engine: Engine) -> None:
        """The batch begins: all its jobs, and those that will run."""

    def waiting(self, words: str) -> None:
        """Something is waited for before the batch can begin."""

    def job(self, result: Record, again: bool) -> None:
        """A job ended. again: it failed and will be tried once more."""


def status(jobs: Sequence[BatchJob], options: BatchOptions) -> list[Standing]:
    """Where every job stands; changes nothing. Raises BatchError for a journal that cannot be read."""
    store = options.place
    journal = store.journal()
    known = journal.records | {r.id: r for r in store.unentered(journal)[0]}
    store.look(jobs)
    return _check(options).all(jobs, known)


def run_batch(
    jobs: Sequence[BatchJob],
    options: BatchOptions,
    make_engine: Callable[[int], Engine],
    listener: Listener | None = None,
) -> Summary:
    """Run what is not done yet. make_engine: called with the number of jobs to run, when there are any.

    results.jsonl is replaced now and then, and at the end, also after KeyboardInterrupt. Raises BatchError or
    UsageError before the first edit; what happens later is in the summary.
    """
    listener = listener or Listener()
    began = time.perf_counter()
    with options.place.held(listener.waiting) as journal:
        standings = _prepare(journal, jobs, options)
        todo = [s for s in standings if s.why is not None]
        summary = Summary(jobs=len(jobs), kept=len(jobs) - len(todo))
        for standing in standings:
            if standing.why is None and standing.record is not None:
                summary.count(standing.record)
        done = {s.job.id for s in standings if s.why is None}
        journal.entered.clear()
        try:
            if todo:
                with closing(make_engine(len(todo))) as engine:
                    summary.editors, summary.warnings = engine.editors, engine.warnings
                    listener.begin(len(jobs), todo, engine)
                    results = _Results(options.place, jobs, journal, done)
                    _Running(journal, options, engine, listener, summary, results).work_off(todo)
        finally:
            summary.seconds = time.perf_counter() - began
            summary.pending = len(jobs) - summary.ok - summary.not_ok - summary.failed
            try:
                _Results(options.place, jobs, journal, done).write()
            except OSError:
                pass  # a full disk; the journal has it all, the next start writes them
            except LeaseLost as error:
                summary.stopped = summary.stopped or str(error)
    return summary


@dataclass(slots=True)
class _Results:
    """Writes results.jsonl. done: jobs that earlier starts finished."""

    store: Store
    jobs: Sequence[BatchJob]
    journal: Journal
    done: set[str]
    _next: float = field(default_factory=time.monotonic)

    def write(self) -> None:
        """Replace the file. Raises what the store raises."""
        known = {name: self.journal.records[name] for name in self.done | self.journal.entered}
        self.store.write_results(results_file(self.jobs, known))

    def write_if_due(self) -> None:
        """Replace it now and then; that takes at most a twentieth of the time."""
        every = self.store.results_every
        if time.monotonic() < self._next + every:
            return
        began = time.monotonic()
        with suppress(StoreError, OSError):  # the last one counts
            self.write()
        self._next = time.monotonic() + max(0.0, 19 * (time.monotonic() - began) - every)


def _check(options: BatchOptions) -> Check:
    return Check(options.place, options.settings, options.retry_failed, options.verify)


def _prepare(journal: Journal, jobs: Sequence[BatchJob], options: BatchOptions) -> list[Standing]:
    """Clean up after a killed process, and look at every job."""
    store = options.place
    store.tidy(jobs)
    adopted, ours = store.unentered(journal)
    try:
        for record in adopted:
            journal.append(record)
    except OSError as error:
        raise BatchError(f"{store.shown()}: cannot be written: {reason(error)}.") from error
    store.look(jobs)
    standings = _check(options).all(jobs, journal.records)
    if not options.overwrite:
        known = {record.output for record in journal.records.values() if record.output}
        refuse_foreign_files(standings, store, ours | known)
    return standings


@dataclass(slots=True)
class _Running:
    """The jobs that run now: passes over the work, each over what the last one could not do."""

    journal: Journal
    options: BatchOptions
    engine: Engine
    listener: Listener
    summary: Summary
    results: _Results
    failures: int = 0
    in_a_row: int = 0
    """Transient failures since the last job that was delivered."""

    def work_off(self, todo: Sequence[Standing]) -> None:
        options, upload = self.options, self.options.place.upload()
        work = [Work(s.job, options.settings, options.folder, self.journal.of, upload=upload) for s in todo]
        for pause in self.options.pauses:
            if not work or self.summary.stopped:
                return
            time.sleep(pause)
            work = sorted(self._pass(work), key=lambda each: each.alone)  # last: it leaves a worker half idle

    def _pass(self, work: Sequence[Work]) -> Iterator[Work]:
        """Run the work; yields what is worth another attempt."""
        feed = Feed(work, self.options.vlm_urls)
        with closing(self.engine.run(feed)) as reports:
            for report in reports:
                if report.stop is not None:
                    self.summary.stopped = report.stop
                    return
                try:
                    self.journal.append(_completed(report))
                except (OSError, ReeditError) as error:
                    why = f"cannot be written: {reason(error)}" if isinstance(error, OSError) else str(error)
                    self.summary.stopped = f"{self.options.place.shown()}: {why}"
                    return
                self.results.write_if_due()
                again = self._take(report.work, self.journal.records[report.record.id])
                if again is not None:
                    yield again
                self.summary.stopped = self._enough(report)
                if self.summary.stopped:
                    return

    def _enough(self, report: Report) -> str | None:
        limit = self.options.max_failures
        if limit is not None and self.failures >= limit:
            return f"{self.failures} failed, as many as --max-failures allows"
        self.in_a_row = self.in_a_row + 1 if report.record.transient else 0
        if self.in_a_row >= max(IN_A_ROW, 2 * self.engine.in_flight):
            return f"{self.in_a_row} jobs in a row failed; the last: {report.record.message}"
        return None

    def _take(self, work: Work, record: Record) -> Work | None:
        """Count and tell a job that is entered; returns the work again if it is worth another attempt."""
        limit = min(ATTEMPTS.get(record.error or "", OTHER_ATTEMPTS), len(self.options.pauses))
        again = record.transient and work.attempt < limit
        self.summary.editor_seconds += record.editor_seconds or 0.0
        self.summary.editors = self.engine.editors
        if not again:
            self.failures += record.status == "failed"
            self.summary.ran += 1
            self.summary.count(record)
        self.listener.job(record, again)
        if not again:
            return None
        alone = work.alone or record.error in BREAKS_WORKER
        return replace(work, settings=self.options.settings, attempt=work.attempt + 1, alone=alone)


def _completed(report: Report) -> Record:
    """The record with what only this side can say."""
    record, job = report.record, report.work.job
    update: dict[str, object] = {}
    if record.status == "delivered":
        digest = report.work.job.settings_digest(report.work.settings)
        update["key"] = job_key(record.input_sha256 or "", job.instruction, record.mask_sha256, digest)
        if report.work.upload is None:
            update["output_stat"] = stat_of(report.work.folder / job.output)
    return record.model_copy(update=update)
