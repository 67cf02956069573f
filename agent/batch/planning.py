"""Which jobs of a manifest must run, and why: what is there is compared with what is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from agent.batch.jobs import BatchJob, job_key
from agent.batch.records import Record, stat_of
from agent.batch.store import Store
from agent.batch.work import same_bytes
from agent.config import Settings
from agent.errors import UsageError


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands. why: None = done (or failed for good); else the reason to run it."""

    job: BatchJob
    record: Record | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """How results are looked at. verify: read every file, even when its size and time are as recorded."""

    store: Store
    settings: Settings
    retry_failed: bool = False
    verify: bool = False

    def standing(self, job: BatchJob, record: Record | None) -> Standing:
        """Compare a job with what is recorded of it. The reason is a phrase for people."""
        return Standing(job, record, "not run yet" if record is None else self._why(job, record))

    def _why(self, job: BatchJob, record: Record) -> str | None:
        digest = job.settings_digest(self.settings)
        if record.instruction != job.instruction:
            return "the instruction changed"
        if record.settings_sha256 != digest:
            return "settings or options changed"
        if record.status == "failed" and record.transient:
            return f"failed, perhaps not again: {record.error}"
        if record.status == "failed":
            return self._why_failed(job, record)
        if same_bytes(job.image, record.input_stat, record.input_sha256, verify=self.verify) is None:
            return "the photo changed"
        return self._why_delivered(job, record, digest)

    def _why_failed(self, job: BatchJob, record: Record) -> str | None:
        if stat_of(job.image) != record.input_stat:  # it may not even have been a photo: there is no digest
            return "the photo changed"
        if (None if job.mask is None else stat_of(job.mask)) != record.mask_stat:
            return "the mask changed"
        return f"failed, asked again: {record.error}" if self.retry_failed else None

    def _why_delivered(self, job: BatchJob, record: Record, digest: str) -> str | None:
        if (job.mask is None) != (record.mask_sha256 is None):
            return "the mask changed"
        if job.mask is not None and (
            same_bytes(job.mask, record.mask_stat, record.mask_sha256, verify=self.verify) is None
        ):
            return "the mask changed"
        if record.key != job_key(record.input_sha256 or "", job.instruction, record.mask_sha256, digest):
            return "the record is damaged"
        if record.output != job.output:
            return "the output's name changed"
        if not self.store.unchanged(record, verify=self.verify):
            missing = self.store.stat(job.output) is None
            return "the output is missing" if missing else "the output is not what was delivered"
        return None

    def all(self, jobs: Iterable[BatchJob], records: Mapping[str, Record]) -> list[Standing]:
        """Every job's standing, in order; files are read by several threads."""
        with ThreadPoolExecutor(8, thread_name_prefix="reedit-check") as pool:
            return list(pool.map(lambda job: self.standing(job, records.get(job.id)), jobs))


def refuse_foreign_files(standings: Iterable[Standing], store: Store, ours: set[str]) -> None:
    """Raises UsageError when a job would replace a file that this batch did not write."""
    theirs = [
        s.job.output
        for s in standings
        if s.record is None and s.job.output not in ours and store.stat(s.job.output) is not None
    ]
    if theirs:
        more = f" (and {len(theirs) - 1} more)" if len(theirs) > 1 else ""
        raise UsageError(
            f"{store.shown(theirs[0])}{more} exists already and was not made by this batch; "
            "use --overwrite to replace it."
        )
