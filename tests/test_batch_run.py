"""Running batches in this process: overlap, resume, errors, what is recorded."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image as PILImage

from agent.batch import (
    BatchError,
    BatchJob,
    BatchOptions,
    Feed,
    Listener,
    Record,
    Summary,
    run_batch,
    status,
)
from agent.batch.engine_processes import ProcessEngine
from agent.batch.engine_threads import ThreadEngine
from agent.batch.sharing import SharedEditor
from agent.batch.state import held, holder
from agent.batch.store import LocalStore
from agent.batch.work import Parts, Work, perform
from agent.config import Settings
from agent.errors import CannotDo, ReasonerUnavailable, UsageError
from agent.scripted import ScriptedReasoner
from agent.trace import list_runs
from editor.base import EditRequest, EditResult
from tests.conftest import scene


class Recording:
    """An editor that inverts, and notes when it works."""

    name = abilities = "recording"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.spans: list[tuple[float, float]] = []

    def edit(self, request: EditRequest) -> EditResult:
        began = time.perf_counter()
        time.sleep(self.seconds)
        if request.instruction == "impossible":
            raise CannotDo("not with this editor")
        self.spans.append((began, time.perf_counter()))
        return EditResult(255 - request.image)


class Told(Listener):
    def __init__(self) -> None:
        self.jobs: list[tuple[Record, bool]] = []

    def job(self, result: Record, again: bool) -> None:
        self.jobs.append((result, again))


Make = Callable[..., tuple[list[BatchJob], BatchOptions]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A few jobs on photos of their own, and options that write into tmp_path/out."""

    def build(count: int = 4, **options: object) -> tuple[list[BatchJob], BatchOptions]:
        jobs = []
        for n in range(count):
            path = tmp_path / f"{n}.png"
            PILImage.fromarray(scene(48, 32, n)).save(path)
            jobs.append(BatchJob(str(n), path, "invert it", f"{n}.png"))
        out = tmp_path / "out"
        return jobs, BatchOptions(out, Settings(runs=out / "runs"), pauses=(0.0, 0.0, 0.0), **options)  # type: ignore[arg-type]

    return build


def scripted(*_: object) -> ScriptedReasoner:
    return ScriptedReasoner(["invert it"])


def run(
    jobs: list[BatchJob], options: BatchOptions, editor: Recording | None = None, **engine: object
) -> Summary:
    engine = {"reasoner": scripted} | engine
    listener = engine.pop("listener", None)
    made = ThreadEngine([editor or Recording()], 3, **engine)  # type: ignore[arg-type]
    return run_batch(jobs, options, lambda count: made, listener)  # type: ignore[arg-type]


def results(options: BatchOptions) -> list[dict[str, object]]:
    return [json.loads(line) for line in (options.folder / "results.jsonl").read_text().splitlines()]


def ran(jobs: list[BatchJob], options: BatchOptions) -> list[str]:
    """Ids of what runs when the batch is started again."""
    told = Told()
    run(jobs, options, listener=told)
    return sorted(result.id for result, _ in told.jobs)


# overlap ------------------------------------------------------------------------------------------------


def test_one_editor_works_nearly_all_the_time_and_on_one_photo_at_once(make: Make) -> None:
    jobs, options = make(24)
    editor = Recording(0.06)
    began = time.perf_counter()
    made = ThreadEngine([editor], 6, reasoner=lambda *_: ScriptedReasoner(["x"], latency=0.045))
    summary = run_batch(jobs, options, lambda count: made)
    seconds = time.perf_counter() - began
    assert (summary.ok, summary.exit_code) == (24, 0)
    spans = sorted(editor.spans)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    serial = 24 * (0.06 + 3 * 0.045)
    assert seconds < 0.75 * serial  # 0.33 on a free machine


def test_who_asks_first_is_edited_first() -> None:
    shared, order = SharedEditor([Recording(0.02)]), []
    image = scene(8, 8)

    def work(n: int) -> None:
        shared.edit(EditRequest(image, "x"))
        order.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
        time.sleep(0.003)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_an_editor_that_fails_is_free_again() -> None:
    shared = SharedEditor([Recording()])
    for _ in range(2):
        with pytest.raises(CannotDo):
            shared.edit(EditRequest(scene(8, 8), "impossible"))


