"""Batches, as ratios within one run: `python -m benchmarks.batch [tone|overlap|memory] [N]`.

tone: N photos of 2 MP (40 unless told), no two alike, through the built-in editor: overlapped, one after another,
and a shell loop over `reedit apply` (over N / 4 of them, counted up). overlap: scripted latencies, a tenth of the
real ones: an edit 0.1 s, a call to the VLM 0.075 s, three calls a job one after another, 200 jobs. memory: N small
jobs (500), resident memory of the batch's processes early and late.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.run import ROOT, Row, environment, reedit

TONES = ("increase the contrast", "make it brighter", "lift the shadows", "reduce the highlights")
SOURCES = ("mountain-path.jpg", "autumn-mountain.jpg", "dandelions-16mp.jpg", "brushes.jpg")
TURNS = 3
"""Rounds of tone, in turn; the best of each counts, as other work on the machine only ever slows one down."""
SCALE = 0.1
"""Of the latencies that the overlap is measured with."""


def tone(count: int = 40) -> Iterator[Row]:
    """Edits a minute with overlap, one after another, and in a shell loop; and the processors' time for an edit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = [(photo, TONES[i // len(SOURCES) % 4]) for i, photo in enumerate(_photos(folder, count))]
        lines = ["image,instruction,id", *(f"{photo},{tone},job-{i}" for i, (photo, tone) in enumerate(jobs))]
        (folder / "jobs.csv").write_text("\n".join(lines) + "\n")
        loop = folder / "loop.sh"
        calls = [
            " ".join(_quoted(reedit("apply", photo, tone, "-q", "--overwrite", "-o", folder / f"{i}.jpg")))
            for i, (photo, tone) in enumerate(jobs[: max(4, count // 4)])
        ]
        loop.write_text("\n".join([f"cd {folder}", *calls]) + "\n")

        taken: dict[str, list[tuple[float, float]]] = {"shell": [], "serial": [], "overlap": []}
        for turn in range(TURNS):
            taken["shell"].append(_seconds(["sh", str(loop)], len(calls)))
            taken["serial"].append(_seconds(_batch(folder, f"serial-{turn}", 1), count))
            taken["overlap"].append(_seconds(_batch(folder, f"overlap-{turn}", None), count))
        shell, serial, overlap = (60 / min(wall for wall, _ in turns) for turns in taken.values())
        cpu = [_cpu(*min(turns)) for turns in taken.values()]
    yield "shell loop over reedit apply, 2 MP tone edits", f"{shell:.0f} edits/min, {cpu[0]}", "1.0", ""
    yield (
        "reedit batch, one after another",
        f"{serial:.0f} edits/min, {cpu[1]}",
        f"{serial / shell:.1f} x the shell loop",
        "",
    )
    yield (
        "reedit batch",
        f"{overlap:.0f} edits/min, {cpu[2]}",
        f"{overlap / shell:.1f} x the shell loop, {overlap / serial:.2f} x one after another",
        "at least 4 and 1.7",
    )


def _cpu(wall: float, busy: float) -> str:
    """Of one edit, in seconds; how many cores were at work bounds what overlapping can still gain."""
    return f"{1000 * busy:.0f} ms of CPU each, {busy / wall:.2f} cores busy"


def _batch(folder: Path, out: str, in_flight: int | None) -> list[str]:
    flags = [] if in_flight is None else ["--jobs-in-flight", in_flight]
    return reedit("batch", folder / "jobs.csv", "-o", folder / out, "-q", *flags)


def _quoted(command: list[str]) -> list[str]:
    return [f"'{part}'" for part in command]


def _photos(folder: Path, count: int) -> Iterator[Path]:
    """JPEGs of 2 MP, no two alike: windows of the examples, each a few pixels further on."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    sources = []
    for name in SOURCES:
        with Image.open(ROOT / "examples" / name) as picture:
            scale = (2.3e6 / (picture.width * picture.height)) ** 0.5
            size = int(picture.width * scale), int(picture.height * scale)
            sources.append(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC))
    for i in range(count):
        source = sources[i % len(sources)]
        scale = (2e6 / (source.width * source.height)) ** 0.5
        width, height = int(source.width * scale), int(source.height * scale)
        left, top = 7 * i % (source.width - width), 5 * i % (source.height - height)
        path = folder / f"{i:04d}.jpg"
        source.crop((left, top, left + width, top + height)).save(path, quality=92)
        yield path


def _seconds(command: list[str], jobs: int) -> tuple[float, float]:
    """Wall and processor seconds of a job."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, env=environment())
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall / jobs, busy / jobs


def overlap(count: int = 200) -> Iterator[Row]:
    """Share of the time that one editor works, by jobs in flight."""
    for in_flight in (1, 3, 6):
        busy, seconds = scripted(count if in_flight > 1 else max(10, count // 10), in_flight)
        label = "one job after another" if in_flight == 1 else f"{in_flight} jobs in flight"
        goal = "at least 97 %" if in_flight == 6 else ""
        yield f"scripted latencies, {label}", f"editor busy {busy:.1%}", f"{seconds:.1f} s", goal


def scripted(count: int, in_flight: int) -> tuple[float, float]:
    """Share of the time that the editor works, and seconds, with a VLM and an editor that only take their time."""
    import numpy as np
    from PIL import Image

    from agent.batch import BatchJob, BatchOptions, run_batch
    from agent.batch.engine_threads import ThreadEngine
    from agent.config import Settings
    from agent.scripted import ScriptedReasoner

    editor = Slow(1.0 * SCALE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        Image.fromarray(rng.integers(0, 255, (64, 96, 3), np.uint8)).save(folder / "in.png")
        jobs = [BatchJob(f"{i}", folder / "in.png", "x", f"{i}.png") for i in range(count)]
        options = BatchOptions(folder / "out", Settings(runs=folder / "out/runs"))
        engine = ThreadEngine(
            [editor],
            in_flight,
            reasoner=lambda settings, trace: ScriptedReasoner(["x"], latency=0.75 * SCALE),
        )
        began = time.perf_counter()
        summary = run_batch(jobs, options, lambda count: engine)
        seconds = time.perf_counter() - began
    assert summary.ok == count
    return editor.busy / seconds, seconds


class Slow:
    """An editor that takes its time and inverts."""

    name = abilities = "slow"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.busy = 0.0

    def edit(self, request: object) -> object:
        from editor.base import EditResult

        began = time.perf_counter()
        time.sleep(self._seconds)
        self.busy += time.perf_counter() - began
        return EditResult(255 - request.image)  # type: ignore[attr-defined]


def memory(count: int = 500) -> Iterator[Row]:
    """Resident memory of all processes of a batch, early and late."""
    import numpy as np
    from PIL import Image

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        Image.fromarray(rng.integers(0, 255, (400, 600, 3), np.uint8)).save(folder / "in.jpg")
        lines = ["image,instruction,id", *(f"in.jpg,make it brighter,job-{i}" for i in range(count))]
        (folder / "jobs.csv").write_text("\n".join(lines) + "\n")
        process = subprocess.Popen(_batch(folder, "out", None), env=environment())
        seen: list[tuple[float, float]] = []
        watcher = threading.Thread(target=_watch, args=(process, folder / "out", count, seen))
        watcher.start()
        watcher.join()
        assert process.wait() == 0
    early = statistics.median(size for done, size in seen if 0.1 <= done <= 0.2)
    late = statistics.median(size for done, size in seen if done >= 0.9)
    yield f"memory of {count} jobs, after a tenth", f"{early:.0f} MB", "1.0", ""
    yield f"memory of {count} jobs, at the end", f"{late:.0f} MB", f"{late / early:.2f}", "at most 1.1"


def _watch(process: subprocess.Popen[bytes], out: Path, count: int, seen: list[tuple[float, float]]) -> None:
    journal = out / ".reedit" / "journal.jsonl"
    while process.poll() is None:
        if journal.exists():
            done = journal.read_bytes().count(b"\n") / count
            seen.append((done, resident(process.pid)))
        time.sleep(0.1)


def resident(pid: int) -> float:
    """MB of a process and its children (Linux)."""
    total = 0.0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += (thread / "children").read_text().split() if thread.name != str(pid) else []
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        total = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return total
    return total + sum(resident(int(child)) for child in children)


PARTS = {"tone": tone, "overlap": overlap, "memory": memory}


def main() -> None:
    names = [name for name in sys.argv[1:] if name in PARTS] or list(PARTS)
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | median | ratio | goal |\n|---|---|---|---|")
    for name in names:
        for row in PARTS[name](*numbers):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
