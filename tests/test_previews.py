"""Previews of denoising steps: what they show, what they leave alone, and how a run folder holds and shows them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import editor as editors
from agent import config, session
from agent.batch.jobs import BatchJob
from agent.errors import EditError
from agent.loop import Loop, LoopOptions
from agent.report import write_gallery, write_page
from agent.scripted import ScriptedReasoner
from agent.trace import Run, TraceWriter, prune
from agent.trace.compare import compare
from agent.trace.pictures import load
from agent.trace.view import view
from agent.types import Task
from editor.base import Editor, EditRequest, EditResult, Image
from tests.conftest import scene
from tests.test_cli import reedit  # noqa: F401 - a fixture
from tests.test_editor_contract import DIFFUSION, FAMILIES

STEP = "make it autumn"
Seen = list[tuple[Image, int, int]]


def psnr(one: Image, other: Image) -> float:
    error = np.square(one.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


# --- from the models ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[pytest.param(name, marks=DIFFUSION) for name in FAMILIES])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests import tiny_diffusers

    with tiny_diffusers.small_canvas():
        yield _tiny(tiny_diffusers.saved(request.param, tmp_path_factory.mktemp("model")))


def _tiny(folder: Path) -> Any:
    from editor.diffusion.base import Options
    from tests import tiny_diffusers

    return editors.make(str(folder), options=Options(model=str(folder), pixels=tiny_diffusers.AREA, steps=3))


def diffusion(test: Any) -> Any:
    """The marks of a test that needs torch and diffusers."""
    for mark in DIFFUSION:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests import tiny_diffusers

    return _tiny(tiny_diffusers.saved("Flux2KleinPipeline", tmp_path_factory.mktemp("klein")))


def previewed(editor: Editor, image: Image, **more: Any) -> tuple[EditResult, Seen]:
    seen: Seen = []
    made = editor.edit(EditRequest(image, STEP, preview=lambda *told: seen.append(told), **more))
    return made, seen


@pytest.fixture
def linear(family: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The family with a decoder that is linear in its latents, as real ones nearly are in their colours."""
    import torch
    from diffusers.models.autoencoders.vae import DecoderOutput

    loaded = family._loaded()
    count = getattr(loaded.pipe.vae.config, "z_dim", 0) or loaded.pipe.vae.config.latent_channels
    mixed = torch.randn(3, count, generator=torch.Generator().manual_seed(0)) / (
        4 * count
    )  # nothing is cut off

    def decode(self: Any, latents: Any, return_dict: bool = True) -> Any:
        decoded.append(latents.float())
        colours = torch.einsum("nc...,kc->nk...", latents, mixed.to(latents))
        for side in (-1, -2):
            colours = colours.repeat_interleave(8, side)
        return DecoderOutput(sample=colours.clamp(-1, 1))

    decoded: list[Any] = []
    monkeypatch.setattr(type(loaded.pipe.vae), "_decode", decode)
    monkeypatch.setattr(family, "decoded", decoded, raising=False)
    return family


def in_small(image: Image, like: Image) -> Image:
    return cv2.resize(image, like.shape[1::-1], interpolation=cv2.INTER_AREA)


def test_the_last_preview_is_the_result_and_pixels_stay_the_same(linear: Any) -> None:
    photo = scene(256, 256)  # the canvas itself: nothing is padded on the way
    made, seen = previewed(linear, photo, seed=3)
    total = seen[0][2]
    assert [done for _, done, _ in seen] == list(range(1, total + 1))
    assert made.details["previews"] == total
    assert seen[-1][0].std() > 2
    last, final = linear.decoded[-2:]  # a canvas as small as this is decoded whole
    assert last.shape == final.shape
    assert float((last - final).abs().mean()) < 0.01 * float(final.std())
    # the way back to the photo undoes a shift of part of a pixel
    assert psnr(seen[-1][0], in_small(made.image, seen[-1][0])) > 35
    assert np.array_equal(linear.edit(EditRequest(photo, STEP, seed=3)).image, made.image)


