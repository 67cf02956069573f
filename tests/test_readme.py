"""The README is true: its commands run, its files exist; the examples run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as PILImage

from tests.conftest import EXAMPLES, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("&&")[-1].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if "reedit " in line
]
Process = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the photos that the README's commands are run on, made small."""
    folder = tmp_path_factory.mktemp("small")
    for name in ("brushes.jpg", "autumn-mountain.jpg", "leaf.jpg"):
        with PILImage.open(EXAMPLES / name) as picture:
            picture.thumbnail((900, 900))
            picture.save(folder / name, quality=92)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_runs(
    command: str, small: Path, cli: Callable[..., Process], tmp_path: Path
) -> None:
    example = "brushes.jpg" if "brush" in command else "autumn-mountain.jpg"
    (tmp_path / "examples").mkdir()
    for source, target in ((example, "photo.jpg"), ("leaf.jpg", "examples/leaf.jpg")):
        shutil.copy(small / source, tmp_path / target)
    with PILImage.open(tmp_path / "photo.jpg") as picture:
        mask = PILImage.new("L", picture.size, 0)
    mask.paste(255, (100, 100, 300, 250))
    mask.save(tmp_path / "hat-mask.png")
    program, *arguments = shlex.split(command)
    assert program == "reedit"
    said = cli(*arguments)
    assert said.returncode == 0, said.stderr
    assert "<#Success>" in said.stderr


def test_what_it_refuses_reads_as_in_the_readme(cli: Callable[..., Process], photo: Path) -> None:
    said = cli("apply", photo, "add a dog")
    assert said.returncode == 1
    assert said.stderr.strip() in README


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 8
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_every_example_photo_is_attributed() -> None:
    listed = (EXAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8")
    photos = [path.name for path in EXAMPLES.glob("*.jpg") if ".reedit." not in path.name]
    assert photos
    assert all(name in listed for name in photos)


def test_the_python_example_runs(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    said = subprocess.run(
        [sys.executable, EXAMPLES / "library.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr
    assert "Success after 1 round(s)" in said.stdout


def test_the_leaf_is_what_its_script_renders(tmp_path: Path) -> None:
    small = ["--width", "500", "--height", "375"]
    subprocess.run(
        [sys.executable, EXAMPLES / "make_leaf.py", tmp_path / "leaf.jpg", *small], check=True, timeout=120
    )
    with PILImage.open(tmp_path / "leaf.jpg") as made, PILImage.open(EXAMPLES / "leaf.jpg") as shipped:
        tiny = [p.convert("L").resize((40, 30), PILImage.Resampling.BOX).tobytes() for p in (made, shipped)]
    assert max(abs(a - b) for a, b in zip(*tiny, strict=True)) < 12
