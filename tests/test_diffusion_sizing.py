"""From any photo to a model's canvas and back, and a step's words to what an encoder takes. No model, no torch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editor import families
from editor.diffusion import registration, sizing, words
from tests.conftest import EXAMPLES, ROOT, scene

PLACES = [(family(), pipeline) for family in families() for pipeline in family.pipelines]


@pytest.mark.parametrize(("editor", "pipeline"), PLACES, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize(
    "size", [(4000, 3000), (3000, 4000), (333, 251), (4000, 300), (64, 64), (1, 1), (12000, 9000)]
)
def test_the_whole_photo_lies_on_the_canvas_unstretched(
    editor: Any, pipeline: str, size: sizing.Size
) -> None:
    where = sizing.layout(size, editor.canvases(pipeline))
    left, top, width, height = where.box
    assert left >= 0
    assert top >= 0
    assert left + width <= where.canvas[0]
    assert top + height <= where.canvas[1]
    assert all(side % 16 == 0 for side in where.canvas)
    assert 0.9 < where.canvas[0] * where.canvas[1] / (1 << 20) < 1.1
    scale = min(where.canvas[0] / size[0], where.canvas[1] / size[1])
    assert abs(width - size[0] * scale) <= 0.5  # whole pixels are the only rounding
    assert abs(height - size[1] * scale) <= 0.5
    if max(size) <= 3 * min(size):
        assert width * height >= 0.92 * where.canvas[0] * where.canvas[1]


@settings(max_examples=30)
@given(width=st.integers(1, 700), height=st.integers(1, 700), deep=st.booleans())
def test_a_model_that_changes_nothing_gives_the_photo_back(width: int, height: int, deep: bool) -> None:
    photo = scene(width, height)
    if deep:
        photo = photo.astype(np.uint16) * 257 + 77
    where = sizing.layout((width, height), sizing.grid_canvases(16, 256 * 256))
    canvas = sizing.place(photo, where)
    assert canvas.shape == (where.canvas[1], where.canvas[0], 3)
    assert np.array_equal(sizing.give_back(photo, canvas, canvas.copy(), where), photo)


def _through(photo: np.ndarray, change: Any) -> tuple[np.ndarray, sizing.Layout]:
    where = sizing.layout((photo.shape[1], photo.shape[0]), sizing.grid_canvases(16, 128 * 128))
    canvas = sizing.place(photo, where)
    return sizing.give_back(photo, canvas, change(canvas), where), where


def _fine(size: int = 512) -> np.ndarray:
    """A photo whose detail is finer than the canvas of 128 x 128 can hold."""
    photo = scene(size, size).astype(int)
    photo[::2] += 12
    return np.clip(photo, 0, 255).astype(np.uint8)


def test_a_change_of_tone_keeps_the_photos_own_detail() -> None:
    photo = _fine()
    darker, _ = _through(photo, lambda canvas: (canvas * 0.8).astype(np.uint8))
    assert abs(darker.mean() / photo.mean() - 0.8) < 0.01

    def detail(image: np.ndarray) -> float:
        return float(np.abs(np.diff(image[..., 1].astype(float), axis=0)).mean())

    assert 0.75 < detail(darker) / detail(photo) < 1.05


def test_what_was_replaced_keeps_nothing_of_the_old() -> None:
    photo = np.full((512, 512, 3), 120, np.uint8)
    rng = np.random.default_rng(0)
    photo[128:384, 128:384] = np.kron(rng.integers(0, 255, (32, 32, 3)), np.ones((8, 8, 1))).astype(np.uint8)

    def removed(canvas: np.ndarray) -> np.ndarray:
        return np.full_like(canvas, 120)

    result, _ = _through(photo, removed)
    inner = result[150:360, 150:360].astype(int)
    assert np.abs(inner - 120).mean() < 3


def test_what_lies_at_a_place_comes_back_to_it() -> None:
    photo = np.full((300, 1000, 3), 90, np.uint8)

    def dot(canvas: np.ndarray) -> np.ndarray:
        made = canvas.copy()
        left, top, width, height = where.box
        made[top + height // 2 - 3 : top + height // 2 + 3, left + width // 4 - 3 : left + width // 4 + 3] = (
            255
        )
        return made

    where = sizing.layout((1000, 300), sizing.grid_canvases(16, 128 * 128))
    result, _ = _through(photo, dot)
    rows, columns = np.nonzero(result[..., 0] > 170)
    assert abs(rows.mean() - 149.5) < 3
    assert abs(columns.mean() - 249.5) < 3


def test_a_thin_mask_survives_the_canvas() -> None:
    mask = np.zeros((3000, 4000), np.uint8)
    mask[1500, 200:3800] = 255
    where = sizing.layout((4000, 3000), sizing.grid_canvases(16, 1 << 20))
    placed = sizing.place_mask(mask, where)
    assert set(np.unique(placed)) == {0, 255}
    rows = np.nonzero(placed.any(axis=1))[0]
    assert rows.max() - rows.min() + 1 >= 16  # a latent cell


def _photo() -> np.ndarray:
    from PIL import Image

    with Image.open(EXAMPLES / "leaf.jpg") as leaf:
        return np.asarray(leaf.convert("RGB").resize((640, 480)))


@pytest.mark.parametrize(("zoom", "right", "down"), [(1.0, 3.0, -2.0), (1.01, 0.0, 0.0), (0.992, -4.0, 2.0)])
def test_a_models_own_shift_and_zoom_are_undone(zoom: float, right: float, down: float) -> None:
    before = _photo()
    matrix = np.array([[zoom, 0, (1 - zoom) * 319.5 + right], [0, zoom, (1 - zoom) * 239.5 + down]])
    moved = cv2.warpAffine(before, matrix, (640, 480), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    moved = np.clip(moved * 0.85 + 20, 0, 255).astype(np.uint8)  # with an edit of tone
    moved[160:240, 200:320] = (200, 40, 40)  # and something painted in
    back, pixels = registration.undo(before, moved)
    assert pixels == pytest.approx(
        max(abs(zoom - 1) * 320 + abs(right), abs(zoom - 1) * 240 + abs(down)), abs=0.5
    )
    inner = (slice(280, 460), slice(30, 610))
    expected = before[inner] * 0.85 + 20
    assert np.abs(back[inner] - expected).mean() < 0.3 * np.abs(moved[inner] - expected).mean()


@pytest.mark.parametrize("kind", ["same", "tone", "another", "zoomed on purpose", "flat"])
def test_what_did_not_move_by_itself_is_left_alone(kind: str) -> None:
    before = _photo()
    after = {
        "same": before.copy(),
        "tone": np.clip(before * 0.7 + 10, 0, 255).astype(np.uint8),
        "another": np.ascontiguousarray(before[::-1, ::-1]),
        "zoomed on purpose": cv2.resize(before[48:432, 64:576], (640, 480)),
        "flat": np.full_like(before, 90),
    }[kind]
    back, pixels = registration.undo(before, after)
    assert back is after
    assert pixels == 0


@given(st.text(max_size=300), st.integers(1, 60))
def test_words_are_cut_and_never_changed(text: str, longest: int) -> None:
    kept = words.fit(text, longest, len)
    assert len(kept) <= longest
    assert text.strip().startswith(kept)
    if len(text.strip()) <= longest:
        assert kept == text.strip()


def test_words_are_cut_between_sentences() -> None:
    assert words.fit("Make it blue. Then add a very large red balloon.", 20, len) == "Make it blue."
    assert words.fit("把天空变蓝。然后加一个很大的红气球。", 8, len) == "把天空变蓝。"
    assert words.fit("one sentence that is too long", 12, len) == "one sentence"
    assert words.fit("Brighten it by 1.5 stops. Add rain.", 26, len) == "Brighten it by 1.5 stops."
    assert words.fit("Make it blue. Brighten it by 1.5 stops.", 32, len) == "Make it blue."
    assert words.fit(";00000000", 8, len) == ";0000000"


def test_naming_the_editors_loads_no_torch() -> None:
    code = (
        "import sys, editor; editor.families(); [editor.make(n) for n in editor.EDITORS]; "
        "print(sorted({'torch', 'diffusers', 'transformers', 'huggingface_hub'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
