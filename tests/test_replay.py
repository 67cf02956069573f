"""Replay: the same pixels from recorded replies, later rounds anew, what differs; nothing a trace says is trusted."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from agent.errors import ReasonerError, TraceError, UsageError
from agent.replay import Wish, recorded_reasoner, replay
from agent.trace import Run, find_run
from agent.trace.view import view
from agent.types import Task
from tests.conftest import scene
from tests.run_folders import edit_json, make_run
from tests.test_cli import reedit  # noqa: F401 - a fixture


@pytest.fixture
def ran(reedit, photo: Path, tmp_path: Path) -> Run:  # noqa: F811
    """A real run that reflects: too vague to be right at once."""
    said = reedit("apply", photo, "make it more dramatic with a vintage feel")
    assert said.code in (0, 3), said.err
    return find_run(tmp_path / "runs", "last")


def test_recorded_replies_give_identical_pixels(reedit, ran: Run) -> None:  # noqa: F811
    said = reedit("trace", "replay", ran.id, "--reasoner", "recorded")
    assert said.code == 0, said.out
    assert said.out.splitlines()[-1] == "identical pixels"
    record = reedit("trace", "replay", ran.id, "--reasoner", "recorded", "--json").json
    assert record["identical_pixels"] is True
    assert record["same"] is True
    again = Run(Path(record["outcome"]["run"]))
    assert again.header["replay_of"] == ran.id
    assert again.header["settings"]["reasoner"] == "recorded"


def test_the_same_reasoner_does_the_same_again(reedit, ran: Run) -> None:  # noqa: F811
    assert reedit("trace", "replay", ran.id).code == 0


def test_a_replay_can_be_replayed(reedit, ran: Run, tmp_path: Path) -> None:  # noqa: F811
    reedit("trace", "replay", ran.id, "--reasoner", "recorded")
    assert reedit("trace", "replay", "last").code == 0


def test_what_came_out_differently_is_told(reedit, ran: Run, tmp_path: Path) -> None:  # noqa: F811
    said = reedit("trace", "replay", ran.id, "--reasoner", "recorded", "--rounds", 0, "-o", "again.jpg")
    assert (tmp_path / "again.jpg").is_file()
    if len(view(ran).rounds) > 1:
        assert said.code == 1
        assert "only in a" in said.out
        assert "setting rounds" in said.out


def test_earlier_rounds_come_from_the_trace(tmp_path: Path, photo: Path) -> None:
    run = make_run(tmp_path / "runs")
    PILImage.fromarray(scene()).save(tmp_path / "source.png")
    digest = hashlib.sha256((tmp_path / "source.png").read_bytes()).hexdigest()
    source = {"path": str(tmp_path / "source.png"), "sha256": digest}
    edit_json(run.path / "run.json", input=source)
    wish = Wish({"editor": "builtin", "reasoner": "recorded", "runs": str(tmp_path / "runs")}, from_round=2)
    made = replay(Run(run.path), wish)
    assert made.comparison.pictures[0].identical  # from the trace: this editor would not give it
    assert not made.comparison.pictures[1].identical
    assert view(made.run).rounds[0].edits[0].details == view(run).rounds[0].edits[0].details
    with pytest.raises(UsageError, match="takes 1 to 3"):
        replay(run, Wish(from_round=9))
    events = run.path / "events.jsonl"
    events.write_text(events.read_text().replace('"humanEdits"', '"hologram"'))
    made = replay(Run(run.path), wish)  # a label that no editor gives: that step is not believed
    assert not made.comparison.pictures[0].identical


def test_the_photo_must_be_the_one(reedit, ran: Run, photo: Path, tmp_path: Path) -> None:  # noqa: F811
    moved = tmp_path / "moved.jpg"
    shutil.move(photo, moved)
    said = reedit("trace", "replay", ran.id, "--reasoner", "recorded")
    assert said.code == 0
    assert "picture in the trace" in said.out
    assert "note" not in reedit("trace", "replay", ran.id, "--reasoner", "recorded", "--photo", moved).out
    PILImage.fromarray(scene(192, 128, seed=9)).save(photo)
    assert "picture in the trace" in reedit("trace", "replay", ran.id, "--reasoner", "recorded").out
    said = reedit("trace", "replay", ran.id, "--reasoner", "recorded", "--photo", photo)
    assert said.code == 1
    assert "is not the photo of the run" in said.out
    for picture in (ran.path / "images").iterdir():
        picture.unlink()
    assert "--photo" in reedit("trace", "replay", ran.id, "--reasoner", "recorded").err


def test_a_trace_does_not_choose_servers_or_folders(ran: Run, tmp_path: Path, monkeypatch) -> None:
    header = json.loads((ran.path / "run.json").read_text())
    header["settings"] |= {
        "vlm_url": "http://evil.example/v1",
        "runs": str(tmp_path / "evil"),
        "prompts": "/evil",
    }
    (ran.path / "run.json").write_text(json.dumps(header))
    made = replay(Run(ran.path), Wish({"reasoner": "recorded"}))
    assert made.run.path.parent.name == "runs"
    assert made.run.header["settings"]["vlm_url"].startswith("http://127.0.0.1")
    assert made.run.header["settings"]["prompts"] is None
    assert not (tmp_path / "evil").exists()


def test_replies_that_are_missing_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    events = run.path / "events.jsonl"
    kept = [line for line in events.read_text().splitlines() if '"event": "plan"' not in line]
    events.write_text("\n".join(kept) + "\n")
    task = Task(scene(), "x")
    with pytest.raises(ReasonerError, match="no reply to think"):
        recorded_reasoner(view(Run(run.path))).think(task)
    reasoner = recorded_reasoner(view(run))
    facts = view(run).rounds[0].measured.facts
    assert [reasoner.score(task, scene(), "", facts).score for _ in range(2)] == [5.0, 9.0]
    with pytest.raises(ReasonerError, match="no reply to score in round 3"):
        reasoner.score(task, scene(), "", facts)


def test_a_mask_is_replayed(reedit, photo: Path, tmp_path: Path) -> None:  # noqa: F811
    mask = np.zeros((128, 192), np.uint8)
    mask[40:90, 40:90] = 255
    PILImage.fromarray(mask).save(tmp_path / "mask.png")
    reedit("apply", photo, "increase the contrast", "--mask", tmp_path / "mask.png")
    (tmp_path / "mask.png").unlink()
    assert reedit("trace", "replay", "last", "--reasoner", "recorded").code == 0


def test_an_absurd_round_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with (run.path / "events.jsonl").open("a") as file:
        file.write('{"event":"verdict","seq":90,"at":1,"round":999999999,"verdict":{"tag":"Success"}}\n')
    with pytest.raises(TraceError, match="no run of reedit"):
        recorded_reasoner(view(Run(run.path)))
