"""The run folder: written in order, readable after a crash, refused when newer."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PILImage

from agent.errors import TraceError
from agent.trace import NullTrace, Run, TraceWriter, find_run, list_runs, redact, writer
from agent.trace.thumbnail import kept, thumbnail
from agent.types import Plan
from tests.conftest import ROOT, scene


def write_run(root: Path, **header: object) -> TraceWriter:
    trace = TraceWriter(root, {"instruction": "x"} | header)
    trace.event("started", image=trace.image(scene()))
    trace.event("plan", plan=Plan(steps=("a",)), seconds=0.1)
    return trace


def test_images_are_content_addressed_and_exact(tmp_path: Path) -> None:
    trace = TraceWriter(tmp_path, {})
    first, again = trace.image(scene()), trace.image(scene())
    trace.event("started", image=first)
    trace.event("started", image=again)
    trace.close("delivered")
    run = Run(trace.path)
    refs = [event.image for event in run.events]
    assert refs[0] == refs[1]
    assert len(list((trace.path / "images").iterdir())) == 1
    with PILImage.open(run.image(refs[0])) as stored:
        assert np.array_equal(np.asarray(stored), scene())


def test_sixteen_bits_stay_sixteen(tmp_path: Path) -> None:
    pixels = scene().astype(np.uint16) * 257 + 3
    trace = TraceWriter(tmp_path, {})
    trace.event("started", image=trace.image(pixels), mask=trace.image(pixels[..., 0].astype(np.uint8)))
    trace.close("delivered")

    event = Run(trace.path).events[0]
    stored = cv2.imdecode(np.fromfile(Run(trace.path).image(event.image), np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    assert np.array_equal(stored[..., ::-1], pixels)


def test_large_pictures_are_scaled_down_unless_kept_in_full(tmp_path: Path) -> None:
    for size, keep, scale in (
        ((2000, 1500), False, 0.816),
        ((2000, 1500), True, 1.0),
        ((1920, 1080), False, 1.0),
    ):
        trace = TraceWriter(tmp_path, {}, keep_full=keep)
        trace.event("started", image=trace.image(np.zeros((*size[::-1], 3), np.uint8)))
        trace.close("delivered")
        ref = Run(trace.path).events[0].image
        assert (ref.width, ref.height) == size
        assert ref.scale == pytest.approx(scale, abs=0.001)


def test_nothing_recorded_leaves_nothing(tmp_path: Path) -> None:
    trace = TraceWriter(tmp_path / "runs", {})
    trace.close("failed")
    assert not (tmp_path / "runs").exists()
    null = NullTrace()
    null.event("note", text="x")
    assert null.image(scene()).ref is None


def test_a_thumbnail_shows_the_middle_of_both_pictures(tmp_path: Path) -> None:
    before, after = np.zeros((900, 1600, 3), np.uint16), np.zeros((1200, 500, 3), np.uint8)
    before[:, 600:1000] = (65535, 0, 0)
    after[400:800] = (0, 255, 0)
    trace = write_run(tmp_path)
    trace.close("delivered", pictures=(before, after))
    shown = decoded(kept(Run(trace.path)))
    assert shown.shape == (240, 360, 3)
    assert shown[120, 89] == pytest.approx((255, 0, 0), abs=3)
    assert shown[120, 180] == pytest.approx((255, 255, 255), abs=12)
    assert shown[120, 270] == pytest.approx((0, 255, 0), abs=3)
    assert shown[5, 270] == pytest.approx((0, 0, 0), abs=3)
    assert thumbnail(None, None) is None
    assert decoded(thumbnail(None, after)).shape == (240, 178, 3)


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_result_is_the_commit_mark(tmp_path: Path) -> None:
    trace = write_run(tmp_path)
    trace.flush()
    assert Run(trace.path).status == "cut off"
    trace.close("delivered", tag="Success")
    run = Run(trace.path)
    assert (run.status, run.tag) == ("delivered", "Success")
    assert not list(trace.path.rglob("*.tmp"))


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    trace = write_run(tmp_path)
    trace.close("delivered")
    events = trace.path / "events.jsonl"
    whole = events.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1]) + 1):
        events.write_bytes(whole[:-cut])
        assert len(Run(trace.path).events) == 1


def test_a_broken_line_in_the_middle_is_told(tmp_path: Path) -> None:
    trace = write_run(tmp_path)
    trace.close("delivered")
    events = trace.path / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    events.write_bytes(b'{"event": "plan", "seq": 0\n' + lines[1])
    with pytest.raises(TraceError, match="line 1"):
        _ = Run(trace.path).events


def test_unknown_events_and_fields_are_kept_or_ignored_and_a_newer_major_is_refused(tmp_path: Path) -> None:
    trace = write_run(tmp_path)
    trace.close("delivered")
    with (trace.path / "events.jsonl").open("a") as file:
        file.write('{"event": "hologram", "seq": 2, "at": 1.0, "x": 1}\n')
        file.write('{"event": "note", "seq": 3, "at": 1.0, "text": "n", "added_later": true}\n')
    assert [event.event for event in Run(trace.path).events] == ["started", "plan", "hologram", "note"]
    header = json.loads((trace.path / "run.json").read_text())
    (trace.path / "run.json").write_text(json.dumps(header | {"schema": "reedit.run/2"}))
    with pytest.raises(TraceError, match="newer reedit"):
        _ = Run(trace.path).header


def test_a_picture_outside_of_the_run_folder_is_refused(tmp_path: Path) -> None:
    trace = write_run(tmp_path)
    trace.close("delivered")
    ref = Run(trace.path).events[0].image.model_copy(update={"path": "../../../etc/passwd"})
    with pytest.raises(TraceError, match="outside"):
        Run(trace.path).image(ref)


def test_find_run(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no runs"):
        find_run(tmp_path, "last")
    first, second = write_run(tmp_path), write_run(tmp_path)
    for trace in (first, second):
        trace.close("delivered")
    ids = sorted([first.id, second.id])
    assert [run.id for run in list_runs(tmp_path)] == ids
    assert find_run(tmp_path, "last").id == ids[-1]
    assert find_run(tmp_path, first.id).id == first.id
    assert find_run(tmp_path, first.id[-6:]).id == first.id
    assert find_run(tmp_path, str(first.path)).id == first.id
    with pytest.raises(TraceError, match="No run"):
        find_run(tmp_path, "zzz")
    with pytest.raises(TraceError, match="fits 2 runs"):
        find_run(tmp_path, first.id[:4])


def test_secrets_are_redacted() -> None:
    shown = redact(
        {"vlm": {"api_key": "canary", "url": "u", "max_tokens": 5}, "list": [{"password": "canary"}]}
    )
    assert "canary" not in json.dumps(shown)
    assert shown["vlm"]["max_tokens"] == 5
    urls = {"vlm_url": "http://me:canary@host:8000/v1", "editor_url": "http://host/v1@2", "text": "a://b@c"}
    assert redact(urls) == urls | {"vlm_url": "http://***@host:8000/v1"}


def test_an_unwritable_place_is_a_trace_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TraceError, match="Cannot write the run folder"):
        write_run(tmp_path / "file" / "runs")


def test_a_disk_that_is_full_at_the_beginning_leaves_no_half_of_a_run(tmp_path: Path) -> None:
    trace = TraceWriter(tmp_path / "runs", {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(TraceError, match="too large"):
            trace.event("note", text="x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "runs").iterdir()) == []
    assert not trace.opened


def test_a_file_system_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(fd: int, how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", no_locks)
    write_run(tmp_path).close("delivered")
    assert list_runs(tmp_path)[0].status == "delivered"


def test_ids_of_runs_that_begin_in_the_same_millisecond_differ(tmp_path: Path) -> None:
    assert len({TraceWriter(tmp_path, {}).id for _ in range(20_000)}) == 20_000


def test_a_write_that_fails_later_surfaces(tmp_path: Path) -> None:
    trace = write_run(tmp_path)
    trace.flush()
    assert trace._events_fd is not None
    os.close(trace._events_fd)
    trace._events_fd = os.open(os.devnull, os.O_RDONLY)
    trace.event("note", text="x")
    with pytest.raises(TraceError, match="Cannot write"):
        trace.flush()


def test_every_event_before_a_kill_is_on_disk(tmp_path: Path) -> None:
    """SIGKILL right after flush: all events are there, and the run reads as cut off."""
    script = (
        "import sys, os, signal; from pathlib import Path\n"
        "from tests.test_trace import write_run\n"
        "t = write_run(Path(sys.argv[1])); t.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=False, timeout=60)
    run = find_run(tmp_path, "last")
    assert run.status == "cut off"
    assert [event.event for event in run.events] == ["started", "plan"]


def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path: Path) -> None:
    target = tmp_path / f"{'叶' * 83}.html"
    writer.write_atomic(target, b"whole")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_the_caller_does_not_wait_for_the_png(tmp_path: Path) -> None:
    trace = TraceWriter(tmp_path, {}, keep_full=True)
    noise = np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), np.uint8)
    began = time.perf_counter()
    trace.event("started", image=trace.image(noise))
    handed_over = time.perf_counter() - began
    trace.close("delivered")
    assert handed_over < (time.perf_counter() - began) / 2


def test_closing_twice_and_recording_late_change_nothing(tmp_path: Path) -> None:
    trace = write_run(tmp_path)
    trace.close("delivered", tag="Success")
    trace.event("note", text="late")
    trace.close("failed")
    run = Run(trace.path)
    assert run.status == "delivered"
    assert [event.event for event in run.events] == ["started", "plan"]


@pytest.mark.parametrize("where", ["write_json", "flush"])
def test_ctrl_c_at_any_moment_leaves_a_closed_trace_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """In the middle of opening the folder nothing has been recorded; of closing it, closing again completes it."""
    interrupted = iter([True])

    def interrupt(*args: object) -> None:
        if next(interrupted, False):
            raise KeyboardInterrupt
        original(*args)

    trace = TraceWriter(tmp_path, {})
    if where == "write_json":
        original = writer.write_json
        monkeypatch.setattr(writer, "write_json", interrupt)
        with pytest.raises(KeyboardInterrupt):
            trace.event("note", text="x")
    else:
        trace.event("note", text="x")
        original = trace.flush
        monkeypatch.setattr(trace, "flush", interrupt)
        with pytest.raises(KeyboardInterrupt):
            trace.close("delivered")
    trace.close("interrupted")
    assert [run.status for run in list_runs(tmp_path)] == (["interrupted"] if where == "flush" else [])
    assert trace.path.exists() == (where == "flush")