def test_the_least_busy_server_is_asked(make: Make) -> None:
    jobs, options = make(5)
    feed = Feed([Work(job, options.settings, options.folder, "b") for job in jobs], ("u", "v"))
    first, second, third = (feed.take() for _ in range(3))
    assert first
    assert second
    assert third
    assert [w.settings.vlm_url for w in (first, second, third)] == ["u", "v", "u"]
    feed.finished(first)
    feed.finished(third)
    fourth = feed.take()
    assert fourth
    assert fourth.settings.vlm_url == "u"
    feed.stop()
    assert feed.take() is None


# resume -------------------------------------------------------------------------------------------------


def test_what_is_done_is_kept_and_what_changed_is_done_again(make: Make) -> None:
    jobs, options = make(6)
    assert run(jobs, options).ran == 6
    before = results(options)
    assert ran(jobs, options) == []
    assert results(options) == before

    jobs[0] = replace(jobs[0], instruction="invert it again")
    jobs[1] = replace(jobs[1], overrides=(("seed", 5),))
    PILImage.fromarray(scene(48, 32, 99)).save(jobs[2].image)
    (options.folder / jobs[3].output).write_bytes(b"tampered with")
    (options.folder / jobs[4].output).unlink()
    assert [standing.why for standing in status(jobs, options)] == [
        "the instruction changed", "settings or options changed", "the photo changed",
        "the output is not what was delivered", "the output is missing", None,
    ]  # fmt: skip
    assert ran(jobs, options) == ["0", "1", "2", "3", "4"]
    assert ran(jobs, options) == []
    for line in results(options):
        data = (options.folder / str(line["output"])).read_bytes()
        assert hashlib.sha256(data).hexdigest() == line["sha256"]


def test_a_touched_file_is_read_and_kept(make: Make) -> None:
    jobs, options = make(2)
    run(jobs, options)
    os.utime(jobs[0].image)
    os.utime(options.folder / jobs[1].output)
    assert ran(jobs, options) == []


def test_verify_finds_what_size_and_time_hide(make: Make) -> None:
    jobs, options = make(2)
    run(jobs, options)
    target = options.folder / jobs[0].output
    stat, data = target.stat(), bytearray(target.read_bytes())
    data[-20] ^= 1
    with target.open("r+b") as file:
        file.write(data)
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert ran(jobs, options) == []
    assert ran(jobs, replace(options, verify=True)) == ["0"]


def test_results_are_there_while_the_batch_runs(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStore, "results_every", 0.0)
    jobs, options = make(12)
    seen: list[Counter[str]] = []

    class Reader(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            if (options.folder / "results.jsonl").exists():
                found = results(options)
                assert [line["id"] for line in found] == [job.id for job in jobs]
                seen.append(Counter(str(line["status"]) for line in found))

    run(jobs, options, Recording(0.05), listener=Reader())
    assert any(0 < counts["delivered"] < 12 for counts in seen)
    assert [counts["delivered"] for counts in seen] == sorted(counts["delivered"] for counts in seen)


def test_settings_that_change_no_picture_keep_results(make: Make) -> None:
    jobs, options = make(2)
    run(jobs, options)
    other = options.settings.model_copy(update={"vlm_url": "http://other/v1", "vlm_wait": 1.0})
    assert ran(jobs, replace(options, settings=other)) == []
    assert len(ran(jobs, replace(options, settings=options.settings.model_copy(update={"rounds": 1})))) == 2


@pytest.mark.parametrize("cut", [1, 40, -30])
def test_a_torn_journal_loses_nothing(make: Make, cut: int) -> None:
    """The record is lost, the run is not: its result.json was written before."""
    jobs, options = make(3)
    run(jobs, options)
    journal = options.folder / ".reedit" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
    before = len(list_runs(options.settings.runs))
    assert ran(jobs, options) == []
    assert len(list_runs(options.settings.runs)) == before
    assert [line["status"] for line in results(options)] == ["delivered"] * 3
    assert len(journal.read_bytes().splitlines()) == 4


def test_a_broken_line_in_the_journal_costs_that_job_at_most(make: Make) -> None:
    jobs, options = make(3)
    run(jobs, options)
    journal = options.folder / ".reedit" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + b'{"id": "x", \xff\n' + lines[2] + lines[3])
    assert ran(jobs, options) == []  # found among the run folders
    (options.folder / ".reedit" / "journal.jsonl").write_bytes(b'{"schema": "other/9"}\n')
    with pytest.raises(BatchError, match="not written by this version"):
        run(jobs, options)