@pytest.mark.parametrize("size", [(333, 251), (90, 360), (1, 7)], ids=lambda size: "x".join(map(str, size)))
def test_they_are_small_and_of_the_photos_aspect(family: Any, size: tuple[int, int]) -> None:
    _, seen = previewed(family, scene(*size))
    from editor.diffusion.previews import SIDE

    for picture, _, _ in seen:
        height, width = picture.shape[:2]
        assert picture.dtype == np.uint8
        assert max(width, height) <= SIDE
        # a pixel of rounding at either side
        assert abs(width * size[1] - height * size[0]) <= 1.5 * max(size)


def test_outside_of_a_mask_they_show_the_photo(linear: Any) -> None:
    photo = scene(256, 256)
    mask = np.zeros((256, 256), np.uint8)
    mask[64:192, 64:192] = 255
    made, seen = previewed(linear, photo, mask=mask)
    for picture, _, _ in seen:
        outside = in_small(mask, picture) == 0
        assert np.array_equal(picture[outside], in_small(photo, picture)[outside])
    assert psnr(seen[-1][0], in_small(made.image, seen[-1][0])) > 25


def test_stopped_inside_one_and_usable_afterwards(family: Any, picture: Image) -> None:
    def stop(*_: Any) -> None:
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    calls = 0
    fresh = family.edit(EditRequest(picture, STEP)).image
    with pytest.raises(KeyboardInterrupt):
        family.edit(EditRequest(picture, STEP, preview=stop))
    assert calls == 1
    assert np.array_equal(family.edit(EditRequest(picture, STEP)).image, fresh)


