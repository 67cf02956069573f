"""What is installed: all the packages, their data, the module, nothing else; and it runs from there."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES, ROOT

builders = pytest.importorskip("hatchling.builders.wheel", reason='pip install -e ".[dev]"')


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    return Path(
        next(iter(builders.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))
    )


def test_the_wheel_holds_code_and_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"agent", "editor", "prompts", "reedit.py"}
    assert any(name.startswith("prompts/knowledge/") for name in names)
    for path in ROOT.glob("*/**/*"):
        inside = path.relative_to(ROOT).as_posix()
        package = inside.split("/")[0] in ("agent", "editor", "prompts")
        if package and path.is_file() and "__pycache__" not in inside:
            assert inside in names


def test_the_wheel_runs_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    script = "import reedit, agent, sys; sys.exit(0 if reedit.__file__.startswith(sys.argv[1]) else 9)"
    environment = os.environ | {"PYTHONPATH": str(site)}
    where = subprocess.run(
        [sys.executable, "-c", script, str(site)], cwd=tmp_path, env=environment, check=False
    )
    if where.returncode == 9:
        pytest.skip("an editable install hides the wheel")
    command = [
        sys.executable,
        "-m",
        "reedit",
        "apply",
        EXAMPLES / "plumeria-leaves.jpg",
        "warmer",
        "-o",
        "out.jpg",
    ]
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