def test_leftovers_of_a_killed_save_go(make: Make) -> None:
    jobs, options = make(1)
    jobs[0] = replace(jobs[0], output="sub/0.png")
    run(jobs, options)
    leftover = options.folder / "sub" / f".reedit-{'a' * 16}.tmp"
    other = options.folder / "sub" / ".reedit-mine.tmp"
    leftover.touch()
    other.touch()
    run(jobs, options)
    assert (leftover.exists(), other.exists()) == (False, True)


def test_files_of_others_are_not_replaced_unasked(make: Make) -> None:
    jobs, options = make(2)
    options.folder.mkdir()
    (options.folder / "1.png").write_bytes(b"precious")
    with pytest.raises(UsageError, match="--overwrite"):
        run(jobs, options)
    assert (options.folder / "1.png").read_bytes() == b"precious"
    assert run(jobs, replace(options, overwrite=True)).ok == 2


def test_a_second_process_is_told_who_holds_the_folder(make: Make) -> None:
    jobs, options = make(1)
    with held(options.folder):
        assert f"process {os.getpid()} on " in str(holder(options.folder))
        with pytest.raises(BatchError, match=rf"in use by process {os.getpid()} on .+ since 20"):
            run(jobs, options)
    assert holder(options.folder) is None
    assert run(jobs, options).ok == 1


# errors -------------------------------------------------------------------------------------------------


def test_errors_do_not_stop_the_batch_and_are_kept(make: Make) -> None:
    jobs, options = make(4)
    jobs[1].image.write_bytes(b"no photo")
    impossible = lambda settings, trace: ScriptedReasoner(["impossible"])  # noqa: E731
    summary = run(jobs[:2], options)
    assert (summary.ok, summary.failed, summary.exit_code) == (1, 1, 1)
    summary = run(jobs, options, reasoner=impossible)
    assert summary.errors == Counter(PhotoError=1, CannotDo=2)
    by_id = {line["id"]: line for line in results(options)}
    assert by_id["1"]["error"] == "PhotoError"
    assert "1.png" in str(by_id["1"]["message"])
    assert by_id["2"]["run"] in {path.name for path in options.settings.runs.iterdir()}
    assert ran(jobs, options) == []  # for good
    assert ran(jobs, replace(options, retry_failed=True)) == ["1", "2", "3"]
    PILImage.fromarray(scene(48, 32)).save(jobs[1].image)
    assert ran(jobs, options) == ["1"]  # the photo was mended
    assert [line["status"] for line in results(options)] == ["delivered"] * 4


def test_what_may_go_away_is_tried_again(make: Make) -> None:
    jobs, options = make(2)
    left = [2]

    def flaky(*_: object) -> ScriptedReasoner:
        if left[0]:
            left[0] -= 1
            return ScriptedReasoner(ReasonerUnavailable("no server"))  # type: ignore[arg-type]
        return scripted()

    told = Told()
    summary = run(jobs, options, reasoner=flaky, listener=told)
    assert (summary.ok, summary.failed) == (2, 0)
    assert [again for _, again in told.jobs].count(True) == 2
    assert max(int(str(line["attempts"])) for line in results(options)) >= 2


def test_a_server_that_stays_away_fails_jobs_until_the_next_start(make: Make) -> None:
    jobs, options = make(2)
    away = lambda *_: ScriptedReasoner(ReasonerUnavailable("no server"))  # noqa: E731
    summary = run(jobs, options, reasoner=away)
    assert (summary.failed, summary.exit_code) == (2, 1)
    assert [line["attempts"] for line in results(options)] == [3, 3]
    assert ran(jobs, options) == ["0", "1"]


def test_max_failures_stops(make: Make) -> None:
    jobs, options = make(8, max_failures=2)
    for job in jobs:
        job.image.write_bytes(b"no photo")
    summary = run(jobs, options)
    assert summary.stopped
    assert "--max-failures" in summary.stopped
    assert summary.failed == 2
    assert summary.pending == 6
    assert Counter(str(line["status"]) for line in results(options)) == Counter(failed=2, pending=6)


