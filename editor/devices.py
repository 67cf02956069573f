"""Devices by name, as a user gives them, and how many there are. Importing this needs no torch."""

from __future__ import annotations

import re
import subprocess
import sys

from editor.base import EditorUnavailable, UsageError

FORMS = "auto, cpu, mps, cuda, cuda:N, or several such as cuda:0,cuda:1"
_NAME = re.compile(r"auto|cpu|mps|cuda(?::\d{1,3})?")
_EVERY = ("auto", "cuda")
"""Names that leave the choice open: in a batch they are every GPU, for one edit the first."""
_LONGEST_COUNT = 300.0
"""Seconds that torch gets to say how many GPUs there are; importing it from a cold network disk takes minutes."""


def parse(text: str) -> tuple[str, ...]:
    """The devices in a list separated by commas; one named twice counts twice. Raises ValueError."""
    names = tuple(part.strip().lower() for part in text.split(","))
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not a device; give {FORMS}")
        if len(names) > 1 and name in _EVERY:
            raise ValueError(
                f"{name} stands for every GPU and cannot be in a list; name them, such as cuda:0"
            )
    return tuple(f"cuda:{int(name[5:])}" if name.startswith("cuda:") else name for name in names)


def index(name: str) -> int | None:
    """The number in cuda:N; None for other names."""
    return int(name[5:]) if name.startswith("cuda:") else None


def every(setting: str) -> tuple[str, ...]:
    """The devices for a batch on this machine, one for each editor: all GPUs for auto and cuda.

    ("auto",) where there is no GPU, so that the editor decides. Raises UsageError for a GPU that is not there,
    EditorUnavailable for cuda without any.
    """
    names = parse(setting)
    if not any(name in _EVERY or name.startswith("cuda") for name in names):
        return names
    return chosen(names, gpus())


def chosen(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """As `every`, on a machine with `count` GPUs."""
    if names == ("auto",) or (names == ("cuda",) and count):
        return tuple(f"cuda:{n}" for n in range(count)) or names
    check(names, count)
    return names


def check(names: tuple[str, ...], count: int) -> None:
    """Raises EditorUnavailable or UsageError when a CUDA device is not among the `count` that there are."""
    if count == 0 and any(name.startswith("cuda") for name in names):
        raise EditorUnavailable("torch finds no CUDA GPU; see `reedit doctor`, or give --device cpu.")
    for name in names:
        if (index(name) or 0) >= count and name.startswith("cuda"):
            there = "only cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
            raise UsageError(f"There is no {name}: torch finds {there}.")


def gpus() -> int:
    """How many CUDA GPUs torch sees; 0 without torch. Asked in another process: this one takes no memory on them."""
    ask = "import torch; print(torch.cuda.device_count())"
    try:
        said = subprocess.run(
            [sys.executable, "-c", ask], capture_output=True, text=True, timeout=_LONGEST_COUNT, check=False
        )
        return int(said.stdout.split()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return 0  # whatever is wrong with torch, the editor says it better
