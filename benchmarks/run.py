"""Speed and memory, as ratios within one run: `make bench`, or `python -m benchmarks.run startup apply loop`.

Each figure is the median of several whole-process runs, next to the yardstick measured in the same run.
ImageMagick is the yardstick of `apply`; without it that ratio is left out.
"""

from __future__ import annotations

import atexit
import functools
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOOKS = "increase the contrast, apply a sepia tone and add a subtle vignette"
LEAF = "make the leaf show potassium deficiency"

Row = tuple[str, str, str, str]


def seconds(command: list[str], runs: int, prepare: Callable[[], None] = lambda: None) -> float:
    """Median wall seconds of a command, after one run that is not counted."""
    taken = []
    for _ in range(runs + 1):
        prepare()
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment())
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def environment() -> dict[str, str]:
    """Modules are compiled once, as where reedit is installed, even if this environment keeps nothing compiled."""
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return known | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": _compiled()}


@functools.cache
def _compiled() -> str:
    folder = tempfile.mkdtemp(prefix="reedit-compiled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def reedit(*args: object) -> list[str]:
    return [sys.executable, "-m", "reedit", *map(str, args)]


def startup() -> Iterator[Row]:
    """--version and --help against an empty Python."""
    empty = seconds([sys.executable, "-c", "pass"], 15)
    yield "python -c pass", f"{empty * 1000:.0f} ms", "1.0", ""
    for flag in ("--version", "--help"):
        taken = seconds(reedit(flag), 15)
        yield (
            f"reedit {flag}",
            f"{taken * 1000:.0f} ms",
            f"{taken / empty:.1f} x python -c pass",
            "at most 12",
        )


def sample(folder: Path, source: str, megapixels: float) -> Path:
    """A JPEG of about so many megapixels, enlarged from an example."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(ROOT / "examples" / source) as picture:
        scale = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
        big = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC
        )
    path = folder / f"{Path(source).stem}-{megapixels:g}mp.jpg"
    big.save(path, quality=92)
    return path


def apply() -> Iterator[Row]:
    """A whole `reedit apply` of 24 MP against ImageMagick's two operations alone; peak memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = sample(folder, "mountain-path.jpg", 24)
        magick = _magick()
        yard = None
        if magick:
            tone = ["-sigmoidal-contrast", "3", "-sepia-tone", "80%"]
            yard = seconds([magick, str(photo), *tone, str(folder / "im.jpg")], 3)
            yield "ImageMagick, contrast and sepia, 24 MP", f"{yard:.2f} s", "1.0", ""
        leaf = sample(folder, "leaf.jpg", 24)
        for label, source, words, goal in (("three looks", photo, LOOKS, 1.0), ("leaf", leaf, LEAF, 2.5)):
            command = reedit(
                "apply", source, words, "-o", folder / "out.jpg", "--overwrite", "--runs", folder / "runs"
            )
            taken = seconds(command, 3)
            ratio = f"{taken / yard:.2f} x ImageMagick" if yard else "no ImageMagick here"
            yield f"reedit apply, {label}, 24 MP", f"{taken:.2f} s", ratio, f"at most {goal}"
            yield f"  peak memory, {label}, 24 MP", f"{peak(command):.2f} GB", "", "at most 1.5 GB"
        huge = sample(folder, "mountain-path.jpg", 108)
        command = reedit(
            "apply", huge, LOOKS, "-o", folder / "out.jpg", "--overwrite", "--runs", folder / "runs"
        )
        yield "  peak memory, three looks, 108 MP", f"{peak(command):.2f} GB", "", "at most 6 GB"


def _magick() -> str | None:
    if found := shutil.which("magick"):
        return found
    # /usr/bin first: a wrapper of the same name may stand in the way
    return "/usr/bin/convert" if Path("/usr/bin/convert").exists() else shutil.which("convert")


def peak(command: list[str]) -> float:
    """Peak resident memory of a command in GB."""
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, capture_output=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, *command],
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(said.stdout) * unit / 1e9


def loop() -> Iterator[Row]:
    """The loop's own time a round at 1 MP: scripted reasoner, an editor that does nothing."""
    import numpy as np

    from agent.loop import Loop, LoopOptions
    from agent.scripted import ScriptedReasoner
    from agent.trace import TraceWriter
    from agent.types import Task
    from editor.base import EditRequest, EditResult

    class Idle:
        name = abilities = "idle"

        def edit(self, request: EditRequest) -> EditResult:
            return EditResult(request.image.copy())

    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (1000, 1000, 3), np.uint8)
    rounds, taken = 10, []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):
            reasoner = ScriptedReasoner(["a"], verdicts=[f"more {i}" for i in range(rounds + 1)])
            trace = TraceWriter(Path(folder), {})
            began = time.perf_counter()
            Loop(reasoner, Idle(), trace, LoopOptions(rounds=rounds - 1)).run(Task(image, "x"))
            taken.append((time.perf_counter() - began) / rounds)
            trace.close("delivered")
    yield "loop's own time a round, 1 MP", f"{statistics.median(taken) * 1000:.1f} ms", "", "at most 20 ms"


def calls() -> Iterator[Row]:
    """The critical path of the calls to a VLM; needs the extra vlm."""
    from benchmarks.loop_calls import calls as rows

    yield from rows()


PARTS = {"startup": startup, "apply": apply, "loop": loop, "calls": calls}


def main() -> None:
    names = sys.argv[1:] or list(PARTS)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | median | ratio | goal |\n|---|---|---|---|")
    for name in names:
        for row in PARTS[name]():
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
