"""`--editor auto`: exact steps go to the built-in editor, the rest to a generative one, and the details say why."""

from __future__ import annotations

import html
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import editor as editors
from agent import config
from agent.errors import Refused
from agent.report import write_page
from agent.rules import RulesReasoner
from agent.trace import Run
from agent.types import Task
from editor.auto import AutoEditor, _route
from editor.base import (
    CannotDo,
    Editor,
    EditorUnavailable,
    EditRequest,
    EditResult,
    NotUnderstood,
    RegionNotFound,
)
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


GENERATIVE = (
    "replace the sky", "change the sky to a sunset", "remove the shadow of the tree", "make the leaf look healthier",
    "add warm light from the left", "add soft light from the window", "brighten the leaf from the left",
    "light the candle", "add a soft shadow", "add shadows under the trees", "add highlights to the hair",
    "add white clouds", "add red flowers", "make the sky clear", "make the water clearer",
    "change the sign to say OPEN", "change the text to 'OPEN'", "write 'OPEN' on the sign", "write 'HI' on the wall",
    "add a sign that says 'STOP'", "blur behind the leaf", "darken the area around the leaf", "trim the tree",
    "add a wooden frame", "rotate the cup 90 degrees", "make the tree bigger",
    "blur the background and make her smile", "换掉天空", "去掉树的影子", "让叶子看起来更健康", "从左边打一束暖光",
    "从右侧补光", "给车加阴影", "加一些白云", "把招牌上的字改成“营业中”", "把文字改成“营业中”", "在墙上写“你好”",
    "把车旋转90度", "让天空变晴朗",
)  # fmt: skip
EXACT = (
    "crop to square", "brighten by 10%", "write 'Hello' at the bottom", "black and white", "make the picture smaller",
    "turn black and white and write 'Hi' at the top", "crop to 4:3 and add a vignette", "trim the edges",
    "faded film look", "make it look like a black and white film", "make everything grey except the red flower",
    "turn the leaf red", "blur everything behind the leaf", "write 'X' in gold letters at the top",
    "make the light warmer",
    "色温调暖", "除了叶子都变黑白", "只保留红花的颜色，其余变黑白", "裁成正方形", "亮度提高10%",
    "在右下角写“你好”", "把背景变成黑白",
)  # fmt: skip


@pytest.mark.parametrize("step", GENERATIVE)
def test_what_no_classical_operation_does_is_for_the_model(step: str) -> None:
    assert not _route(EditRequest(np.zeros((8, 8, 3), np.uint8), step)).exact


@pytest.mark.parametrize("step", EXACT)
def test_what_an_operation_does_exactly_is_not_for_the_model(step: str) -> None:
    assert _route(EditRequest(np.zeros((8, 8, 3), np.uint8), step)).exact


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


DIVIDED = [
    ("crop to square and replace the sky with a sunset", ("crop to square", "replace the sky with a sunset")),
    ("replace the sky with a sunset. Then crop it to 4:3!", ("replace the sky with a sunset", "crop it to 4:3")),
    ("increase the contrast, sharpen, add a dog, then write 'and then' at the top",
     ("increase the contrast, sharpen", "add a dog", "write 'and then' at the top")),
    ("把天空换成晚霞，再裁成正方形", ("把天空换成晚霞", "裁成正方形")),
    ("add a dog and a cat", ("add a dog and a cat",)),
    ("add a dog and make it brown", ("add a dog and make it brown",)),  # the dog, not the photo
    ("make the dress long and dark", ("make the dress long and dark",)),
    ("make her smile and sharpen the eyes", ("make her smile and sharpen the eyes",)),  # which only a mask shows
    ("make her smile and brighten it, but keep the sky", ("make her smile and brighten it, but keep the sky",)),
    ("make her smile", ("make her smile",)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "steps"), DIVIDED)
def test_the_builtin_reasoner_keeps_exact_steps_apart(
    picture: np.ndarray, text: str, steps: tuple[str, ...]
) -> None:
    reasoner = RulesReasoner()
    assert reasoner.think(Task(picture, text, AutoEditor(Painter()).abilities)).steps == steps
    assert reasoner.think(Task(picture, text, Painter.abilities)).steps == (text,)
    with pytest.raises(Refused):
        reasoner.think(Task(picture, text, AutoEditor().abilities))


def test_a_region_that_is_not_found_goes_to_the_model() -> None:
    grey = np.full((60, 90, 3), 128, np.uint8)
    painter = Painter()
    result = AutoEditor(painter).edit(EditRequest(grey, "brighten the red bowl"))
    assert painter.asked == ["brighten the red bowl"]
    assert "the region was not found" in result.details["route"]["why"]


def test_a_crop_to_what_is_not_there_is_told() -> None:
    painter = Painter()
    with pytest.raises(RegionNotFound):
        AutoEditor(painter).edit(EditRequest(np.full((60, 90, 3), 128, np.uint8), "crop to the red bowl"))
    assert painter.asked == []


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
    route = edits[0]["details"]["route"]
    assert route["editor"] == editor
    write_page(Run(events.parent), tmp_path / "page.html")
    page = html.unescape((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert f"by {editor}: {route['why']}" in page


def test_a_size_of_a_plan_is_kept_through_both(picture: np.ndarray) -> None:
    auto = AutoEditor(Painter())
    small = auto.edit(EditRequest(scene(90, 60), "crop to 1:1")).image
    assert small.shape == (60, 60, 3)
    assert auto.edit(EditRequest(small, "add a dog")).image.shape == small.shape


def test_what_nobody_can_judge_is_edited_once(
    cli: Callable[..., subprocess.CompletedProcess[str]], photo: Path
) -> None:
    with FakeEditor() as server:
        said = cli("apply", photo, "add a dog", "--editor-url", server.url, "--json")
        assert said.returncode == 3, said.stderr
        assert len(server.forms) == 1
