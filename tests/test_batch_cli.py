"""`reedit batch` as a process: killed, interrupted, out of disk, told about, resumed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from agent.trace import list_runs
from benchmarks.batch import resident
from tests.conftest import EXAMPLES, ROOT, scene
from tests.fake_vlm import PLAN, QUALITY, SCORE, SUCCESS, FakeVlm, answer_by_call

Process = subprocess.CompletedProcess[str]
SETTINGS = {name for name in os.environ if name.startswith("REEDIT_") and not name.startswith("REEDIT_TEST_")}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in SETTINGS}
ENVIRONMENT |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def manifest(folder: Path, count: int, width: int = 96, height: int = 64) -> Path:
    """A CSV of `count` jobs on as many photos."""
    lines = ["image,instruction"]
    (folder / "in").mkdir()
    for n in range(count):
        PILImage.fromarray(scene(width, height, n)).save(folder / "in" / f"{n:04}.jpg")
        lines.append(f"in/{n:04}.jpg,increase the contrast")
    (folder / "jobs.csv").write_text("\n".join(lines) + "\n")
    return folder / "jobs.csv"


def command(folder: Path, *args: object) -> list[str]:
    words = ["batch", folder / "jobs.csv", "-o", folder / "out", *args]
    return [sys.executable, "-m", "reedit", *map(str, words)]


def start(folder: Path, *args: object, **kwargs: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(folder, *args), cwd=folder, env=ENVIRONMENT, text=True, start_new_session=True,
        stderr=subprocess.PIPE, **kwargs,
    )  # fmt: skip


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text().splitlines()]


def check_all_delivered_once(folder: Path, count: int) -> None:
    found = results(folder)
    assert [line["status"] for line in found] == ["delivered"] * count
    assert len({line["id"] for line in found}) == count
    for line in found:
        data = (folder / "out" / line["output"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == line["sha256"]
    runs = list_runs(folder / "out" / "runs")
    delivered = Counter(run.header["batch"]["id"] for run in runs if run.status == "delivered")
    assert delivered == Counter(line["id"] for line in found)
    for run in runs:
        assert run.header["instruction"] == "increase the contrast"
        if (run.path / "events.jsonl").exists():  # else it was killed before its first event
            assert [event.seq for event in run.events] == list(range(len(run.events)))
    outputs = {line["output"] for line in found}
    assert {path.name for path in (folder / "out").iterdir()} == outputs | {
        ".reedit",
        "runs",
        "results.jsonl",
    }


@pytest.mark.slow
def test_sixteen_sigkills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    manifest(tmp_path, 60)
    rng = random.Random(5)
    runs, kills = tmp_path / "out" / "runs", 0

    def begun() -> int:
        return len(list(runs.iterdir())) if runs.exists() else 0

    while kills < 16:
        process = start(tmp_path, "-q")
        before = begun()
        # from the first job on, for most of them; some die while the batch starts or cleans up
        while rng.random() < 0.98 and process.poll() is None and begun() == before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.08))
        if process.poll() is not None:
            break  # it was faster than the kills; enough of them have happened, or the assertion says so
        (os.killpg if rng.random() < 0.3 else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
    assert kills == 16
    said = subprocess.run(
        command(tmp_path, "-q"), env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert (said.returncode, said.stderr) == (0, "")
    check_all_delivered_once(tmp_path, 60)


def test_a_kill_of_all_processes_and_of_the_parent_alone(tmp_path: Path) -> None:
    manifest(tmp_path, 12)
    runs = tmp_path / "out" / "runs"
    for kill in (os.kill, os.killpg):
        process = start(tmp_path, "-q")
        before = len(list_runs(runs))
        while process.poll() is None and len(list_runs(runs)) < before + 2:
            time.sleep(0.01)
        kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert subprocess.run(command(tmp_path, "-q"), env=ENVIRONMENT, timeout=120).returncode == 0
    check_all_delivered_once(tmp_path, 12)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_clean(tmp_path: Path, number: int) -> None:
    manifest(tmp_path, 30, 600, 400)
    process = start(tmp_path)
    journal = tmp_path / "out" / ".reedit" / "journal.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 3):
        time.sleep(0.01)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.strip() == "reedit: interrupted"
    counts = Counter(line["status"] for line in results(tmp_path))
    assert counts["delivered"] >= 3
    assert counts["pending"] == 30 - counts["delivered"]
    runs = list_runs(tmp_path / "out" / "runs")
    assert {run.status for run in runs} <= {"delivered", "interrupted"}
    with (tmp_path / "out" / ".reedit" / "workers.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while a worker lives
    assert subprocess.run(command(tmp_path, "-q"), env=ENVIRONMENT, timeout=120).returncode == 0
    check_all_delivered_once(tmp_path, 30)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, mounted; the photos lie elsewhere."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("mounts a small tmpfs: needs root")
    small = tmp_path / "out"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield small
    subprocess.run(["umount", small], check=True)


def test_a_full_disk_stops_and_a_bigger_one_goes_on(tmp_path: Path, small_disk: Path) -> None:
    lines = ["image,instruction"]
    for n in range(12):
        noise = np.random.default_rng(n).integers(0, 255, (240, 320, 3), np.uint8)
        PILImage.fromarray(noise).save(tmp_path / f"{n}.jpg", quality=90)
        lines.append(f"{n}.jpg,increase the contrast")
    (tmp_path / "jobs.csv").write_text("\n".join(lines))
    said = subprocess.run(command(tmp_path), env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert said.returncode == 1
    assert "error: the disk is full" in said.stderr
    assert "the same command goes on" in said.stderr
    assert "Traceback" not in said.stderr
    assert "failed" not in said.stderr
    assert not list(small_disk.glob(".reedit-*"))
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    kept = (small_disk / ".reedit" / "journal.jsonl").read_bytes().count(b"\n") - 1
    assert kept > 0
    said = subprocess.run(command(tmp_path), env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    assert f"{12 - kept} in this run ({kept} kept)" in said.stderr
    check_all_delivered_once(tmp_path, 12)


def test_two_at_once(tmp_path: Path) -> None:
    manifest(tmp_path, 30, 600, 400)
    first = start(tmp_path, "-q")
    while first.poll() is None and not (tmp_path / "out" / "runs").exists():
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # it holds the folder for as long as this takes
    second = subprocess.run(command(tmp_path), env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    looked = subprocess.run(
        command(tmp_path, "--status"), env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    first.send_signal(signal.SIGCONT)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"in use by process {first.pid} on " in second.stderr
    assert f"running now: process {first.pid}" in looked.stdout


def test_events_for_scripts(cli: Callable[..., Process], tmp_path: Path) -> None:
    manifest(tmp_path, 3)
    (tmp_path / "in" / "0001.jpg").write_bytes(b"no photo")
    said = cli("batch", "jobs.csv", "-o", "out", "--json")
    assert (said.returncode, said.stderr) == (1, "")
    events = [json.loads(line) for line in said.stdout.splitlines()]
    assert [event["event"] for event in events] == ["begin", "job", "job", "job", "end"]
    assert (events[0]["jobs"], events[0]["engine"], events[0]["editors"]) == (
        3,
        "processes",
        len(os.sched_getaffinity(0)),
    )
    assert {event["id"]: event["status"] for event in events[1:4]} == {
        "0000": "delivered", "0001": "failed", "0002": "delivered",
    }  # fmt: skip
    assert events[1]["schema"] == "reedit.result/1"
    assert (events[4]["ok"], events[4]["failed"], events[4]["exit_code"]) == (2, 1, 1)
    said = cli("batch", "jobs.csv", "-o", "out", "--status", "--json")
    assert [json.loads(line)["would_run"] for line in said.stdout.splitlines()] == [False] * 3
    said = cli("batch", "jobs.csv", "-o", "out", "--status")
    assert "2 done, 1 failed for good" in said.stdout
    assert "failed: 0001: PhotoError" in said.stdout
    said = cli("batch", "jobs.csv", "-o", "out")
    assert said.returncode == 1
    assert "failed: PhotoError 1" in said.stderr
    assert cli("trace", "list", "--runs", "out/runs").stdout.count("<#Success>") == 2


def test_a_wrong_manifest_is_told_whole_and_nothing_is_written(
    cli: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "jobs.jsonl").write_text('{"image": "gone.jpg", "instruction": "x", "sed": 1}\n{}\n')
    said = cli("batch", "jobs.jsonl", "-o", "out")
    assert said.returncode == 2
    assert [line.split(": ")[3] for line in said.stderr.splitlines()] == [
        "line 1",
        "line 1",
        "line 2",
        "line 2",
    ]
    assert "'seed'" in said.stderr
    assert not (tmp_path / "out").exists()
    assert cli("batch", "nothing.csv", "-o", "out").returncode == 2
    assert cli("batch", "jobs.jsonl", "-o", "out", "--jobs-in-flight", "0").returncode == 2


def test_the_progress_of_a_terminal(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
    manifest(tmp_path, 4)
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(tmp_path), env=ENVIRONMENT | {"TERM": "xterm"}, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 4096)
            except OSError:  # the terminal is closed
                break
    os.close(ours)
    assert process.returncode == 0
    for words in (b"4/4", b"4 ok", b"edits/min", b"editor busy", b"delivered, judged a success"):
        assert words in said


def test_two_servers_share_the_calls(cli: Callable[..., Process], tmp_path: Path) -> None:
    pytest.importorskip("openai", reason='needs the extra "vlm"')
    manifest(tmp_path, 6)
    answers = answer_by_call(
        think=PLAN, describe="A lake.", score=SCORE, conclude=SUCCESS, reflect=SUCCESS, judge=QUALITY
    )
    with FakeVlm(answers) as one, FakeVlm(answers) as two:
        urls = ["--vlm-url", one.url, "--vlm-url", two.url]
        said = cli("batch", "jobs.csv", "-o", "out", "--reasoner", "vlm", "--jobs-in-flight", "2", *urls)
        assert said.returncode == 0, said.stderr
        assert min(len(one.bodies), len(two.bodies)) >= 4  # think, describe, score, conclude
        asked = len(one.bodies) + len(two.bodies)
        again = cli("batch", "jobs.csv", "-o", "out", "--reasoner", "vlm", "--vlm-url", two.url)
        assert "(6 kept)" in again.stderr  # the server is not part of a job's key
        assert len(one.bodies) + len(two.bodies) == asked


def test_the_shipped_manifest(cli: Callable[..., Process]) -> None:
    said = cli("batch", EXAMPLES / "jobs.csv", "-o", "out", "--status")
    assert said.returncode == 0, said.stderr
    assert "5 to run: not run yet" in said.stdout


@pytest.mark.slow
def test_memory_stays_flat(tmp_path: Path) -> None:
    """200 jobs, or as many as REEDIT_TEST_SOAK says; workers are replaced only after 500."""
    count = int(os.environ.get("REEDIT_TEST_SOAK", "200"))
    manifest(tmp_path, count)
    process = start(tmp_path, "-q")
    journal = tmp_path / "out" / ".reedit" / "journal.jsonl"
    seen: list[tuple[int, float]] = []
    while process.poll() is None:
        if journal.exists():
            seen.append((journal.read_bytes().count(b"\n"), resident(process.pid)))
        time.sleep(0.1)
    process.communicate()
    assert process.returncode == 0
    early = max(size for done, size in seen if 0.2 * count <= done <= 0.4 * count)
    late = sorted(size for done, size in seen if done >= 0.7 * count)
    assert late[len(late) // 2] < 1.1 * early, (early, late)
