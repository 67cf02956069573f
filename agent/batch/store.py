"""Where the results of a batch live: a folder here, or a place in an object store (store_remote)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from agent.batch.jobs import BatchJob
from agent.batch.records import Record, Stat, stat_of
from agent.batch.state import FileJournal, Journal, held, holder, sweep
from agent.batch.store_upload import Upload
from agent.batch.work import delivered_record, same_bytes
from agent.errors import TraceError
from agent.trace import Run
from agent.trace.writer import write_atomic
from editor.photo.files import printable

RESULTS = "results.jsonl"


class Store(Protocol):
    """What the process that runs a batch asks of the place where results live. Names are relative to it."""

    @property
    def results_every(self) -> float:
        """Seconds between replacements of results.jsonl while the batch runs, at least."""
        ...

    @property
    def results_are_sent(self) -> bool:
        """Whether a worker waits while its results go over a network."""
        ...

    def shown(self, name: str = "") -> str:
        """Where something is, for people: a path or a URL."""
        ...

    @property
    def runs_shown(self) -> str:
        """Where the run folders are, for people."""
        ...

    def held(self, tell: Callable[[str], None]) -> AbstractContextManager[Journal]:
        """The journal, for the one process that may write here. Raises BatchError that says who that is."""
        ...

    def holder(self) -> str | None:
        """Who works here now, in words; None when nobody does."""
        ...

    def journal(self) -> Journal:
        """What is recorded, to be read only."""
        ...

    def upload(self) -> Upload | None:
        """How workers bring their results here, while it is held; None: they work in it."""
        ...

    def look(self, jobs: Sequence[BatchJob]) -> None:
        """Get ready to be asked about the outputs of these jobs."""
        ...

    def tidy(self, jobs: Sequence[BatchJob]) -> None:
        """Remove what a killed process left behind. Only while held."""
        ...

    def unentered(self, journal: Journal) -> tuple[list[Record], set[str]]:
        """Runs of this batch that the journal does not know, because the process was killed.

        Returns the records of those that delivered, and the outputs that any of them may have written.
        """
        ...

    def stat(self, output: str) -> Stat | None:
        """Tells versions of an output apart; None when there is none."""
        ...

    def unchanged(self, record: Record, *, verify: bool) -> bool:
        """Whether the recorded output is what was delivered; verify: by reading it in any case."""
        ...

    def write_results(self, data: bytes) -> None:
        """Replace results.jsonl."""
        ...


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A folder, in which workers work. runs: the folder of the run folders. Its methods raise OSError."""

    folder: Path
    runs: Path
    results_every: ClassVar[float] = 2.0
    results_are_sent: ClassVar[bool] = False

    def shown(self, name: str = "") -> str:
        """A path."""
        return printable(self.folder / name)

    @property
    def runs_shown(self) -> str:
        """A path."""
        return printable(self.runs)

    def held(self, tell: Callable[[str], None]) -> AbstractContextManager[Journal]:
        """The lock is the system's; there is nothing to wait for or to tell."""
        return held(self.folder)

    def holder(self) -> str | None:
        """Who has the lock."""
        return holder(self.folder)

    def journal(self) -> Journal:
        """The journal as it is now."""
        return FileJournal(self.folder)

    def upload(self) -> None:
        """Nothing: workers work in the folder."""

    def look(self, jobs: Sequence[BatchJob]) -> None:
        """Nothing: files are looked at one by one."""

    def tidy(self, jobs: Sequence[BatchJob]) -> None:
        """Remove temporary files."""
        sweep({self.folder, *((self.folder / job.output).parent for job in jobs)})

    def unentered(self, journal: Journal) -> tuple[list[Record], set[str]]:
        """Looked for among the run folders."""
        found: list[Record] = []
        outputs: set[str] = set()
        names = sorted(p.name for p in self.runs.iterdir()) if self.runs.is_dir() else []
        for name in names:
            run = Run(self.runs / name)
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
        return newest(found, journal), outputs

    def stat(self, output: str) -> Stat | None:
        """Size, time of change and inode."""
        return stat_of(self.folder / output)

    def unchanged(self, record: Record, *, verify: bool) -> bool:
        """By its Stat, else by its bytes."""
        path = self.folder / (record.output or "")
        return same_bytes(path, record.output_stat, record.sha256, verify=verify) is not None

    def write_results(self, data: bytes) -> None:
        """Atomically, and only when it changes."""
        target = self.folder / RESULTS
        with suppress(FileNotFoundError):
            if target.read_bytes() == data:
                return
        write_atomic(target, data)


def newest(found: Iterable[Record], journal: Journal) -> list[Record]:
    """Those that are newer than what the journal has of their jobs."""

    def is_newer(record: Record) -> bool:
        known = journal.records.get(record.id)
        return known is None or (record.finished or "") > (known.finished or "")

    return [record for record in found if is_newer(record)]
