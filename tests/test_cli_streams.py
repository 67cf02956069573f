"""The command line when the shell gives it odd streams, wrong usage or a signal: one line, one object, one code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent.cli import boundary
from agent.cli.progress import watch
from agent.loop import Stage
from tests.conftest import ROOT

COMMAND = f"{sys.executable} -P -m reedit"
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line for sh, in which `reedit` is the command line of this tree."""
    env = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    script = f'reedit() {{ {COMMAND} "$@"; }}\n{line}'
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    return done


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(photo: Path, tmp_path: Path, closed: str) -> None:
    done = shell(f"reedit apply {photo} 'more contrast' -o out.jpg --json {closed}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.jpg").read_bytes()[:2] == b"\xff\xd8"
    if ">&-" not in closed.replace("2>&-", ""):
        assert json.loads(done.stdout)["ok"] is True


@needs_full
@pytest.mark.parametrize(
    "words",
    ["plan {photo} sepia", "--help", "--version", "apply --help", "trace list --json", "doctor --json"],
)
def test_a_full_disk_behind_stdout_is_told_in_a_line(photo: Path, tmp_path: Path, words: str) -> None:
    done = shell(f"reedit {words.format(photo=photo)} >/dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "reedit: error: No space left on device"


@pytest.mark.parametrize(
    "words", ["apply {photo} sepia --json", "trace list --json", "batch {photo} -o out --json"]
)
def test_a_current_folder_that_is_gone_is_told(photo: Path, tmp_path: Path, words: str) -> None:
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; reedit {words.format(photo=photo)}", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "reedit: error: the current folder is gone; change to another one\n"
    assert "is gone" in json.loads(done.stdout)["message"]


@needs_full
def test_what_is_lost_on_stderr_does_not_fail_the_edit(photo: Path, tmp_path: Path) -> None:
    assert shell(f"reedit apply {photo} sepia -o out.jpg 2>/dev/full", tmp_path).returncode == 0
    assert (tmp_path / "out.jpg").is_file()


def test_an_ascii_terminal_gets_everything_escaped(photo: Path, tmp_path: Path) -> None:
    plan = shell(f"reedit plan {photo} 变暗", tmp_path, PYTHONIOENCODING="ascii")
    assert plan.returncode == 0, plan.stderr
    assert plan.stdout == "1. \\u53d8\\u6697\n"
    shell(f"reedit apply {photo} sepia -o out.jpg", tmp_path)
    story = shell("reedit trace show last", tmp_path, PYTHONIOENCODING="ascii")
    assert story.returncode == 0, story.stderr
    assert "<- delivered" in story.stdout
    assert "##" in story.stdout


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("apply --json", "IMAGE"),
        ("aply --json", "aply"),
        ("apply a.jpg b --rounds 99 --json", "--rounds"),
        ("apply a.jpg b --nonsense --json", "--nonsense"),
        ("apply a.jpg b --seed 99999999999 --json", "seed"),
        ("trace show last --json", "no runs"),
    ],
)
def test_json_is_one_object_for_wrong_usage_too(tmp_path: Path, words: str, part: str) -> None:
    done = shell(f"reedit {words}", tmp_path)
    record = json.loads(done.stdout)
    assert record["ok"] is False
    assert record["exit_code"] == done.returncode
    assert part in record["message"]
    assert part in done.stderr


@pytest.mark.parametrize(("seconds", "json_"), [(0.1, []), (0.2, ["--json"]), (0.4, []), (0.7, ["--json"])])
def test_interrupted_at_any_moment(photo: Path, tmp_path: Path, seconds: float, json_: list[str]) -> None:
    line = [sys.executable, "-P", "-c", "print(flush=True)\nfrom agent.cli import main\nmain()"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = subprocess.Popen(
        [*line, "apply", str(photo), "blur the photo and sepia", "-o", "out.jpg", *json_],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout is not None
    started.stdout.readline()  # before that it is Python that starts, not reedit
    time.sleep(seconds)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=30)
    assert "Traceback" not in err
    if started.returncode != 0:  # else it was done already
        assert started.returncode == 130, err
        assert err == "reedit: interrupted\n"
        assert not json_ or json.loads(out)["error"] == "Interrupted"
        assert not list(tmp_path.glob("*.tmp*"))


def test_an_interrupt_after_the_end_changes_nothing() -> None:
    late = "import atexit, os, signal\natexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
    line = [sys.executable, "-c", f"{late}from agent.cli import main\nmain()", "--version"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_that_python_wraps_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    wrapped = RuntimeError("Error calling __set_name__")
    wrapped.__cause__ = KeyboardInterrupt()
    assert boundary.conclude(wrapped, as_json=False) == 130
    assert capsys.readouterr().err == "reedit: interrupted\n"


def test_an_interrupt_at_the_import_locks_comes_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "_signalled", False)
    locking = compile("kill(number)\ndone = True", "<frozen importlib._bootstrap>", "exec")
    scope: dict[str, Any] = {"kill": signal.raise_signal, "number": signal.SIGTERM}
    before = signal.signal(signal.SIGTERM, boundary._interrupt)
    try:
        exec(locking, scope)
        assert scope["done"]
        with pytest.raises(KeyboardInterrupt):
            time.sleep(5)
        exec(locking, scope)
        with pytest.raises(KeyboardInterrupt):
            boundary.heed()
        time.sleep(10 * boundary.AGAIN_SECONDS)  # one interrupt is raised once
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interrupt_that_a_library_swallows_is_heeded_at_the_next_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boundary, "_signalled", False)
    with watch(2, quiet=True) as notify:
        notify(Stage("edit"))
        with suppress(KeyboardInterrupt):  # as Cython does while a module of its own loads
            boundary._interrupt(signal.SIGINT, None)
        with pytest.raises(KeyboardInterrupt):
            notify(Stage("reflect"))


@pytest.mark.parametrize(
    ("stage", "shown"),
    [(Stage("edit", text="make it snow"), "make it snow.*preparing"),
     (Stage("edit", text="make it snow", doing="loading the model"), "make it snow.*loading the model"),
     (Stage("edit", 1, 1, 3, 4, 8), "edit  round 2 of at most 3  step 2 of 3.*4/8"),
     (Stage("think", text="make it autumn"), "think  make it autumn")],
)  # fmt: skip
def test_a_terminal_shows_what_is_happening(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stage: Stage, shown: str
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with watch(2, quiet=False) as notify:
        notify(stage)
    seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert re.search(shown, seen)
    assert ("preparing" in seen) == ("preparing" in shown)


def test_a_mistyped_flag_of_serve_is_ours_to_refuse_and_one_behind_dashes_is_vllms(tmp_path: Path) -> None:
    wrong = shell("reedit serve --model x --shar 0.3 --python /nothing", tmp_path)
    assert wrong.returncode == 2
    assert "--shar" in wrong.stderr
    passed = shell("reedit serve --model 'a b' --python /nothing -- --shar 0.3", tmp_path)
    assert "--model 'a b'" in passed.stderr
    assert "--shar 0.3" in passed.stderr.splitlines()[0]
