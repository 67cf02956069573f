"""Carrying out one job wherever it runs: in a thread, a worker process, or on another machine."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import session
from agent.batch.jobs import BatchJob, job_key
from agent.batch.records import Record, Stat, stat_of
from agent.batch.state import now
from agent.batch.store_lease import LeaseLost
from agent.batch.store_objects import StoreError
from agent.batch.store_upload import Upload, discard, make_private
from agent.config import Settings
from agent.errors import BadReply, EditorUnavailable, ReasonerUnavailable, ReeditError
from agent.loop import Stage
from agent.trace import Run, Trace
from agent.trace.records import Edited
from agent.types import Reasoner
from editor.base import Editor
from editor.photo.files import printable

TRANSIENT = (ReasonerUnavailable, EditorUnavailable, BadReply, MemoryError, StoreError)
"""What may go away by itself. A photo that cannot be read, or a request that cannot be done, stays so."""
STOPS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""The system's refusals that the next job would meet as well: the batch stops, the job stays undone."""
LONGEST_MESSAGE = 500


class WorkerDied(ReeditError):
    """The process that worked on a job ended: a segmentation fault, or out of memory."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job on its way to an engine. folder: where outputs go. batch: the id of the batch, for the run's header.

    upload: how results go to an object store; `folder` and the settings' `runs` are then only their place until that.
    alone: nothing else runs in its worker meanwhile; a worker died with it, or with its neighbour.
    """

    job: BatchJob
    settings: Settings
    folder: Path
    batch: str
    attempt: int = 1
    upload: Upload | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a job. stop: why the whole batch must stop; the job then counts as not run."""

    work: Work
    record: Record
    stop: str | None = None


@dataclass(slots=True)
class Parts:
    """What a job is done with; None = as the settings say, made anew."""

    editor: Editor | None = None
    reasoner: Callable[[Settings, Trace], Reasoner] | None = None
    notify: Callable[[Stage], None] | None = field(default=None, repr=False)


def perform(work: Work, parts: Parts) -> Report:
    """Do a job; whatever goes wrong with it is in the report. Only KeyboardInterrupt comes through."""
    job, settings = work.job, work.job.settings(work.settings)
    facts: dict[str, Any] = {
        "id": job.id, "image": printable(job.image), "instruction": job.instruction, "output": job.output,
        "attempts": work.attempt, "settings_sha256": job.settings_digest(work.settings),
        "input_stat": stat_of(job.image), "mask_stat": None if job.mask is None else stat_of(job.mask),
    }  # fmt: skip
    try:
        url = None if work.upload is None else work.upload.out.url
        if url is not None:
            make_private(work.folder)  # on another machine it may be new
        facts |= {"mask_sha256": None if job.mask is None else file_digest(job.mask)}
        target = work.folder / job.output
        target.parent.mkdir(parents=True, exist_ok=True)
        by = {"host": socket.gethostname(), "pid": os.getpid()}
        header = {"batch": {"id": job.id, "of": work.batch, "by": by} | {
            name: facts[name] for name in ("mask_sha256", "settings_sha256", "output")
        }}  # fmt: skip
        outcome = session.run(
            job.session_job(work.folder, url), settings, parts.notify, editor=parts.editor, reasoner=parts.reasoner,
            header=header,
        )  # fmt: skip
        if outcome.trace_error is not None:  # its end is the mark that the job is done
            raise outcome.trace_error
        assert outcome.run is not None  # a TraceWriter always has a folder
        record = delivered_record(Run(outcome.run)).model_copy(update=facts)
        return Report(work, record if work.upload is None else _delivered(work, record, outcome.run))
    except Exception as error:
        if work.upload is not None and isinstance(error, ReeditError) and error.run is not None:
            work.upload.keep_trace(error.run)
            discard(work.folder, job.output, error.run)
        return Report(work, _failed(facts, error), _must_stop(error))


def _delivered(work: Work, record: Record, run: Path) -> Record:
    assert work.upload is not None
    try:
        return work.upload.deliver(record, work.folder, run)
    finally:
        discard(work.folder, work.job.output, run)


def delivered_record(run: Run) -> Record:
    """The record of a run that delivered, from its folder alone. Raises TraceError when that cannot be read."""
    header, result = run.header, run.result or {}
    mark = header["batch"]
    edits = [
        event.seconds - event.details.get("waited", 0.0) for event in run.events if isinstance(event, Edited)
    ]
    source = str(header["input"]["sha256"])
    return Record(
        id=str(mark["id"]), status="delivered", ok=result.get("tag") == "Success", tag=result.get("tag"),
        score=result.get("score"), rounds=result.get("rounds"), image=str(header["input"]["path"]),
        instruction=str(header["instruction"]), output=str(mark["output"]), sha256=result.get("sha256"),
        run=run.id, seconds=result.get("seconds"), editor_seconds=round(sum(edits), 4), attempts=1,
        finished=result.get("finished"), input_sha256=source, mask_sha256=mark.get("mask_sha256"),
        settings_sha256=str(mark["settings_sha256"]),
        key=job_key(source, str(header["instruction"]), mark.get("mask_sha256"), str(mark["settings_sha256"])),
    )  # fmt: skip


def worker_died(work: Work, how: str) -> Report:
    """The report on a job whose worker is gone."""
    facts = {
        "id": work.job.id, "image": printable(work.job.image), "instruction": work.job.instruction,
        "output": work.job.output, "attempts": work.attempt,
        "settings_sha256": work.job.settings_digest(work.settings),
    }  # fmt: skip
    return Report(work, _failed(facts, WorkerDied(how)))


def file_digest(path: Path) -> str:
    """sha256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same_bytes(path: Path, known: Stat | None, digest: str | None, *, verify: bool = False) -> Stat | None:
    """The file's Stat if it has the digest: by its unchanged Stat, or (verify) always by reading it; else None."""
    found = stat_of(path)
    if found is None or digest is None:
        return None
    if found == known and not verify:
        return found
    try:
        return found if file_digest(path) == digest else None
    except OSError:
        return None


def _failed(facts: dict[str, Any], error: Exception) -> Record:
    message = " ".join(printable(str(error)).split())[:LONGEST_MESSAGE]
    if not isinstance(error, ReeditError | MemoryError | OSError):
        where = traceback.extract_tb(error.__traceback__)[-1]
        message = f"internal error: {message} ({Path(where.filename).name}:{where.lineno}); please report it"
    transient = isinstance(error, (*TRANSIENT, WorkerDied))
    run = error.run if isinstance(error, ReeditError) else None
    return Record(
        status="failed", run=None if run is None else run.name, error=type(error).__name__,
        message=message or type(error).__name__, transient=transient, finished=now(), **facts,
    )  # fmt: skip


def _must_stop(error: BaseException | None) -> str | None:
    """The reason when the system refused what it would refuse every job, or another process is at work."""
    if isinstance(error, LeaseLost):
        return str(error)
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in STOPS:
            return {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}.get(
                error.errno or 0, "the file system is read-only"
            )
        error = error.__cause__ or error.__context__
    return None
