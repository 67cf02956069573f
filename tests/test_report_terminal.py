"""`reedit trace list`, `show` and `diff`: what a person and a pipe see, also of hostile and damaged runs."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from agent.cli import listing, pictures
from agent.errors import UsageError
from agent.trace import Run, index
from agent.trace.compare import compare
from agent.trace.view import view
from tests.conftest import ROOT, scene
from tests.run_folders import HOSTILE, LONG, broken_runs, edit_json, hostile_run, make_run
from tests.test_cli import reedit  # noqa: F401 - a fixture

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def test_the_list_is_filtered_and_sorted(reedit, tmp_path: Path) -> None:  # noqa: F811
    first, second = make_run(tmp_path / "runs", "make it bright"), make_run(tmp_path / "runs", "变亮一点")
    edit_json(first.path / "result.json", score=2.5, tag="Failed")
    edit_json(first.path / "run.json", started="2020-01-01T00:00:00+00:00")

    def ids(*args: str) -> list[str]:
        return [row["id"] for row in json.loads(reedit("trace", "list", "--json", *args).out)]

    assert ids() == [first.id, second.id]
    assert ids("--tag", "failed") == [first.id]
    assert ids("--tag", "Failed", "--tag", "Success") == [first.id, second.id]
    assert ids("--text", "BRIGHT") == [first.id]
    assert ids("--text", "变亮") == [second.id]
    assert ids("--editor", "brighten", "--reasoner", "scripted") == [first.id, second.id]
    assert ids("--editor", "other") == []
    assert ids("--since", "1d") == [second.id]
    assert ids("--until", "2021-01-01") == [first.id]
    assert ids("--min-score", "3") == [second.id]
    assert ids("--sort", "score", "--reverse") == [second.id, first.id]
    assert ids("--limit", "1") == [second.id]
    assert "match" in reedit("trace", "list", "--text", "nothing such").out
    assert reedit("trace", "list", "--since", "yesterday").code == 2


def test_a_moment_is_a_date_or_an_age() -> None:
    now = datetime(2026, 1, 10, tzinfo=UTC)
    assert listing.moment("36h", now) == now - timedelta(hours=36)
    assert listing.moment("2026-01-02T03:04:05Z", now) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert listing.moment("2026-01-02", now).tzinfo is not None
    for wrong in ("-1d", "999999w", "0001-01-01"):
        with pytest.raises(UsageError):
            listing.moment(wrong, now)


def test_the_index_is_only_a_cache(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    before = index.rows(tmp_path)
    assert (tmp_path / index.FILE).is_file()
    assert index.rows(tmp_path) == before
    edit_json(run.path / "result.json", score=1.0)
    os.utime(run.path / "result.json", ns=(1, 1))
    assert index.rows(tmp_path)[0].score == 1.0
    good = (tmp_path / index.FILE).read_bytes()
    for bad in (
        b"",
        b"[]",
        b"{",
        good[:-9],
        good.replace(b'"version": 1', b'"version": 9'),
        b"[" * 9999,
        b"null",
    ):
        (tmp_path / index.FILE).write_bytes(bad)
        assert index.rows(tmp_path)[0].score == 1.0
    (run.path / "result.json").unlink()
    assert index.rows(tmp_path)[0].status == "cut off"


def test_a_wrong_row_of_the_index_is_not_believed(tmp_path: Path) -> None:
    make_run(tmp_path)
    good = index.rows(tmp_path)
    record = json.loads((tmp_path / index.FILE).read_text())
    for change in ([], [1], ["x"] * 11, [*record["rows"][0][2][:3], "ten", *record["rows"][0][2][4:]]):
        (tmp_path / index.FILE).write_text(json.dumps(record | {"rows": [[*record["rows"][0][:2], change]]}))
        assert index.rows(tmp_path) == good


def test_the_story_names_what_happened(reedit, tmp_path: Path) -> None:  # noqa: F811
    make_run(tmp_path / "runs")
    said = reedit("trace", "show", "last")
    for words in ("brighten the photo", "round 1", "<#Reflection>", "next: brighten it more", "round 2", "delivered",
                  "time by stage", "partly met", "amount 40"):  # fmt: skip
        assert words in said.out
    assert re.search(r"think +█", said.out)
    record = reedit("trace", "show", "last", "--raw", "plan").json
    assert record["plan"]["steps"] == ["brighten the photo"]
    assert reedit("trace", "show", "last", "--raw", "1").json == record
    assert reedit("trace", "show", "last", "--raw", "77").code == 2
    assert reedit("trace", "show", "last", "--raw", "hologram").code == 1


@pytest.mark.parametrize("text", [*HOSTILE, LONG], ids=range(len(HOSTILE) + 1))
def test_hostile_text_stays_text(reedit, tmp_path: Path, text: str) -> None:  # noqa: F811
    hostile_run(tmp_path / "runs", text)
    for command in (("list",), ("show", "last"), ("diff", "last", "last")):
        said = reedit("trace", *command)
        assert said.code == 0, said.err
        assert not CONTROL.search(said.out)
        assert len(said.out) < 60_000
    assert reedit("trace", "show", "last", "--json").json["run"]["instruction"] == text


def test_damaged_runs_are_told_without_a_traceback(reedit, tmp_path: Path) -> None:  # noqa: F811
    paths = broken_runs(tmp_path / "runs")
    assert reedit("trace", "list").code == 0
    for path in paths:
        said = reedit("trace", "show", path)
        unreadable = path.name.endswith(("newer", "headless"))
        assert said.code == int(unreadable), said.err
        assert said.err.count("\n") == int(unreadable)
    assert "damaged" in reedit("trace", "show", paths[4]).out


def test_diff_tells_words_and_pixels(reedit, tmp_path: Path) -> None:  # noqa: F811
    a, b = make_run(tmp_path / "runs"), make_run(tmp_path / "runs", "brighten it!")
    same = reedit("trace", "diff", a.id, a.id)
    assert (same.code, same.out.splitlines()[-1]) == (0, "identical pixels")
    said = reedit("trace", "diff", a.id, b.id, "--json")
    assert said.code == 1
    assert [one["what"] for one in said.json["differences"]] == ["request"]
    assert said.json["identical_pixels"] is True


def test_a_single_pixel_is_a_difference(tmp_path: Path) -> None:
    a, b = make_run(tmp_path), make_run(tmp_path)
    pixels = scene().astype(np.int32) + 40
    changed = np.clip(pixels, 0, 255).astype(np.uint8)
    changed[0, 0] = 255 - changed[0, 0]
    PILImage.fromarray(changed).save(view(b).run.image(view(b).rounds[0].edits[0].image))
    found = compare(view(a), view(b))
    assert not found.identical_pixels
    assert found.pictures[1].identical
    assert found.pictures[0].most > 0


def test_what_a_terminal_can_show_is_found_in_its_environment() -> None:
    def ask(**environ: str) -> str:
        return pictures.detect({"TERM": "dumb"} | environ, tty=True, colours=True)

    assert ask(KITTY_WINDOW_ID="1") == "kitty"
    assert ask(TERM="xterm-ghostty") == "kitty"
    assert ask(TERM_PROGRAM="WezTerm") == "iterm2"
    assert ask(TERM_PROGRAM="iTerm.app", TMUX="/tmp/x") == "blocks"
    assert ask() == "blocks"
    assert pictures.detect({"KITTY_WINDOW_ID": "1"}, tty=False, colours=True) == "none"


def test_sixels_decode_to_the_picture() -> None:
    """A small decoder of what was written: every pixel has the colour of the picture."""
    pixels = np.zeros((13, 20, 3), np.uint8)
    pixels[:, 5:11] = (255, 0, 0)
    pixels[7:, 11:] = (0, 0, 255)
    text = pictures.sixel(PILImage.fromarray(pixels))
    body = text.removeprefix('\x1bPq"1;1;20;13').removesuffix("\x1b\\")
    shown, palette, x, y, colour = np.full((18, 20, 3), -1), {}, 0, 0, 0
    for part in re.finditer(r"#(\d+)(;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|(.)", body):
        number, define, red, green, blue, count, repeated, char = part.groups()
        if define:
            palette[int(number)] = [round(int(v) * 2.55) for v in (red, green, blue)]
        elif number:
            colour = int(number)
        elif char == "$":
            x = 0
        elif char == "-":
            x, y = 0, y + 6
        else:
            bits = ord(repeated or char) - 63
            width = int(count or 1)
            for bit in range(6):
                if bits >> bit & 1:
                    shown[y + bit, x : x + width] = palette[colour]
            x += width
    assert np.abs(shown[:13] - pixels).max() <= 3


def test_kitty_and_iterm2_carry_a_png() -> None:
    kitty = pictures.escape(scene(), "kitty")
    assert kitty.startswith("\x1b_Ga=T,f=100,q=2,")
    assert all(len(part) < 4200 for part in kitty.split("\x1b\\"))
    assert "inline=1" in pictures.escape(scene(), "iterm2")


def test_a_terminal_that_does_not_answer_delays_nothing(tmp_path: Path) -> None:
    """In a pseudo-terminal that never answers a question, with colours: half blocks, and the terminal as before."""
    run = make_run(tmp_path / "runs")
    pid, fd = pty.fork()
    if pid == 0:
        environ = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        for name in ("TMUX", "KITTY_WINDOW_ID", "TERM_PROGRAM", "NO_COLOR"):
            environ.pop(name, None)
        command = [sys.executable, "-m", "reedit", "trace", "show", str(run.path)]
        os.execve(sys.executable, command, environ)
    said, deadline = b"", time.monotonic() + 20
    while time.monotonic() < deadline and select.select([fd], [], [], 10)[0]:
        try:
            part = os.read(fd, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert b"\x1b[c" in said
    assert "▀".encode() in said
    assert "time by stage" in said.decode(errors="replace")


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    for _ in range(3):
        make_run(tmp_path / "runs")
    line = f"{sys.executable} -m reedit trace list --runs {tmp_path / 'runs'} | head -n 1"
    said = subprocess.run(
        ["bash", "-c", line],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.stdout.startswith("run ")
    assert said.stderr == ""


def test_a_run_of_the_loop_reads_back(tmp_path: Path) -> None:
    shown = view(Run(make_run(tmp_path).path))
    assert shown.faults == []
    assert [this.tag for this in shown.rounds] == ["Reflection", "Success"]
    assert shown.best is shown.rounds[1]
    assert set(shown.seconds_by_stage) >= {"think", "edit", "score", "conclude"}
    assert all(0 <= span.began <= span.ended <= shown.seconds + 0.01 for span in shown.spans)
