"""`--editor auto`: exact steps go to the built-in editor, the rest to a generative one, and the details say why."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import editor as editors
from agent import config
from editor.auto import AutoEditor
from editor.base import CannotDo, Editor, EditorUnavailable, EditRequest, EditResult, NotUnderstood
from editor.builtin import BuiltinEditor
from editor.fidelity import restore_outside
from editor.remote import RemoteEditor
from tests.conftest import scene
from tests.fake_editor import FakeEditor

TONE = (
    "increase the contrast slightly",
    "raise the exposure by 0.5 EV",
    "lift the shadows",
    "提高饱和度",
    "把色温调暖一点",
)


class Painter:
    """A generative editor that paints everything green, and remembers what it was asked for."""

    name = "painter"
    abilities = "Paints everything green."

    def __init__(self) -> None:
        self.asked: list[str] = []

    def edit(self, request: EditRequest) -> EditResult:
        self.asked.append(request.instruction)
        image = np.zeros_like(request.image)
        image[..., 1] = np.iinfo(image.dtype).max
        if request.mask is not None:
            image = restore_outside(request.image, image, request.mask)
        return EditResult(
            image, request.mask, {"model": "green"}, source_type="compositeWithTrainedAlgorithmicMedia"
        )


def test_five_tone_steps_cost_no_pass_of_the_model(picture: np.ndarray) -> None:
    painter = Painter()
    auto = AutoEditor(painter)
    deep = picture * np.uint16(257) + np.uint16(5)
    for step in TONE:
        request = EditRequest(deep, step)
        made, alone = auto.edit(request), BuiltinEditor().edit(request)
        assert made.image.dtype == np.uint16
        assert np.array_equal(made.image, alone.image)
        assert made.source_type == alone.source_type
        assert made.details["operations"] == alone.details["operations"]
        assert made.details["route"]["editor"] == "builtin"
        assert made.details["route"]["why"].startswith("exact: ")
    assert painter.asked == []


@pytest.mark.parametrize(
    ("step", "why"),
    [("add a dog on the left", "does not take the step"),
     ("frobnicate the gizmo", "does not take the step"),
     ("make it snow", "only imitated by the built-in editor: snow"),
     ("increase the contrast and make it snow", "only imitated by the built-in editor: snow"),
     ("让叶子变黄", "only imitated by the built-in editor: yellowing")],
)  # fmt: skip
def test_the_rest_goes_to_the_model(picture: np.ndarray, step: str, why: str) -> None:
    painter = Painter()
    result = AutoEditor(painter).edit(EditRequest(picture, step))
    assert painter.asked == [step]
    assert (result.image[..., 1] == 255).all()
    assert result.details["route"]["editor"] == "painter"
    assert why in result.details["route"]["why"]
    assert result.details["model"] == "green"
    assert result.source_type == "compositeWithTrainedAlgorithmicMedia"


def test_a_region_that_is_not_found_goes_to_the_model() -> None:
    grey = np.full((60, 90, 3), 128, np.uint8)
    painter = Painter()
    result = AutoEditor(painter).edit(EditRequest(grey, "brighten the red bowl"))
    assert painter.asked == ["brighten the red bowl"]
    assert "the region was not found" in result.details["route"]["why"]


@pytest.mark.parametrize("step", ["increase the contrast strongly", "add a dog"])
def test_a_mask_means_the_same_either_way(picture: np.ndarray, step: str) -> None:
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[10:40, 20:60] = 255
    result = AutoEditor(Painter()).edit(EditRequest(picture, step, mask))
    assert np.array_equal(result.image[mask == 0], picture[mask == 0])
    assert not np.array_equal(result.image, picture)


def test_what_a_mask_forbids_is_refused_not_handed_on(picture: np.ndarray) -> None:
    painter = Painter()
    with pytest.raises(CannotDo):
        AutoEditor(painter).edit(
            EditRequest(picture, "rotate by 90 degrees", np.full(picture.shape[:2], 255, np.uint8))
        )
    assert painter.asked == []


def test_progress_is_passed_on(picture: np.ndarray) -> None:
    steps: list[tuple[int, int]] = []
    AutoEditor(Painter()).edit(EditRequest(picture, TONE[0], progress=lambda *at: steps.append(at)))
    assert steps[-1] == (1, 1)


def test_without_a_model_it_is_the_builtin_editor(picture: np.ndarray) -> None:
    auto, builtin = AutoEditor(), BuiltinEditor()
    assert auto.abilities == builtin.abilities
    request = EditRequest(picture, "make it snow", seed=3)
    result = auto.edit(request)
    assert np.array_equal(result.image, builtin.edit(request).image)
    assert "no generative editor is set up" in result.details["route"]["why"]
    for step, error in (("add a dog", CannotDo), ("frobnicate the gizmo", NotUnderstood)):
        with pytest.raises(error) as ours:
            auto.edit(EditRequest(picture, step))
        with pytest.raises(error) as theirs:
            builtin.edit(EditRequest(picture, step))
        assert str(ours.value) == str(theirs.value)


def test_a_model_that_fails_is_told_and_not_replaced(picture: np.ndarray) -> None:
    class Broken(Painter):
        def edit(self, request: EditRequest) -> EditResult:
            raise EditorUnavailable("out of order")

    with pytest.raises(EditorUnavailable, match="out of order"):
        AutoEditor(Broken()).edit(EditRequest(picture, "make it snow"))


def test_abilities_tell_of_both() -> None:
    auto = AutoEditor(Painter())
    assert isinstance(auto, Editor)
    assert auto.abilities.endswith("Paints everything green.")
    assert "exactly" in auto.abilities


@pytest.mark.parametrize(
    ("flags", "name"),
    [({}, "builtin"), ({"editor_url": "http://h/v1"}, "auto"), ({"editor_model": "some/model"}, "auto"),
     ({"editor_url": "http://h/v1", "editor": "builtin"}, "builtin"),
     ({"editor_url": "http://h/v1", "editor": "remote"}, "remote")],
)  # fmt: skip
def test_who_sets_up_a_model_gets_auto(flags: dict[str, str], name: str) -> None:
    assert config.load(flags).editor == name


def test_it_is_made_from_the_settings() -> None:
    made = editors.configured("auto", config.load({"editor_url": "http://h:1/v1"}))
    assert isinstance(made, AutoEditor)
    assert isinstance(made.other, RemoteEditor)
    assert made.other.url == "http://h:1/v1"
    alone = editors.configured("auto", config.load({"editor": "auto"}))
    assert isinstance(alone, AutoEditor)
    assert alone.other is None


@pytest.mark.parametrize(
    ("words", "editor"), [("increase the contrast", "builtin"), ("make it snow", "remote")]
)
def test_the_trace_says_who_and_why(
    cli: Callable[..., subprocess.CompletedProcess[str]], photo: Path, tmp_path: Path, words: str, editor: str
) -> None:
    with FakeEditor() as server:
        said = cli("apply", photo, words, "--editor-url", server.url, "--rounds", "0", "--json")
        assert said.returncode in (0, 3), said.stderr
        assert len(server.forms) == (editor == "remote")
    (events,) = (tmp_path / "runs").glob("*/events.jsonl")
    edits = [event for event in map(json.loads, events.read_text().splitlines()) if event["event"] == "edit"]
    assert [edit["editor"] for edit in edits] == ["auto"]
    assert edits[0]["details"]["route"]["editor"] == editor


def test_a_size_of_a_plan_is_kept_through_both(picture: np.ndarray) -> None:
    auto = AutoEditor(Painter())
    small = auto.edit(EditRequest(scene(90, 60), "crop to 1:1")).image
    assert small.shape == (60, 60, 3)
    assert auto.edit(EditRequest(small, "add a dog")).image.shape == small.shape