def test_not_a_success_is_exit_code_3(make: Make) -> None:
    jobs, options = make(1)
    failing = lambda *_: ScriptedReasoner(["x"], verdicts=["Failed"])  # noqa: E731
    summary = run(jobs, options, reasoner=failing)
    assert (summary.not_ok, summary.reflected, summary.exit_code) == (1, 1, 3)


def test_ctrl_c_ends_jobs_and_leaves_them_to_the_next_start(make: Make) -> None:
    jobs, options = make(9)

    class Impatient(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            if len(self.jobs) == 2:
                raise KeyboardInterrupt

    told = Impatient()
    with pytest.raises(KeyboardInterrupt):
        run(jobs, options, Recording(0.05), listener=told)
    assert not [t for t in threading.enumerate() if t.name.startswith("reedit-job")]
    counts = Counter(str(line["status"]) for line in results(options))
    assert counts["delivered"] == 2
    assert all(run.status in ("delivered", "interrupted") for run in list_runs(options.settings.runs))
    assert run(jobs, options).exit_code == 0
    delivered = Counter(
        run.header["batch"]["id"] for run in list_runs(options.settings.runs) if run.status == "delivered"
    )
    assert delivered == Counter(str(n) for n in range(9))


def test_what_goes_wrong_inside_is_in_the_report(make: Make) -> None:
    jobs, options = make(1)

    class Broken(Recording):
        def edit(self, request: EditRequest) -> EditResult:
            raise RuntimeError("a bug")

    options.folder.mkdir()
    work = Work(jobs[0], options.settings, options.folder, "b")
    report = perform(work, Parts(Broken(), scripted))
    assert report.record.error == "RuntimeError"
    assert "internal error: a bug (test_batch_run.py:" in str(report.record.message)


def test_a_library_that_is_just_being_imported_costs_no_job(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first edit of a diffusion editor imports torch while other jobs write their headers."""
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    jobs, options = make(1)
    assert run(jobs, options).ok == 1
    assert "torch" not in list_runs(options.settings.runs)[0].header["versions"]


def test_without_ray_the_line_that_installs_it_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.batch.engine_ray import RayEngine

    _, options = make(1)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r'pip install "reedit\[ray\]"'):
        RayEngine(options.folder, options.settings)


def test_when_everything_that_is_needed_is_gone_the_batch_stops(make: Make) -> None:
    jobs, options = make(60)
    away = lambda *_: ScriptedReasoner(ReasonerUnavailable("no server"))  # noqa: E731
    summary = run(jobs, options, reasoner=away)
    assert summary.stopped == "50 jobs in a row failed; the last: no server"
    assert (summary.pending, summary.exit_code) == (60, 1)


# worker processes ---------------------------------------------------------------------------------------


def test_a_worker_that_dies_costs_its_job_one_attempt(make: Make) -> None:
    jobs, options = make(6)
    PILImage.fromarray(scene(1200, 800)).save(jobs[0].image)  # takes a while
    jobs[0] = replace(jobs[0], instruction="turn it into an oil painting")
    jobs[1:] = [replace(job, instruction="make it brighter") for job in jobs[1:]]

    class Killer(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            if len(self.jobs) == 1:
                for child in multiprocessing.active_children():
                    if child.name == "reedit-worker" and child.pid:
                        os.kill(child.pid, signal.SIGKILL)

    told = Killer()
    summary = run_batch(jobs, options, lambda count: ProcessEngine(options.folder, 2), told)
    died = [result for result, again in told.jobs if again]
    assert died
    assert {result.error for result in died} == {"WorkerDied"}
    assert "SIGKILL" in str(died[0].message)
    assert summary.failed == 0
    assert [line["status"] for line in results(options)] == ["delivered"] * 6
    assert not multiprocessing.active_children()


def test_workers_are_replaced(make: Make) -> None:
    jobs, options = make(4)
    jobs = [replace(job, instruction="make it brighter") for job in jobs]
    pids: set[int] = set()

    class Watch(Listener):
        def job(self, result: Record, again: bool) -> None:
            pids.update(child.pid or 0 for child in multiprocessing.active_children())

    made = ProcessEngine(options.folder, 1, jobs_per_worker=2)
    assert run_batch(jobs, options, lambda count: made, Watch()).ok == 4
    assert len(pids) == 2