@diffusion
def test_a_sixteenth_of_the_canvas_is_decoded(klein: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import AutoencoderKLFlux2

    from editor.diffusion import previews

    sizes: list[tuple[int, ...]] = []
    decode = AutoencoderKLFlux2._decode

    def spied(self: Any, latents: Any, **more: Any) -> Any:
        sizes.append(tuple(latents.shape[-2:]))
        return decode(self, latents, **more)

    monkeypatch.setattr(AutoencoderKLFlux2, "_decode", spied)
    monkeypatch.setattr(previews, "TILE", 2)
    previewed(klein, scene(256, 256))
    assert sizes == [(8, 8)] * 3 + [(32, 32)]


@diffusion
@pytest.mark.parametrize("length", [1, 31, 32, 33, 84, 128, 196])
def test_tiles_are_spread_over_the_whole_side(length: int) -> None:
    from editor.diffusion.previews import TILE, TILES, _spread

    places, inner = _spread(length)
    assert len(places) == len(inner) == min(length, TILE * TILES)
    assert (places[0], places[-1]) == (0, length - 1)
    assert places == sorted(set(places))
    for place, own, before, after in zip(places[1:-1], inner[1:-1], places, places[2:], strict=False):
        assert not own or (before, after) == (place - 1, place + 1)


@diffusion
def test_they_move_no_weights(klein: Any) -> None:
    """With --memory offload a hook before the decoder moves the transformer out, which takes seconds."""
    moved: list[Any] = []
    previewed(klein, scene(64, 64))
    vae = klein._loaded().pipe.vae
    vae._hf_hook = SimpleNamespace(pre_forward=moved.append)
    try:
        klein.edit(EditRequest(scene(64, 64), STEP))
        without = len(moved)
        previewed(klein, scene(64, 64))
    finally:
        del vae._hf_hook
    assert len(moved) == 2 * without > 0


@diffusion
def test_one_that_fails_does_not_fail_the_edit(klein: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from editor.diffusion import previews

    whole, _ = previewed(klein, scene(64, 64))
    cut, calls = previews.Previews._cut, 0

    def broken(self: Any, small: Image) -> Image:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise TypeError("a mistake\nof ours")
        return cut(self, small)

    monkeypatch.setattr(previews.Previews, "_cut", broken)
    made, seen = previewed(klein, scene(64, 64))
    assert np.array_equal(made.image, whole.image)
    assert len(seen) == made.details["previews"] == 1
    assert calls == 2, "not tried again"
    assert made.notes.count("The previews ended after 1 of them: TypeError: a mistake.") == 1


@diffusion
def test_nan_gives_black_ones_and_the_trace_keeps_them(
    reedit: Callable[..., Any],  # noqa: F811
    klein: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    transformer = type(klein._loaded().pipe.transformer)
    forward = transformer.forward

    def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        return tuple(part * torch.nan for part in forward(self, *args, **kwargs))

    monkeypatch.setattr(transformer, "forward", broken)
    settings = config.load({"rounds": 0, "runs": tmp_path / "runs", "previews": True})
    with pytest.raises(EditError, match="NaN") as told:
        session.run(session.Job(photo=photo_in(tmp_path), instruction=STEP), settings, editor=klein)
    assert told.value.run is not None
    run = Run(told.value.run)
    assert view(run).unfinished == [(0, 0)]
    shown = [(one.done, load(run, one.image)) for one in view(run).previews[0, 0]]
    assert [(done, int(picture.max())) for done, picture in shown] == [(1, 0), (2, 0), (3, 0)]
    story = reedit("trace", "show", run.path).out
    assert "round 1, step 1: not finished" in story
    assert "previews of 3 of 3 denoising steps" in story
    write_page(run, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "not finished" in page
    assert page.count("Preview after denoising step") == 3


@diffusion
def test_the_command_line_keeps_them_and_the_page_shows_them(
    reedit: Callable[..., Any],  # noqa: F811
    klein: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(editors.EDITORS, "klein", "tests.test_previews:Klein")
    monkeypatch.setattr(Klein, "made", klein, raising=False)
    common = ("apply", photo_in(tmp_path), STEP, "--editor", "klein", "--rounds", 0, "--json")
    plain = reedit(*common, "-o", "plain.png")
    told = reedit(*common, "-o", "out.png", "--previews")
    assert plain.code == told.code in (0, 3), told.err
    assert (tmp_path / "plain.png").exists()
    without, run = (Run(Path(json.loads(said.out)["run"])) for said in (plain, told))
    assert not view(without).previews
    assert [(one.done, one.total) for one in view(run).previews[0, 0]] == [(1, 3), (2, 3), (3, 3)]
    assert compare(view(without), view(run)).identical_pixels
    assert reedit("trace", "verify", "out.png").code == 0
    assert reedit("trace", "report", run.path, "-o", "r.html").code == 0
    assert (tmp_path / "r.html").read_text().count("Preview after denoising step") == 3


class Klein:
    """Stands in EDITORS for a model on a small canvas, which no setting gives."""

    made: Any

    @classmethod
    def from_settings(cls, settings: Any) -> Any:
        return cls.made


# --- in the run folder ----------------------------------------------------------------------------------------------


@dataclass
class Stepper:
    """An editor with three denoising steps: halves of the way from the photo to white."""

    name: str = "stepper"
    abilities: str = "whitens"
    stop_at: int = 0

    def edit(self, request: EditRequest) -> EditResult:
        image = request.image
        for done in (1, 2, 3):
            image = ((image.astype(np.uint16) + 255) // 2).astype(np.uint8)
            if request.preview:
                request.preview(np.ascontiguousarray(image[::2, ::2]), done, 3)
            if done == self.stop_at:
                raise EditError("it broke")
        return EditResult(image, details={"previews": 3} if request.preview else {})


def photo_in(folder: Path) -> Path:
    from PIL import Image as PILImage

    PILImage.fromarray(scene(64, 64)).save(folder / "photo.png")
    return folder / "photo.png"


def stepped(root: Path, *, previews: bool = True, editor: Editor | None = None) -> Run:
    """A run of two rounds, the second a success."""
    known = {"instruction": "whiten", "settings": {"editor": "stepper"}, "input": {"path": "a.jpg"}}
    trace = TraceWriter(root, known)
    reasoner = ScriptedReasoner(["whiten it"], ["whiten it more", "Success"])
    options = LoopOptions(previews=previews)
    with contextlib.suppress(EditError):
        result = Loop(reasoner, editor or Stepper(), trace, options).run(Task(scene(), "whiten"))
        trace.event("delivered", round=result.best, path=None, width=96, height=64)
        trace.close("delivered", best=result.best, rounds=len(result.rounds), tag="Success")
    trace.close("failed")
    return Run(trace.path)


def test_a_run_has_them_only_when_asked(tmp_path: Path) -> None:
    shown = view(stepped(tmp_path))
    assert list(shown.previews) == [(0, 0), (1, 0)]
    assert not shown.unfinished
    first = shown.previews[0, 0][0]
    assert (first.image.width, first.image.height, first.done, first.total) == (48, 32, 1, 3)
    assert all(shown.run.image(one.image).is_file() for one in shown.previews[1, 0])
    order = [event.event for event in shown.events if event.event in ("preview", "edit")]
    assert order == [*["preview"] * 3, "edit"] * 2
    assert not view(stepped(tmp_path, previews=False)).previews


def test_an_edit_begun_again_has_those_of_its_last_go(tmp_path: Path) -> None:
    trace = TraceWriter(tmp_path, {})
    picture = trace.image(scene())
    for done in (1, 2, 1, 2, 3):
        trace.event("preview", round=0, step=0, done=done, total=3, image=picture)
    trace.close("failed")
    found = view(Run(trace.path)).previews[0, 0]
    assert [(one.done, one.seq) for one in found] == [(1, 2), (2, 3), (3, 4)]


def test_an_edit_that_broke_off_has_what_there_was(tmp_path: Path) -> None:
    shown = view(stepped(tmp_path, editor=Stepper(stop_at=2)))
    assert shown.unfinished == [(0, 0)]
    assert len(shown.previews[0, 0]) == 2


def test_the_story_counts_them(reedit: Callable[..., Any], tmp_path: Path) -> None:  # noqa: F811
    said = reedit("trace", "show", stepped(tmp_path).path).out
    assert said.count("previews of 3 of 3 denoising steps") == 2


def test_the_page_has_a_strip_for_each_edit(tmp_path: Path) -> None:
    run = stepped(tmp_path / "runs")
    write_page(run, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert page.count('class="strip"') == 2
    assert page.count('alt="Preview after denoising step 2 of 3"') == 2
    assert 'aria-label="Previews of step 1 of round 2"' in page
    assert page.count("data:image/jpeg") == 6
    write_page(run, tmp_path / "exact.html", exact=True)
    assert "data:image/jpeg" not in (tmp_path / "exact.html").read_text()
    for path in (run.path / "images").iterdir():
        path.unlink()
    write_page(run, tmp_path / "gone.html")
    assert 'class="strip"' not in (tmp_path / "gone.html").read_text()


def test_a_gallery_takes_them_along(tmp_path: Path) -> None:
    run = stepped(tmp_path / "runs")
    write_gallery([run], tmp_path / "g.html")
    kept = {path.name for path in (tmp_path / "g.files" / "images" / run.id).iterdir()}
    assert {Path(one.image.path).name for one in view(run).previews[0, 0]} <= kept


def test_pruning_keeps_those_of_the_delivered_round(tmp_path: Path) -> None:
    run = stepped(tmp_path)
    prune.remove(tmp_path, prune.plan(tmp_path, best_only=True))
    left = {
        index: run.image(one.image).exists() for (index, _), of in view(run).previews.items() for one in of
    }
    assert left == {0: False, 1: True}


def test_an_editor_without_denoising_steps_says_so_once(
    reedit: Callable[..., Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    said = reedit("apply", photo_in(tmp_path), "increase the contrast; make it warmer", "--previews")
    assert said.code in (0, 3)
    assert said.err.count("There are no previews") == 1
    assert "previews" not in reedit("apply", photo_in(tmp_path), "increase the contrast", "-o", "b.png").err


def test_they_are_a_setting_and_no_reason_to_do_a_job_again(tmp_path: Path) -> None:
    wanted = config.load({}, environ={"REEDIT_PREVIEWS": "true"}, folder=tmp_path)
    assert wanted.previews
    assert not config.load({"previews": False}, environ={"REEDIT_PREVIEWS": "1"}, folder=tmp_path).previews
    job = BatchJob("a", tmp_path / "a.jpg", "x", "a.jpg")
    assert job.settings_digest(wanted) == job.settings_digest(config.load({}, environ={}, folder=tmp_path))
