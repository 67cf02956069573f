"""Batches over several devices of this machine: real worker processes, each with an editor of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from agent.batch import BatchJob, BatchOptions, Listener, Record, Summary, engines, run_batch
from agent.batch.engine_devices import DeviceEngine
from agent.batch.engine_processes import ProcessEngine
from agent.batch.engine_threads import ThreadEngine
from agent.batch.sharing import SharedEditor, share
from agent.config import Settings, load
from agent.errors import ConfigError, DeviceLost, EditorUnavailable, UsageError
from agent.trace import list_runs
from agent.trace.records import Edited
from editor import devices
from editor.auto import AutoEditor
from editor.base import EditRequest, EditResult
from tests.conftest import scene
from tests.fake_editor import FakeEditor, tinted
from tests.test_batch_run import Make, Told

KILLS, BREAKS = 1, 2
"""First value of a photo: the worker that edits it dies; its device is lost to the process, once."""


class OnDevice:
    """An editor that says where it worked."""

    name = abilities = "on a device"

    def __init__(self, settings: Settings) -> None:
        self.device, self._broke = settings.device, settings.runs.parent / "broke"
        self._lost = False

    def edit(self, request: EditRequest) -> EditResult:
        began = time.time()
        code = int(request.image[0, 0, 0])
        if self.device == "cuda:7":
            raise EditorUnavailable("out of order")
        if code == KILLS:
            time.sleep(0.1)  # others are under way by then
            os.kill(os.getpid(), signal.SIGKILL)
        if code == BREAKS and not self._broke.exists():
            self._broke.touch()
            self._lost = True
        if self._lost:
            raise DeviceLost("an illegal memory access was encountered")
        for step in range(5):
            time.sleep(0.01)
            if request.progress:
                request.progress(step + 1, 5)
        details = {"device": self.device, "pid": os.getpid(), "span": [began, time.time()]}
        return EditResult(255 - request.image, details=details)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Jobs on photos of their own; codes: first value of the photos of the first jobs."""

    def build(count: int, *codes: int, **settings: Any) -> tuple[list[BatchJob], BatchOptions]:
        jobs = []
        for n in range(count):
            pixels = scene(48, 32, n)
            pixels[0, 0, 0] = codes[n] if n < len(codes) else 0
            PILImage.fromarray(pixels).save(tmp_path / f"{n}.png")
            jobs.append(BatchJob(f"{n:02}", tmp_path / f"{n}.png", "increase the contrast", f"{n}.png"))
        out = tmp_path / "out"
        return jobs, BatchOptions(
            out, Settings(runs=out / "runs", rounds=0, **settings), pauses=(0.0, 0.0, 0.0)
        )

    return build


def run(
    jobs: list[BatchJob],
    options: BatchOptions,
    names: tuple[str, ...],
    in_flight: int,
    told: Listener | None = None,
) -> Summary:
    def engine(count: int) -> DeviceEngine:
        return DeviceEngine(options.folder, options.settings, names, in_flight, make=OnDevice)

    return run_batch(jobs, options, engine, told)


def edits(options: BatchOptions) -> dict[str, Edited]:
    """The edit of each delivered run, by the job's id."""
    return {
        found.header["batch"]["id"]: event
        for found in list_runs(options.settings.runs)
        if found.status == "delivered"
        for event in found.events
        if isinstance(event, Edited)
    }


def results(options: BatchOptions) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (options.folder / "results.jsonl").read_text().splitlines()]


# a process per device -----------------------------------------------------------------------------------


def test_every_device_works_on_one_photo_at_a_time_in_a_process_of_its_own(make: Make) -> None:
    jobs, options = make(16)
    summary = run(jobs, options, ("cuda:0", "cuda:1", "cpu", "cpu"), 12)
    assert (summary.ok + summary.not_ok, summary.editors, summary.warnings) == (16, 4, [])
    by_worker: dict[tuple[str, int], list[list[float]]] = {}
    for edit in edits(options).values():
        where = edit.details["device"], edit.details["pid"]
        by_worker.setdefault(where, []).append(edit.details["span"])
    assert sorted(device for device, _ in by_worker) == ["cpu", "cpu", "cuda:0", "cuda:1"]
    assert os.getpid() not in {pid for _, pid in by_worker}
    for spans in by_worker.values():
        assert all(end <= begin for (_, end), (begin, _) in pairwise(sorted(spans)))
    assert not multiprocessing.active_children()


def test_seeds_do_not_depend_on_the_device_nor_does_what_is_done(make: Make) -> None:
    jobs, options = make(4)
    run(jobs, options, ("cuda:0",), 2)
    seeds = {name: edit.seed for name, edit in edits(options).items()}
    elsewhere = replace(options, settings=options.settings.model_copy(update={"device": "cuda:1,cuda:2"}))
    assert run(jobs, elsewhere, ("cuda:1", "cuda:2"), 2).kept == 4
    jobs = [replace(job, output=f"again-{job.output}") for job in jobs]
    assert run(jobs, elsewhere, ("cuda:1", "cuda:2"), 2).kept == 0
    assert {name: edit.seed for name, edit in edits(options).items()} == seeds


