"""Batches whose results live in an object store, here one in memory: layout, resume, faults, leases."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from agent.batch import (
    BatchError,
    BatchJob,
    BatchOptions,
    Listener,
    Record,
    Summary,
    run_batch,
    status,
    store_lease,
    store_objects,
    store_remote,
)
from agent.batch.engine_threads import ThreadEngine
from agent.batch.store_lease import NAME, Lease, LeaseLost
from agent.batch.store_objects import Objects, StoreError, check_url
from agent.batch.store_remote import RemoteStore, scratch_for
from agent.batch.store_upload import make_private
from agent.config import Settings
from agent.errors import CannotDo, UsageError
from agent.scripted import ScriptedReasoner
from agent.trace import find_run, list_runs
from agent.trace.places import copy_line
from editor.base import EditRequest, EditResult
from tests.conftest import scene

fsspec = pytest.importorskip("fsspec", reason="needs fsspec")

RESULTS = "results.jsonl"
_BUCKETS = count()


class Invert:
    """An editor that inverts."""

    name = abilities = "invert"

    def edit(self, request: EditRequest) -> EditResult:
        if request.instruction == "impossible":
            raise CannotDo("not with this editor")
        return EditResult(255 - request.image)


class Told(Listener):
    def __init__(self) -> None:
        self.ids: list[str] = []
        self.waits: list[str] = []

    def job(self, result: Record, again: bool) -> None:
        self.ids.append(result.id)

    def waiting(self, words: str) -> None:
        self.waits.append(words)


class Batch:
    """A few jobs, and the store that they go to."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.instruction = "invert it"
        self.jobs = []
        for n in range(4):
            path = folder / f"{n}.png"
            PILImage.fromarray(scene(48, 32, n)).save(path)
            self.jobs.append(BatchJob(str(n), path, "invert it", f"{n}.png" if n else "sub/0.png"))

    def store(self, scratch: str = "scratch") -> RemoteStore:
        return RemoteStore(self.url, scratch=self.folder / scratch)

    def options(self, store: RemoteStore | None = None, **kwargs: Any) -> BatchOptions:
        store = store or self.store()
        settings = Settings(runs=store.scratch / "runs")
        return BatchOptions(store.scratch, settings, pauses=(0.0, 0.0, 0.0), store=store, **kwargs)

    def run(
        self, listener: Listener | None = None, store: RemoteStore | None = None, **kwargs: Any
    ) -> Summary:
        made = ThreadEngine([Invert()], 3, reasoner=lambda *_: ScriptedReasoner([self.instruction]))
        return run_batch(self.jobs, self.options(store, **kwargs), lambda count: made, listener)

    def ran(self, **kwargs: Any) -> list[str]:
        """Ids of what runs when the batch is started again."""
        told = Told()
        self.run(told, **kwargs)
        return sorted(told.ids)

    def whys(self) -> list[str | None]:
        return [standing.why for standing in status(self.jobs, self.options())]

    def results(self) -> list[dict[str, Any]]:
        data = Objects(self.url).get(RESULTS)
        assert data is not None
        return [json.loads(line) for line in data.splitlines()]

    def copied(self) -> Path:
        """All that lies in the store, in a folder."""
        fs, root = fsspec.url_to_fs(self.url)
        target = self.folder / f"copy-{next(_BUCKETS)}"
        for name in fs.find(root):
            path = target / name.removeprefix(f"{root}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fs.cat_file(name))
        return target

    def check_all_delivered_once(self) -> None:
        found, out = self.results(), self.copied()
        assert [line["status"] for line in found] == ["delivered"] * len(self.jobs)
        for line in found:
            assert hashlib.sha256((out / line["output"]).read_bytes()).hexdigest() == line["sha256"]
        runs = list_runs(out / "runs")
        delivered = Counter(run.header["batch"]["id"] for run in runs if run.status == "delivered")
        assert delivered == Counter(job.id for job in self.jobs)
        for run in runs:
            if (run.path / "events.jsonl").exists():
                assert [event.seq for event in run.events] == list(range(len(run.events)))
        for line in found:
            run = find_run(out / "runs", line["run"])
            assert (run.status, run.header["batch"]["id"]) == ("delivered", line["id"])
            assert run.result
            assert run.result["output"] == f"{self.url}/{line['output']}"
        outputs = {job.output.split("/")[0] for job in self.jobs}
        assert {path.name for path in out.iterdir()} == outputs | {".reedit", "runs", RESULTS}
        assert {path.name for path in (out / ".reedit").iterdir()} <= {"batch.json", "journal", "begun"}
        assert [path.name for path in (self.folder / "scratch").iterdir()] == [".reedit"]


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    """Into a store in memory that tries again without a pause."""
    monkeypatch.setattr(store_objects, "PAUSES", (0.0, 0.0))
    fs = fsspec.filesystem("memory")
    bucket = f"/bucket{next(_BUCKETS)}"
    yield Batch(tmp_path, f"memory:/{bucket}/out")
    for name in [name for name in fs.store if name.startswith(f"{bucket}/")]:
        del fs.store[name]


def on_writes(monkeypatch: pytest.MonkeyPatch, before: Callable[[str], None]) -> None:
    """Call `before` with the object's name before it is put into the store in memory, or deleted."""
    from fsspec.implementations.memory import MemoryFileSystem

    pipe, put, rm = MemoryFileSystem.pipe_file, MemoryFileSystem.put_file, MemoryFileSystem.rm_file

    def pipe_file(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        before(path)
        return pipe(self, path, *args, **kwargs)

    def put_file(self: Any, source: str, path: str, *args: Any, **kwargs: Any) -> Any:
        before(path)
        return put(self, source, path, *args, **kwargs)

    def rm_file(self: Any, path: str) -> None:
        before(path)
        rm(self, path)

    monkeypatch.setattr(MemoryFileSystem, "rm_file", rm_file)
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", pipe_file)
    monkeypatch.setattr(MemoryFileSystem, "put_file", put_file)


# the same as in a folder --------------------------------------------------------------------------------


def test_the_same_layout_results_and_resume_as_in_a_folder(batch: Batch) -> None:
    assert batch.run().ok == 4
    batch.check_all_delivered_once()
    local = batch.folder / "local"
    options = BatchOptions(local, Settings(runs=local / "runs"))
    made = ThreadEngine([Invert()], 3, reasoner=lambda *_: ScriptedReasoner(["invert it"]))
    run_batch(batch.jobs, options, lambda count: made)
    varying = {"run", "sha256", "seconds", "editor_seconds", "finished"}
    lines = [json.loads(line) for line in (local / RESULTS).read_text().splitlines()]
    for here, there in zip(lines, batch.results(), strict=True):
        assert here.keys() == there.keys()
        assert {k: v for k, v in here.items() if k not in varying} == {
            k: v for k, v in there.items() if k not in varying
        }
    before = batch.results()
    assert batch.ran() == []
    assert batch.results() == before
    assert Objects(batch.url).list(".reedit/begun") == {}


def test_what_changed_is_done_again(batch: Batch) -> None:
    batch.run()
    out = Objects(batch.url)
    batch.jobs[0] = replace(batch.jobs[0], instruction="invert it again")
    out.put("1.png", b"tampered with")
    out.delete("2.png")
    PILImage.fromarray(scene(48, 32, 99)).save(batch.jobs[3].image)
    assert batch.whys() == [
        "the instruction changed", "the output is not what was delivered", "the output is missing",
        "the photo changed",
    ]  # fmt: skip
    assert batch.ran() == ["0", "1", "2", "3"]
    assert batch.ran() == []
    for line in batch.results():
        assert out.digest(line["output"]) == line["sha256"]


def test_an_output_that_was_put_there_again_is_read_and_kept(batch: Batch) -> None:
    batch.run()
    out = Objects(batch.url)
    data = out.get("1.png")
    assert data
    time.sleep(0.01)
    out.put("1.png", data)
    assert batch.ran() == []
    assert batch.ran(verify=True) == []


def test_objects_of_others_are_not_replaced_unasked(batch: Batch) -> None:
    out = Objects(batch.url)
    out.put("1.png", b"precious")
    with pytest.raises(UsageError, match=rf"{batch.url}/1.png exists already .* --overwrite"):
        batch.run()
    assert out.get("1.png") == b"precious"
    assert batch.run(overwrite=True).ok == 4


def test_errors_are_recorded_with_their_traces(batch: Batch) -> None:
    batch.jobs[1].image.write_bytes(b"no photo")
    batch.instruction = "impossible"
    summary = batch.run()
    assert summary.errors == Counter(PhotoError=1, CannotDo=3)
    line = batch.results()[0]
    assert (line["status"], line["error"]) == ("failed", "CannotDo")
    assert find_run(batch.copied() / "runs", line["run"]).status == "failed"
    assert list((batch.folder / "scratch" / "runs").glob("*")) == []
    batch.instruction = "invert it"
    assert batch.ran() == []
    assert batch.ran(retry_failed=True) == ["0", "1", "2", "3"]
    assert [line["status"] for line in batch.results()] == ["delivered", "failed", "delivered", "delivered"]


def test_the_journal_is_written_while_the_batch_runs(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_remote, "FLUSH_RECORDS", 1)
    monkeypatch.setattr(RemoteStore, "results_every", 0.0)
    out = Objects(batch.url)
    seen: list[tuple[int, int]] = []

    class Slow(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and len(out.list(".reedit/journal")) < len(self.ids) - 1:
                time.sleep(0.02)
            data = out.get(RESULTS) or b""
            seen.append((len(out.list(".reedit/journal")), data.count(b'"delivered"')))

    batch.run(Slow())
    assert [journal for journal, _ in seen] >= [0, 1, 2, 3]
    assert seen[-1][1] > 0
    assert batch.ran() == []


def test_a_folder_of_another_version_is_left_alone(batch: Batch) -> None:
    Objects(batch.url).put(store_remote.BATCH, b'{"schema": "other/9"}')
    with pytest.raises(BatchError, match="not written by this version"):
        batch.run()
    assert Objects(batch.url).get(NAME) is None


# killed, refused, flaky ---------------------------------------------------------------------------------


class Killed(BaseException):
    """As a SIGKILL: nothing reaches the store any more."""


@pytest.mark.parametrize("nth", range(1, 32, 2))
def test_killed_at_any_write_nothing_is_lost_or_done_twice(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    left, lock = [nth], threading.Lock()

    def before(path: str) -> None:
        with lock:
            left[0] -= 1
            if left[0] <= 0:
                raise Killed

    with monkeypatch.context() as patch:
        on_writes(patch, before)
        with pytest.raises(Killed):
            batch.run()
    finished = _ids_of_delivered(batch)
    assert sorted(finished + batch.ran()) == ["0", "1", "2", "3"]
    batch.check_all_delivered_once()
    assert batch.ran() == []
    assert Objects(batch.url).list(".reedit/begun") == {}


def _ids_of_delivered(batch: Batch) -> list[str]:
    return [r.header["batch"]["id"] for r in list_runs(batch.copied() / "runs") if r.status == "delivered"]


def test_every_third_write_fails(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def before(path: str) -> None:
        if path not in seen:
            seen.append(path)
            if len(seen) % 3 == 0:
                raise OSError("Slow Down")

    on_writes(monkeypatch, before)
    told = Told()
    assert batch.run(told).ok == 4
    assert sorted(told.ids) == ["0", "1", "2", "3"]  # without another edit
    batch.check_all_delivered_once()


def test_a_store_that_does_not_answer_at_all_is_told_at_once(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    asked: list[str] = []

    def cat_file(self: Any, path: str, *_: Any, **__: Any) -> bytes:
        asked.append(path)
        raise OSError("nothing listens there")

    monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)
    for begin in (batch.run, batch.whys):
        with pytest.raises(StoreError, match="nothing listens there"):
            begin()
    assert len(asked) == 2


def test_what_the_store_refuses_is_a_failed_job_with_its_reason(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before(path: str) -> None:
        if path.endswith("out/2.png"):
            raise PermissionError("not this one")

    with monkeypatch.context() as patch:
        on_writes(patch, before)
        summary = batch.run()
    assert (summary.ok, summary.errors) == (3, Counter(StoreError=1))
    line = batch.results()[2]
    assert (line["error"], line["transient"], line["attempts"]) == ("StoreError", True, 3)
    assert line["message"] == f"{batch.url}: access denied (not this one)"
    assert batch.ran() == ["2"]
    batch.check_all_delivered_once()


def test_a_store_that_takes_no_results_file_is_told(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def before(path: str) -> None:
        if path.endswith(RESULTS):
            raise OSError("Internal Error")

    with monkeypatch.context() as patch:
        on_writes(patch, before)
        with pytest.raises(StoreError, match="Internal Error"):
            batch.run()
    assert batch.ran() == []
    batch.check_all_delivered_once()


def test_ctrl_c_keeps_what_is_finished(batch: Batch) -> None:
    class Impatient(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            raise KeyboardInterrupt

    told = Impatient()
    with pytest.raises(KeyboardInterrupt):
        batch.run(told)
    assert told.ids[0] in {line["id"] for line in batch.results() if line["status"] == "delivered"}
    assert told.ids[0] not in batch.ran()
    batch.check_all_delivered_once()


# who holds the place ------------------------------------------------------------------------------------


@pytest.fixture
def quick_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (store_lease, store_remote):
        monkeypatch.setattr(module, "BEAT", 0.3)
        monkeypatch.setattr(module, "STALE", 3.0)
    monkeypatch.setattr(store_lease, "SETTLE", 0.05)


def test_on_one_machine_a_second_process_is_told_at_once(batch: Batch) -> None:
    store = batch.store()
    with store.held(lambda words: None):
        assert "process" in str(batch.store().holder())
        with pytest.raises(BatchError, match=rf"{batch.url} is in use by process \d+ on .+ since 20"):
            batch.run()
    assert batch.store().holder() is None
    assert batch.run().ok == 4


@pytest.mark.usefixtures("quick_leases")
def test_on_another_machine_too_while_the_first_one_lives(batch: Batch) -> None:
    told = Told()
    with batch.store("elsewhere").held(lambda words: None):
        assert "process" in str(batch.store().holder())
        with pytest.raises(BatchError, match="in use by process"):
            batch.run(told)
    assert [f"{batch.url} was left by process" in words for words in told.waits] == [True]
    assert batch.run().ok == 4


@pytest.mark.usefixtures("quick_leases")
def test_the_place_of_a_dead_machine_is_taken_over(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = Lease(Objects(batch.url), "another scratch folder")
    dead.take(lambda words: None)
    began = time.monotonic()
    assert batch.run().ok == 4
    assert time.monotonic() - began >= 3.0
    with pytest.raises(LeaseLost):
        dead.renew()

    Lease(Objects(batch.url), "another scratch folder").take(lambda words: None)
    monkeypatch.setattr(store_lease, "LONG_AGO", -1.0)
    told = Told()
    batch.run(told)
    assert told.waits == []  # last week's: nothing is waited for


def test_a_batch_whose_place_was_taken_stops_before_it_replaces_a_photo(batch: Batch) -> None:
    class Thief(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            if len(self.ids) == 1:
                thief = {"token": "other", "pid": 7, "host": "elsewhere", "since": "2026-01-01"}
                Objects(batch.url).put(NAME, json.dumps(thief).encode())

    batch.jobs += [replace(job, id=f"{job.id}b", output=f"{job.id}b.png") for job in batch.jobs]
    summary = batch.run(Thief())
    assert summary.stopped == f"{batch.url} was taken over by process 7 on elsewhere since 2026-01-01"
    assert summary.pending >= 4
    assert (Objects(batch.url).get(NAME) or b"").startswith(b'{"token": "other"')


def test_of_two_leases_one_is_taken(batch: Batch) -> None:
    objects = Objects(batch.url)
    assert objects.create(NAME, b"{}")
    assert not objects.create(NAME, b"{}")
    assert objects.get(NAME) == b"{}"


# what is said -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://host/out", "to s3:// or gs://"),
        ("s3://", "write s3://BUCKET/PREFIX"),
        ("s3://bucket/../other", "not a place"),
        ("s3://bucket/a::gs://b", "not a place"),
        ("s3://bucket//a", "not a place"),
    ],
)
def test_urls_that_are_no_place(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_url(url)


def test_urls_that_are() -> None:
    assert check_url("S3://bucket/out/") == "s3://bucket/out"
    assert check_url("gs://bucket") == "gs://bucket"
    assert scratch_for("s3://a/b") != scratch_for("s3://a/c")


def test_without_the_package_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UsageError, match=r'pip install "reedit\[gs\]"'):
        Objects(f"gs://bucket{next(_BUCKETS)}/out").get("x")


def test_a_scratch_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(UsageError, match="not a folder of this user"):
        make_private(tmp_path / "link")
    make_private(tmp_path / "real" / "new")
    assert (tmp_path / "real" / "new").stat().st_mode & 0o777 == 0o700


def test_where_run_folders_are_read_a_url_is_told_how_to_copy() -> None:
    assert copy_line("s3://bucket/out/runs") == "aws s3 sync s3://bucket/out/runs runs"
    assert copy_line("gs://bucket/runs") == "gcloud storage rsync -r gs://bucket/runs runs"
    assert copy_line("runs") is None
    with pytest.raises(UsageError, match="copy it first: aws s3 sync s3://b/r runs"):
        find_run(Path("runs"), "s3://b/r")
