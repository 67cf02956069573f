"""results.jsonl: one line for every job of the manifest, in its order; written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.batch.jobs import BatchJob
from agent.batch.records import Record
from agent.trace.writer import write_atomic
from editor.photo.files import printable

FILE = "results.jsonl"


def write_results(folder: Path, jobs: Sequence[BatchJob], results: Mapping[str, Record]) -> None:
    """Replace results.jsonl: every job exactly once; those without a result are pending. Raises OSError."""
    lines = [_line(job, results.get(job.id)) for job in jobs]
    data = "".join(lines).encode()
    target = folder / FILE
    try:
        if target.read_bytes() == data:
            return
    except FileNotFoundError:
        pass
    write_atomic(target, data)


def _line(job: BatchJob, record: Record | None) -> str:
    if record is None:
        record = Record(
            id=job.id, status="pending", image=printable(job.image), instruction=job.instruction,
            output=job.output,
        )  # fmt: skip
    return json.dumps(record.result()) + "\n"
