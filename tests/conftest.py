"""Shared fixtures: small pictures, a clean environment, the command line in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image as PILImage

# how long an example takes says something about the machine, not about the code
settings.register_profile("reedit", deadline=None)
settings.load_profile("reedit")

# a shell that runs the tests in the background has Ctrl-C ignored, by them and by what they start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No REEDIT_* of the developer's, no user config."""
    for name in list(os.environ):
        if name.startswith("REEDIT_") and not name.startswith("REEDIT_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def scene(width: int = 96, height: int = 64, seed: int = 0) -> np.ndarray:
    """A small picture with a gradient, some structure and noise; deterministic."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    base = np.stack([60 + 120 * x / width, 90 + 80 * y / height, 150 - 90 * x / width], -1)
    base += 25 * np.sin(x / 5)[..., None] * np.cos(y / 7)[..., None]
    return np.clip(base + rng.normal(0, 3, base.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def picture() -> np.ndarray:
    return scene()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small JPEG photo on disk."""
    path = tmp_path / "photo.jpg"
    PILImage.fromarray(scene(192, 128)).save(path, quality=92)
    return path


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `reedit ...` in a process of its own, in tmp_path."""

    def run(*args: str | os.PathLike[str], **kwargs: object) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        environment |= kwargs.pop("env", {})  # type: ignore[arg-type]
        return subprocess.run(
            [sys.executable, "-m", "reedit", *map(os.fspath, args)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, errors="surrogateescape", timeout=120,
            **kwargs,  # type: ignore[arg-type]
        )  # fmt: skip

    return run