def test_a_photo_that_kills_its_worker_fails_alone(make: Make) -> None:
    jobs, options = make(12, 0, 0, KILLS)
    told = Told()
    summary = run(jobs, options, ("cpu", "cpu"), 8, told)
    by_id = {line["id"]: line for line in results(options)}
    killed = by_id.pop("02")
    assert (killed["error"], killed["attempts"], killed["transient"]) == ("WorkerDied", 2, True)
    assert "SIGKILL" in killed["message"]
    assert {line["status"] for line in by_id.values()} == {"delivered"}
    again = [record.id for record, again in told.jobs if again]
    assert "02" in again
    assert len(again) <= 4  # those in flight on that device
    assert summary.failed == 1
    assert not multiprocessing.active_children()


def test_a_device_that_is_lost_to_its_process_gets_a_new_one(make: Make) -> None:
    jobs, options = make(10, 0, 0, 0, 0, 0, BREAKS)
    told = Told()
    summary = run(jobs, options, ("cuda:0",), 3, told)
    assert (summary.failed, summary.pending, summary.warnings) == (0, 0, [])
    lost = [record for record, again in told.jobs if again]
    assert {record.error for record in lost} == {"DeviceLost"}
    assert len(lost) <= 3  # nothing more was sent to the broken worker
    assert len({edit.details["pid"] for edit in edits(options).values()}) == 2


def test_a_device_out_of_order_is_left_out_and_told(make: Make) -> None:
    jobs, options = make(20)
    summary = run(jobs, options, ("cuda:0", "cuda:7"), 4)
    assert (summary.failed, summary.pending) == (0, 0)
    assert len(summary.warnings) == 1
    assert re.fullmatch(
        r"cuda:7 was left out after \d+ failures in a row; the last: out of order", summary.warnings[0]
    )
    assert {edit.details["device"] for edit in edits(options).values()} == {"cuda:0"}


def test_trouble_on_all_devices_is_told_with_every_job(make: Make) -> None:
    jobs, options = make(6)
    summary = run(jobs, options, ("cuda:7", "cuda:7"), 4)
    assert (summary.failed, summary.errors, summary.warnings) == (6, Counter(EditorUnavailable=6), [])
    assert {line["message"] for line in results(options)} == {"out of order"}


def test_ctrl_c_closes_the_traces_of_all_workers(make: Make) -> None:
    jobs, options = make(30)

    class Impatient(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            if len(self.jobs) == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(jobs, options, ("cpu", "cpu"), 8, Impatient())
    assert not multiprocessing.active_children()
    assert {found.status for found in list_runs(options.settings.runs)} <= {"delivered", "interrupted"}
    assert Counter(line["status"] for line in results(options))["delivered"] == 4
    summary = run(jobs, options, ("cpu", "cpu"), 8)
    assert (summary.failed, summary.pending) == (0, 0)
    assert summary.kept >= 4  # those that ended while the others were told to


# names of devices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("auto", ("auto",)),
        ("CUDA", ("cuda",)),
        ("cuda:1", ("cuda:1",)),
        ("cuda:00, cuda:2", ("cuda:0", "cuda:2")),
        ("cpu,cpu", ("cpu", "cpu")),
        ("mps", ("mps",)),
    ],
)
def test_names_of_devices(text: str, names: tuple[str, ...]) -> None:
    assert devices.parse(text) == names
    assert Settings(device=text).device == ",".join(names)


@pytest.mark.parametrize(
    "text", ["", "gpu", "1", "0,1", "cuda:", "cuda:-1", "cuda:x", "cpu,", "cpu:0", "cuda:0;cuda:1"]
)
def test_what_is_no_device_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match=r"the options: device: .* is not a device; give auto, cpu"):
        load({"device": text})


@pytest.mark.parametrize("text", ["auto,cpu", "cuda:0,cuda"])
def test_every_gpu_is_no_part_of_a_list(text: str) -> None:
    with pytest.raises(ConfigError, match="stands for every GPU"):
        load({"device": text})


def test_which_devices_a_batch_uses() -> None:
    assert devices.chosen(("auto",), 3) == ("cuda:0", "cuda:1", "cuda:2")
    assert devices.chosen(("cuda",), 2) == ("cuda:0", "cuda:1")
    assert devices.chosen(("auto",), 0) == ("auto",)
    assert devices.chosen(("cuda:1", "cuda:0", "cpu"), 2) == ("cuda:1", "cuda:0", "cpu")
    assert devices.every("cpu,cpu") == ("cpu", "cpu")
    with pytest.raises(UsageError, match="There is no cuda:2: torch finds cuda:0 to cuda:1"):
        devices.chosen(("cuda:0", "cuda:2"), 2)
    with pytest.raises(UsageError, match="There is no cuda:1: torch finds only cuda:0"):
        devices.chosen(("cuda:1",), 1)
    with pytest.raises(EditorUnavailable, match="no CUDA GPU"):
        devices.chosen(("cuda",), 0)


