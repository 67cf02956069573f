"""Reading many runs: `python -m benchmarks.traces [list] [report] [gallery]`.

list: `reedit trace list` over 10,000 runs, first (no index) and warm. report: one run of 2 MP pictures as a page.
gallery: 1,000 runs with pictures of 1 MP, and of 2 MP, as a gallery. The runs are copies of one that the real loop
made; nothing is shared between runs when they are read.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from agent.loop import Loop, LoopOptions
from agent.report import write_gallery, write_page
from agent.scripted import ScriptedReasoner
from agent.trace import Run, TraceWriter, list_runs
from agent.trace.index import FILE
from agent.types import Task
from benchmarks.run import environment
from editor.base import EditRequest, EditResult


class Darken:
    """An editor that costs nothing."""

    name = "darken"
    abilities = "darkens"

    def edit(self, request: EditRequest) -> EditResult:
        return EditResult(request.image // 2)


def photo(pixels: int, seed: int = 0) -> np.ndarray:
    """A picture that compresses about as a photo does."""
    rng = np.random.default_rng(seed)
    width = int((pixels * 4 / 3) ** 0.5)
    small = rng.integers(0, 255, (24, 32, 3), np.uint8)
    smooth = cv2.resize(small, (width, pixels // width), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 4, smooth.shape[:2])[..., None]
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def make(root: Path, pixels: int) -> Run:
    """A run of two rounds."""
    source = {"path": "photo.jpg", "sha256": "0" * 64, "width": 4000, "height": 3000, "format": "JPEG"}
    settings = {"reasoner": "builtin", "editor": "builtin", "seed": 0}
    trace = TraceWriter(root, {"instruction": "make it darker", "input": source, "settings": settings})
    reasoner = ScriptedReasoner(["darken the photo"], ["darken it more", "Success"])
    source = photo(pixels)
    made = Loop(reasoner, Darken(), trace, LoopOptions()).run(Task(source, "make it darker"))
    pictures = source, made.round.image
    trace.close("delivered", tag="Success", best=1, rounds=2, score=9.0, pictures=pictures)
    return Run(trace.path)


def many(root: Path, count: int, pixels: int) -> None:
    """Copies of one run, pictures hard-linked."""
    first = make(root, pixels)
    files = {name: (first.path / name).read_bytes() for name in ("events.jsonl", "result.json")}
    header = json.loads((first.path / "run.json").read_text())
    for number in range(count - 1):
        folder = root / f"20260101-000000-{number:07d}"
        (folder / "images").mkdir(parents=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        (folder / "run.json").write_text(
            json.dumps(header | {"id": folder.name, "instruction": f"edit {number}"})
        )
        for picture in (first.path / "images").iterdir():
            (folder / "images" / picture.name).hardlink_to(picture)


def timed_list(root: Path) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "reedit", "trace", "list", "--runs", str(root)]
    subprocess.run(command, check=True, capture_output=True, env=environment())
    return time.perf_counter() - began


def bench_list() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        many(root, 10_000, 20_000)
        first = timed_list(root)
        warm = statistics.median(timed_list(root) for _ in range(5))
        (root / FILE).unlink()
        print(f"trace list, 10,000 runs: {first:.2f} s without the index, {warm:.2f} s with it")


def bench_report() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = make(Path(folder) / "runs", 2_000_000)
        command = [sys.executable, "-m", "reedit", "trace", "report", str(run.path), "-o", f"{folder}/r.html"]
        for _ in range(2):  # the first compiles the modules
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment())
            whole = time.perf_counter() - began
        began = time.perf_counter()
        write_page(run, Path(folder) / "r2.html")
        page = time.perf_counter() - began
        print(f"trace report, one run of 2 MP: {whole:.2f} s the command, {page:.2f} s the page")


def bench_gallery() -> None:
    for pixels in (1_000_000, 2_000_000):
        with tempfile.TemporaryDirectory() as folder:
            many(Path(folder) / "runs", 1_000, pixels)
            runs = list_runs(Path(folder) / "runs")
            began = time.perf_counter()
            write_gallery(runs, Path(folder) / "g.html")
            cold = time.perf_counter() - began
            began = time.perf_counter()
            write_gallery(runs, Path(folder) / "g.html")
            again = time.perf_counter() - began
            print(f"gallery, 1,000 runs of {pixels / 1e6:g} MP: {cold:.1f} s, {again:.1f} s when made again")


if __name__ == "__main__":
    for name in sys.argv[1:] or ("list", "report", "gallery"):
        {"list": bench_list, "report": bench_report, "gallery": bench_gallery}[name]()
