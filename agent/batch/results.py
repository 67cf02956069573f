"""results.jsonl: one line for every job of the manifest, in its order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from agent.batch.jobs import BatchJob
from agent.batch.records import Record
from editor.photo.files import printable


def results_file(jobs: Sequence[BatchJob], results: Mapping[str, Record]) -> bytes:
    """The whole file: every job exactly once; those without a result are pending."""
    return "".join(_line(job, results.get(job.id)) for job in jobs).encode()


def _line(job: BatchJob, record: Record | None) -> str:
    if record is None:
        record = Record(
            id=job.id, status="pending", image=printable(job.image), instruction=job.instruction,
            output=job.output,
        )  # fmt: skip
    return json.dumps(record.result()) + "\n"
