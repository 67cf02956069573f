"""Thousands of edits from one manifest: overlapped, interrupted, resumed, on one machine or on a Ray cluster."""

from __future__ import annotations

from agent.batch.feed import Engine, Feed
from agent.batch.jobs import BatchJob
from agent.batch.manifest import ManifestError
from agent.batch.manifest import read as read_manifest
from agent.batch.planning import Standing
from agent.batch.records import Record, Result
from agent.batch.running import BatchOptions, Listener, Summary, run_batch, status
from agent.batch.state import BatchError, holder

__all__ = [
    "BatchError", "BatchJob", "BatchOptions", "Engine", "Feed", "Listener", "ManifestError", "Record", "Result",
    "Standing", "Summary", "holder", "read_manifest", "run_batch", "status",
]  # fmt: skip
