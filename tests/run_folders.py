"""Run folders for tests: made by the real loop, or written by hand to be hostile."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.loop import Loop, LoopOptions
from agent.scripted import ScriptedReasoner
from agent.trace import Run, TraceWriter
from agent.types import Consistency, Task
from editor.base import Editor, EditRequest, EditResult
from tests.conftest import scene

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    SCRIPT,
    "</script><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "\x1b[31mred\x1b]0;title\x07\x1b[2J\x9b1m",
    "[bold red]markup[/bold red] [link=https://evil.example]x[/link]",
    "\u202eright to left\u202c \u2066isolate שלום مرحبا",
    "🏞️👩‍🔬 \U0001f9d1\u200d\U0001f33e",
    "$(touch pwned) `touch pwned`; rm -rf / #",
    "{{ 7*7 }} {% raw %} ${7*7}",
    "lone \ud800 surrogate, NUL \x00 and \u2028 line",
    "<!-- --> ]]> <![CDATA[ <svg onload=alert(4)>",
)
LONG = "long " * 200_000
"""A megabyte of text."""


@dataclass
class Brighten:
    """The smallest editor: adds 40, deterministic."""

    name: str = "brighten"
    abilities: str = "brightens"
    by: int = 40

    def edit(self, request: EditRequest) -> EditResult:
        image = np.clip(request.image.astype(np.int32) + self.by, 0, 255).astype(request.image.dtype)
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[: image.shape[0] // 2] = 255
        details = {"operations": [{"operation": "brighten", "amount": self.by}]}
        return EditResult(image, mask, details, ("brightened",))


def make_run(
    root: Path, instruction: str = "brighten it", editor: Editor | None = None, **header: Any
) -> Run:
    """A run of the real loop: two rounds, the second a success."""
    settings = {"reasoner": "scripted", "editor": "brighten", "seed": 3, "rounds": 2}
    known = {
        "instruction": instruction, "settings": settings,
        "input": {"path": "photo.jpg", "sha256": "0" * 64, "format": "JPEG", "width": 96, "height": 64},
    }  # fmt: skip
    trace = TraceWriter(root, known | header)
    weak = Consistency(meets_instruction="partial", raw_score=6, reason="too dark")
    good = Consistency(meets_instruction="yes", raw_score=9, reason="as asked")
    reasoner = ScriptedReasoner(
        ["brighten the photo"], ["brighten it more", "Success"], scores=[weak, good], latency=0.002
    )
    task = Task(scene(), instruction, seed=3)
    result = Loop(reasoner, editor or Brighten(), trace, LoopOptions()).run(task)
    trace.event(
        "call", call="score", model="m", prompt=[{"role": "user", "content": "p"}], raw="r", seconds=0.01
    )
    best = result.round
    trace.event("delivered", round=best.index, path=None, width=96, height=64)
    pictures, rounds = (task.source, best.image), len(result.rounds)
    trace.close(
        "delivered", pictures=pictures, tag=best.verdict.tag, best=best.index, rounds=rounds, score=9.0
    )
    return Run(trace.path)


def edit_json(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def hostile_run(root: Path, text: str) -> Run:
    """A run with `text` wherever a text can be."""
    run = make_run(root)
    lines = []
    for line in (run.path / "events.jsonl").read_text().splitlines():
        lines.append(json.dumps(_replaced(json.loads(line), text)))
    (run.path / "events.jsonl").write_text("\n".join(lines) + "\n")
    for name in ("run.json", "result.json"):
        path = run.path / name
        path.write_text(json.dumps(_replaced(json.loads(path.read_text()), text)))
    return Run(run.path)


_KEPT = {
    "schema",
    "id",
    "event",
    "path",
    "meets_instruction",
    "tag",
    "start",
    "status",
    "started",
    "finished",
    "call",
}


def _replaced(value: Any, text: str, key: str = "") -> Any:
    if isinstance(value, dict):
        extra = {text[:100]: text} if key in ("details", "settings") else {}
        return {k: _replaced(v, text, k) for k, v in value.items()} | extra
    if isinstance(value, list):
        return [_replaced(one, text, key) for one in value]
    keep = key in _KEPT and not (key == "path" and value == "photo.jpg")
    return text if isinstance(value, str) and not keep else value


def broken_runs(root: Path) -> list[Path]:
    """One run folder for every way in which a trace can be damaged."""
    made: list[Path] = []

    def damage(name: str) -> Path:
        path = make_run(root).path
        target = path.with_name(f"{path.name}-{name}")
        path.rename(target)
        made.append(target)
        return target

    events = "events.jsonl"
    torn = damage("torn")
    (torn / events).write_bytes((torn / events).read_bytes()[:-25])
    (torn / "result.json").unlink()
    empty = damage("empty")
    (empty / events).write_bytes(b"")
    missing = damage("missing")
    (missing / events).unlink()
    reordered = damage("reordered")
    lines = (reordered / events).read_bytes().splitlines(keepends=True)
    (reordered / events).write_bytes(b"".join(lines[::-1]))
    garbage = damage("garbage")
    (garbage / events).write_bytes(b"\xff\xfe{}\n[[[[\n" + b"[" * 5000 + b"\nnull\n42\n" + lines[0])
    pictures = damage("pictures")
    for path in (pictures / "images").iterdir():
        path.write_bytes(path.read_bytes()[: 60 if path.stat().st_size % 2 else 0])
    escaping = damage("escaping")
    text = (escaping / events).read_text()
    (escaping / events).write_text(text.replace('"path": "images/', '"path": "../../../../etc/'))
    link = damage("link")
    first = next((link / "images").iterdir())
    first.unlink()
    first.symlink_to("/etc/passwd")
    unknown = damage("unknown")
    with (unknown / events).open("a") as file:
        file.write('{"event": "hologram", "seq": 99, "at": 1e308, "x": {"y": []}}\n')
        file.write('{"event": "edit", "seq": 98, "at": NaN, "round": 7, "step": 0, "seconds": Infinity}\n')
    numbers = damage("numbers")
    edit_json(numbers / "result.json", score="ten", rounds=[], seconds=None, best={}, tag=7, status=None)
    edit_json(numbers / "run.json", input=[], settings=5, instruction=None, arguments="x", versions=None)
    newer = damage("newer")
    edit_json(newer / "run.json", schema="reedit.run/2")
    headless = damage("headless")
    (headless / "run.json").write_text("{")
    pipes = damage("pipes")
    for name in (events, "result.json"):
        (pipes / name).unlink()
        os.mkfifo(pipes / name)
    half = damage("half")
    (half / "result.json").write_text('{"status": "deliv')
    return made
