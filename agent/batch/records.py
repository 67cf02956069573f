"""What is known of a job: one line of the journal, and of results.jsonl."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = "reedit.result/1"
"""Of a line of results.jsonl. Fields may be added within version 1; readers ignore what they do not know."""

Stat = tuple[int, int, int]
"""Size, time of change in ns, inode: as long as they are the same, a file is not read again."""


class Result(BaseModel):
    """A job's line in results.jsonl."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    schema_: str = Field(SCHEMA, alias="schema")
    id: str
    status: Literal["delivered", "failed", "pending"]
    """pending: not run yet, or cut off."""
    ok: bool = False
    """Delivered and judged a Success."""
    tag: str | None = None
    """The verdict on what was delivered: Success, Reflection, Failed or unknown."""
    score: float | None = None
    rounds: int | None = None
    """Rounds that were run: 1, or more after a reflection."""
    image: str
    instruction: str
    output: str | None = None
    """Relative to the output folder, with forward slashes."""
    sha256: str | None = None
    """Of the output file."""
    run: str | None = None
    """The run folder: its name below the folder of runs."""
    seconds: float | None = None
    """From the start of the run to its end."""
    editor_seconds: float | None = None
    """Of these, the time the editor worked."""
    attempts: int = 0
    """How often the job was begun and came to an end, counting those that failed."""
    error: str | None = None
    """Class of the error of a failed job: PhotoError, Refused, WorkerDied ..."""
    message: str | None = None
    transient: bool = False
    """The error may go away by itself: the job runs again with the next start."""
    finished: str | None = None
    """UTC, ISO 8601."""


class Record(Result):
    """A line of the journal: a result, and what tells whether it still holds."""

    key: str = ""
    input_sha256: str | None = None
    mask_sha256: str | None = None
    settings_sha256: str = ""
    input_stat: Stat | None = None
    mask_stat: Stat | None = None
    output_stat: Stat | None = None

    def line(self) -> bytes:
        """One JSON line; ASCII, so that any file name fits."""
        return json.dumps(self.model_dump(mode="json", by_alias=True)).encode() + b"\n"

    def result(self) -> dict[str, Any]:
        """The line of results.jsonl."""
        return self.model_dump(mode="json", by_alias=True, include=set(Result.model_fields))


def stat_of(path: Path) -> Stat | None:
    """The Stat of a file; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - called once per job at every start
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
