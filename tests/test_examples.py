"""Every shipped example is used: each photo is edited as a user would, the manifest runs as a batch."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as PILImage

import reedit
from tests.conftest import EXAMPLES

Process = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples folder with its photos made small."""
    folder = tmp_path_factory.mktemp("examples")
    for path in EXAMPLES.glob("*.jpg"):
        if ".reedit." not in path.name:
            with PILImage.open(path) as picture:
                picture.thumbnail((800, 800))
                picture.save(folder / path.name, quality=92)
    shutil.copy(EXAMPLES / "jobs.csv", folder)
    return folder


@pytest.mark.parametrize(
    ("photo", "request_", "operations"),
    [
        ("leaf.jpg", "make the leaf show iron deficiency", {"interveinal_chlorosis", "paling"}),
        ("leaf.jpg", "叶片缺钾", {"margin_chlorosis", "tip_burn"}),
        ("autumn-mountain.jpg", "make the sky pink", {"recolor"}),
        ("brushes.jpg", "把粉色的刷子变成紫色", {"recolor"}),
        ("dandelions-16mp.jpg", "golden hour, cosy", {"golden_hour", "shadows", "temperature", "vignette"}),
        ("mountain-path.jpg", "make it more dramatic with a vintage feel", {"contrast", "sepia", "vignette"}),
        ("plumeria-leaves.jpg", "make the flower blue", {"recolor"}),
    ],
)
def test_every_photo_is_edited_and_judged(
    examples: Path, tmp_path: Path, photo: str, request_: str, operations: set[str]
) -> None:
    outcome = reedit.apply(examples / photo, request_, output=tmp_path / photo, runs=tmp_path / "runs")
    assert outcome.ok, outcome.reasoning
    made = {o["operation"] for step in outcome.rounds[0].steps for o in step.details["operations"]}
    assert made == operations
    best = outcome.rounds[outcome.best]
    assert best.facts.changed_share > 0.02
    assert best.facts.outside_changed in (None, 0)


def test_the_manifest_runs_as_a_batch(cli: Callable[..., Process], examples: Path, tmp_path: Path) -> None:
    said = cli("batch", examples / "jobs.csv", "-o", tmp_path / "out")
    assert said.returncode == 0, said.stderr
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert len(lines) == 5
    assert all(line["ok"] and (tmp_path / "out" / line["output"]).is_file() for line in lines)
