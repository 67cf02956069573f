"""Which jobs of a manifest must run, and why: what is on disk is compared with what is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from agent.batch.jobs import BatchJob, job_key
from agent.batch.records import Record, stat_of
from agent.batch.state import Journal
from agent.batch.work import delivered_record, same_bytes
from agent.config import Settings
from agent.errors import TraceError, UsageError
from agent.trace import Run
from editor.photo.files import printable


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands. why: None = done (or failed for good); else the reason to run it."""

    job: BatchJob
    record: Record | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """How results on disk are looked at. verify: read every file, even when its size and time are as recorded."""

    folder: Path
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
        path = self.folder / job.output
        if same_bytes(path, record.output_stat, record.sha256, verify=self.verify) is None:
            return "the output is not what was delivered" if path.exists() else "the output is missing"
        return None

    def all(self, jobs: Iterable[BatchJob], records: Mapping[str, Record]) -> list[Standing]:
        """Every job's standing, in order; files are read by several threads."""
        with ThreadPoolExecutor(8, thread_name_prefix="reedit-check") as pool:
            return list(pool.map(lambda job: self.standing(job, records.get(job.id)), jobs, chunksize=256))


def adopt(journal: Journal, runs: Path) -> tuple[list[Record], set[str]]:
    """Runs of this batch that the journal does not know, because the process was killed.

    Returns the records of those that delivered, and the outputs that any of them may have written.
    """
    found: list[Record] = []
    outputs: set[str] = set()
    names = sorted(p.name for p in runs.iterdir()) if runs.is_dir() else []
    for name in names:
        run = Run(runs / name)
        if name in journal.runs or not (run.path / "run.json").is_file():
            continue
        try:
            mark = run.header.get("batch")
            if not isinstance(mark, dict) or mark.get("of") != journal.of:
                continue
            outputs.add(str(mark.get("output")))
            if run.status == "delivered":
                found.append(delivered_record(run))
        except (TraceError, KeyError, TypeError, ValueError):
            continue  # cut off in the middle of a write: the job is done again
    return [r for r in found if _newer(r, journal.records.get(r.id))], outputs


def _newer(record: Record, known: Record | None) -> bool:
    return known is None or (record.finished or "") > (known.finished or "")


def refuse_foreign_files(standings: Iterable[Standing], folder: Path, ours: set[str]) -> None:
    """Raises UsageError when a job would replace a file that this batch did not write."""
    theirs = [
        s.job.output
        for s in standings
        if s.record is None and s.job.output not in ours and (folder / s.job.output).exists()
    ]
    if theirs:
        more = f" (and {len(theirs) - 1} more)" if len(theirs) > 1 else ""
        raise UsageError(
            f"{printable(folder / theirs[0])}{more} exists already and was not made by this batch; "
            "use --overwrite to replace it."
        )