def test_which_engine_suits(tmp_path: Path) -> None:
    def local(
        jobs: int = 20, urls: tuple[str, ...] = (), in_flight: int | None = None, **settings: Any
    ) -> Any:
        return engines.local(tmp_path, Settings(**settings), jobs, editor_urls=urls, in_flight=in_flight)

    assert isinstance(local(), ProcessEngine)
    assert isinstance(local(editor="auto"), ProcessEngine)  # there is only the built-in one
    urls = ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    one, two = local(editor_url=urls[0]), local(editor_url=urls[0], urls=urls)
    assert isinstance(one, ThreadEngine)
    assert (one.editors, one.in_flight) == (1, 6)
    assert isinstance(two, ThreadEngine)
    assert (two.editors, two.in_flight) == (2, 12)
    model = {"editor": "qwen-image-edit", "device": "cpu,cpu,cpu"}
    many = local(**model)
    assert isinstance(many, DeviceEngine)
    assert (many.editors, many.in_flight) == (3, 18)
    assert (local(2, **model).editors, local(2, **model).in_flight) == (2, 2)
    assert local(in_flight=4, **model).in_flight == 6  # as many on each
    assert isinstance(local(editor_model="qwen-image-edit", device="cpu"), DeviceEngine)


# servers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("editor", ["remote", "auto"])
def test_editing_servers_share_the_photos(make: Make, editor: str) -> None:
    jobs, options = make(8, editor=editor)
    jobs = [replace(job, instruction="add a ladybird") for job in jobs]
    with FakeEditor(tinted) as one, FakeEditor(tinted) as two:
        urls = (one.url, two.url)
        options = replace(options, settings=options.settings.model_copy(update={"editor_url": one.url}))
        summary = run_batch(
            jobs,
            options,
            lambda count: engines.local(options.folder, options.settings, count, editor_urls=urls),
        )
        assert (summary.ok + summary.not_ok, summary.editors) == (8, 2)
        assert Counter(edit.details["url"] for edit in edits(options).values()) == {one.url: 4, two.url: 4}


def test_a_server_that_has_gone_does_not_draw_the_jobs_to_itself(make: Make) -> None:
    jobs, options = make(8, editor="remote")
    with FakeEditor(tinted) as one:
        with FakeEditor(tinted) as two:
            gone = two.url
        urls = (gone, one.url)
        options = replace(options, settings=options.settings.model_copy(update={"editor_url": gone}))
        told = Told()
        made = lambda count: engines.local(options.folder, options.settings, count, editor_urls=urls)  # noqa: E731
        assert run_batch(jobs, options, made, told).failed == 0
    assert {edit.details["url"] for edit in edits(options).values()} == {one.url}
    assert not [
        record for record, again in told.jobs if again
    ]  # the other one was asked within the same attempt


def test_the_wait_for_a_device_is_told_and_is_not_the_editors_time(make: Make) -> None:
    jobs, options = make(6)
    run(jobs, options, ("cpu",), 6)
    by_id = edits(options)
    assert max(edit.details["waited"] for edit in by_id.values()) > 0.1
    for line in results(options):
        edit = by_id[line["id"]]
        assert line["editor_seconds"] == pytest.approx(edit.seconds - edit.details["waited"], abs=0.002)
    assert sum(line["editor_seconds"] for line in results(options)) < 6 * 0.2


def test_who_is_cut_off_while_waiting_makes_room_for_the_next() -> None:
    class Held:
        name = abilities = "held"

        def __init__(self) -> None:
            self.free = threading.Event()

        def edit(self, request: EditRequest) -> EditResult:
            assert self.free.wait(10)
            return EditResult(request.image)

    def cut_off(done: int, total: int) -> None:
        raise KeyboardInterrupt

    held, ask = Held(), EditRequest(scene(), "x")
    shared = SharedEditor([held])
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.edit, ask)
        while shared._free:
            time.sleep(0.01)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            shared.edit(replace(ask, progress=cut_off))
        assert time.monotonic() - began < 5
        last = pool.submit(shared.edit, ask)
        held.free.set()
        assert first.result(10).image is last.result(10).image


def test_what_auto_does_by_itself_waits_for_no_device() -> None:
    shared = share([AutoEditor(OnDevice(Settings(device="cpu"))) for _ in range(2)])
    result = shared.edit(EditRequest(scene(), "crop to 1:1"))
    assert "waited" not in result.details
    assert isinstance(shared, AutoEditor)
    assert isinstance(shared.other, SharedEditor)
