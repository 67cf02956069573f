"""How a worker delivers a job to an object store: made in a scratch folder, then put there, the commit mark last.

images of the run, .reedit/begun/<run>.json     the record as it will be, so that a killed batch finds the run
run.json, events.jsonl, the photo
result.json                                     the commit mark, as in a folder: from here on the job is done
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.batch import store_lease
from agent.batch.records import Record, Stat
from agent.batch.state import FOLDER
from agent.batch.store_objects import Objects, StoreError, at_once
from agent.errors import UsageError
from editor.photo.files import printable, reason

BEGUN = ".reedit/begun"
SCRATCH = "reedit-batch-"
"""Begins the name of the folder, in that for temporary files, of all scratch folders of a user."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Where a worker's results go. token: of the batch's lease, which is looked at before a photo is replaced."""

    out: Objects
    runs: Objects
    token: str

    def deliver(self, record: Record, folder: Path, run: Path) -> Record:
        """Put a delivered job's files; the record comes back with the version of the photo.

        Raises StoreError, OSError for a scratch folder that is gone, and LeaseLost when another process works there
        now; the job is then not done.
        """
        files = _pictures(run)
        first = [self._putting(run, file) for file in files]
        first.append(lambda: self.out.put(f"{BEGUN}/{run.name}.json", record.line()))
        first.append(lambda: store_lease.check(self.out, self.token))
        at_once(_call, first)
        versions: list[Stat | None] = []

        def put_photo() -> None:
            self.out.put_file(record.output or "", folder / (record.output or ""))
            versions.append(self.out.stat(record.output or ""))

        at_once(
            _call, [put_photo, self._putting(run, run / "run.json"), self._putting(run, run / "events.jsonl")]
        )
        self._putting(run, run / "result.json")()
        return record.model_copy(update={"output_stat": versions[0]})

    def keep_trace(self, run: Path) -> None:
        """Put the run folder of a job that failed, if the store lets us: the failure is what counts."""
        with suppress(StoreError, OSError):
            at_once(_call, [self._putting(run, file) for file in _pictures(run)])
            for name in ("run.json", "events.jsonl", "result.json"):
                self._putting(run, run / name)()

    def _putting(self, run: Path, file: Path) -> Callable[[], None]:
        name = f"{run.name}/{file.relative_to(run).as_posix()}"
        return lambda: self.runs.put_file(name, file)


def _pictures(run: Path) -> list[Path]:
    """All files of a run but the three that tell of it."""
    return sorted(path for path in run.rglob("*") if path.is_file() and path.parent != run)


def _call(step: Callable[[], None]) -> None:
    step()


def make_private(folder: Path) -> None:
    """Make a scratch folder that only this user can enter. Raises UsageError when somebody else has made it."""
    ours = [path for path in (folder.parent, folder) if path == folder or path.name.startswith(SCRATCH)]
    try:
        for path in ours:
            path.mkdir(mode=0o700, exist_ok=True)
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
                raise UsageError(
                    f"{printable(path)} is not a folder of this user; set TMPDIR to another place."
                )
            path.chmod(0o700)
        (folder / FOLDER).mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{printable(folder)}: cannot be a scratch folder: {reason(error)}.") from error


def discard(folder: Path, output: str, run: Path | None) -> None:
    """Remove what a job left in the scratch folder."""
    with suppress(OSError):
        (folder / output).unlink()
    if run is not None:
        shutil.rmtree(run, ignore_errors=True)
