"""The run folder: its only writer and its only reader.

runs/<id>/run.json        what was asked: schema, arguments, settings (secrets redacted), versions, input sha256
runs/<id>/events.jsonl    append-only, one typed event per line; the only truth
runs/<id>/images/<sha16>.png   content-addressed, written before the event that names them
runs/<id>/images/<sha16>.jpg   a thumbnail, source beside result, of a run that delivered
runs/<id>/result.json     written last, atomically: the commit mark
"""

from __future__ import annotations

from agent.trace.reader import Run, find_run, list_runs
from agent.trace.records import SCHEMA, Event, ImageRef
from agent.trace.writer import NullTrace, Trace, TraceWriter, redact

__all__ = [
    "SCHEMA",
    "Event",
    "ImageRef",
    "NullTrace",
    "Run",
    "Trace",
    "TraceWriter",
    "find_run",
    "list_runs",
    "redact",
]
