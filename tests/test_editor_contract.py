"""What every editor must do, run over all of them: built in, over a server, and each diffusion family from disk."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from PIL import ImageCms

import editor as editors
from agent import config, session
from editor import photo as photos
from editor.base import Editor, EditRequest, Image, Mask, UsageError
from tests.conftest import scene
from tests.fake_editor import FakeEditor, Form, takes_form

FAMILIES = (
    "QwenImageEditPlusPipeline", "QwenImageEditPipeline", "FluxKontextPipeline", "Flux2KleinPipeline",
    "Flux2KleinKVPipeline", "ZImageImg2ImgPipeline", "ZImageOmniPipeline", "LongCatImageEditPipeline",
)  # fmt: skip
HAVE_TORCH = all(find_spec(name) for name in ("torch", "diffusers", "transformers", "accelerate"))
DIFFUSION = (
    pytest.mark.diffusion,
    pytest.mark.skipif(not HAVE_TORCH, reason="torch and diffusers are not installed"),
    # the libraries' own, about versions to come
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
)
SIZES = ((333, 251), (4000, 300), (64, 64), (1, 7))
SOURCE_TYPES = {"algorithmicallyEnhanced", "humanEdits", "compositeWithTrainedAlgorithmicMedia"}


@dataclass
class Case:
    """An editor and a step that changes every pixel a little and depends on the seed."""

    editor: Editor
    step: str = "make it autumn"


@pytest.fixture(
    scope="module",
    params=["builtin", "remote", *(pytest.param(name, marks=DIFFUSION) for name in FAMILIES)],
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with contextlib.ExitStack() as stack:
        if request.param == "builtin":
            yield Case(editors.make("builtin"), "add film grain")
        elif request.param == "remote":
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr("editor.remote.PIXELS", 1 << 16)
            server = stack.enter_context(FakeEditor(_seeded))
            yield Case(editors.make("remote", url=server.url))
        else:
            yield Case(_diffusion(request.param, tmp_path_factory.mktemp("model"), stack))


def _diffusion(pipeline: str, folder: Path, stack: contextlib.ExitStack) -> Editor:
    from editor.diffusion.base import Options
    from tests import tiny_diffusers

    stack.enter_context(tiny_diffusers.small_canvas())
    tiny_diffusers.saved(pipeline, folder)
    return editors.make(str(folder), options=Options(model=str(folder), pixels=tiny_diffusers.AREA, steps=2))


@takes_form
def _seeded(form: Form) -> np.ndarray:
    """A server's edit: noise by the seed that was sent."""
    rng = np.random.default_rng(int(form.fields["seed"]))
    return np.clip(form.image[..., :3] + rng.normal(20, 20, form.image[..., :3].shape), 0, 255).astype(
        np.uint8
    )


def corner(image: Image) -> Mask:
    """A mask with a hard part, a soft edge, and nothing in most of the picture."""
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[10:40, 10:40] = 255
    mask[40:44, 10:40] = 128
    return mask


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_size_and_depth_stay(case: Case, size: tuple[int, int]) -> None:
    image = scene(*size)
    kept = image.copy()
    result = case.editor.edit(EditRequest(image, case.step))
    assert result.image.shape == image.shape
    assert result.image.dtype == np.uint8
    assert np.array_equal(image, kept), "the request's picture was modified"


def test_sixteen_bits_stay_sixteen(case: Case) -> None:
    image = scene(96, 64).astype(np.uint16) * 257 + 11
    result = case.editor.edit(EditRequest(image, case.step, mask=corner(image)))
    assert result.image.dtype == np.uint16
    assert np.array_equal(result.image[44:], image[44:])
    assert not np.array_equal(result.image[10:40, 10:40], image[10:40, 10:40])


def test_the_seed_decides(case: Case, picture: Image) -> None:
    first, again, other = (case.editor.edit(EditRequest(picture, case.step, seed=s)).image for s in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_outside_of_the_mask_nothing_changes(case: Case, picture: Image) -> None:
    mask = corner(picture)
    result = case.editor.edit(EditRequest(picture, case.step, mask=mask, seed=1))
    assert np.array_equal(result.image[mask == 0], picture[mask == 0])
    assert not np.array_equal(result.image[mask == 255], picture[mask == 255])


def test_an_empty_mask_is_refused_or_changes_nothing(case: Case, picture: Image) -> None:
    empty = np.zeros(picture.shape[:2], np.uint8)
    with contextlib.suppress(UsageError):
        assert np.array_equal(case.editor.edit(EditRequest(picture, case.step, mask=empty)).image, picture)


def test_progress_grows_to_its_total(case: Case, picture: Image) -> None:
    seen: list[tuple[int, int]] = []
    case.editor.edit(EditRequest(picture, case.step, progress=lambda done, total: seen.append((done, total))))
    assert seen
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


def test_stopped_at_once_and_usable_afterwards(case: Case, picture: Image) -> None:
    calls = 0

    def stop(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    fresh = case.editor.edit(EditRequest(picture, case.step, seed=5)).image
    with pytest.raises(KeyboardInterrupt):
        case.editor.edit(EditRequest(picture, case.step, seed=5, progress=stop))
    assert calls == 1
    assert np.array_equal(case.editor.edit(EditRequest(picture, case.step, seed=5)).image, fresh)


def test_what_it_tells(case: Case, picture: Image) -> None:
    result = case.editor.edit(EditRequest(picture, case.step))
    assert result.source_type in SOURCE_TYPES
    assert json.loads(json.dumps(result.details)) == result.details
    assert all(note.endswith(".") for note in result.notes)
    assert case.editor.abilities.strip().endswith(".")


def test_alpha_and_profile_come_through_the_whole_run(case: Case, tmp_path: Path) -> None:
    source, output = tmp_path / "in.png", tmp_path / "out.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    alpha = np.tile(np.linspace(0, 255, 96, dtype=np.uint8), (64, 1))
    PILImage.fromarray(np.dstack([scene(), alpha])).save(source, icc_profile=profile)
    settings = config.load({"rounds": 0, "runs": tmp_path / "runs"})
    outcome = session.run(
        session.Job(photo=source, instruction="add film grain", output=output), settings, editor=case.editor
    )
    assert outcome.output == output
    with PILImage.open(output) as made:
        assert made.mode == "RGBA"
        assert np.array_equal(np.asarray(made)[..., 3], alpha)
        assert made.info.get("icc_profile")
    assert photos.load(output).image.shape == (64, 96, 3)
