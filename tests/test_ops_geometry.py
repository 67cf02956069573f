"""Geometry, text and retouching: exact sizes and places, and what must not change."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.base import CannotDo, Image, Mask
from editor.builtin.core import Context, Op, OpFunction, Region
from editor.builtin.ops import geometry


def photo(height: int = 90, width: int = 140, dtype: type = np.uint8) -> Image:
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (height, width, 3), endpoint=True)
    return values.astype(dtype)


def do(
    function: OpFunction, image: Image, amount: float = 1.0, mask: Mask | None = None, **params: object
) -> Image:
    height, width = image.shape[:2]
    context = Context(mask, np.random.default_rng(0), (0, 0, width, height), image)
    before = image.copy()
    result = function(image, Op(function.__name__, amount, params=params), context)
    np.testing.assert_array_equal(image, before)
    assert result.dtype == image.dtype
    return result


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_quarter_turns_are_lossless(dtype: type) -> None:
    image = photo(dtype=dtype)
    turned = do(geometry.rotate, image, 90)
    np.testing.assert_array_equal(turned, np.rot90(image, -1))
    for _ in range(3):
        turned = do(geometry.rotate, turned, 90)
    np.testing.assert_array_equal(turned, image)
    np.testing.assert_array_equal(do(geometry.rotate, image, -270), do(geometry.rotate, image, 90))


@given(st.floats(-180, 180), st.integers(40, 160), st.integers(40, 160))
def test_a_rotation_has_no_empty_corners(degrees: float, height: int, width: int) -> None:
    white = np.full((height, width, 3), 255, np.uint8)
    turned = do(geometry.rotate, white, degrees)
    assert turned.min() == 255
    assert turned.shape[0] * turned.shape[1] > 0.2 * height * width


def test_rotation_is_clockwise_and_keeps_the_centre() -> None:
    image = np.zeros((201, 201, 3), np.uint8)
    image[100, 100:] = 255
    turned = do(geometry.rotate, image, 30)
    y, x = np.nonzero(turned[..., 0] > 128)
    middle = (turned.shape[0] - 1) / 2
    far = np.argmax(np.hypot(y - middle, x - middle))
    assert np.degrees(np.arctan2(y[far] - middle, x[far] - middle)) == pytest.approx(30, abs=1.5)


@pytest.mark.parametrize("axis", ["horizontal", "vertical"])
def test_flipping_twice_is_the_identity(axis: str) -> None:
    image = photo()
    once = do(geometry.flip, image, axis=axis)
    np.testing.assert_array_equal(once, image[:, ::-1] if axis == "horizontal" else image[::-1])
    np.testing.assert_array_equal(do(geometry.flip, once, axis=axis), image)


@given(st.integers(1, 21), st.integers(1, 21), st.integers(30, 90), st.integers(30, 90))
def test_aspect_is_exact_to_a_pixel(wide: int, high: int, height: int, width: int) -> None:
    result = do(geometry.aspect, photo(height, width), ratio=(wide, high))
    new_height, new_width = result.shape[:2]
    assert new_height == height or new_width == width
    assert (
        abs(new_width - new_height * wide / high) <= 0.5 or abs(new_height - new_width * high / wide) <= 0.5
    )


@pytest.mark.parametrize("place", [0.2, 0.8])
def test_aspect_keeps_the_subject(place: float) -> None:
    image = np.full((100, 300, 3), 120, np.uint8)
    centre = round(300 * place)
    image[30:70, centre - 20 : centre + 20] = photo(40, 40)
    square = do(geometry.aspect, image, ratio=(1, 1))
    assert square.shape[:2] == (100, 100)
    assert (square != 120).any(axis=2).sum() > 0.98 * (image != 120).any(axis=2).sum()


def test_crop_by_share_side_pixels_and_region() -> None:
    image = photo(100, 200)
    np.testing.assert_array_equal(do(geometry.crop, image, 0.1, side="all"), image[10:90, 20:180])
    np.testing.assert_array_equal(do(geometry.crop, image, 0.25, side="left"), image[:, 50:])
    np.testing.assert_array_equal(do(geometry.crop, image, 0.25, side="bottom"), image[:75])
    np.testing.assert_array_equal(do(geometry.crop, image, width=100, height=40), image[30:70, 50:150])
    rect = Region("rect", rect=(11, 13, 50, 40))
    np.testing.assert_array_equal(do(geometry.crop, image, 0.0, to=rect), image[13:53, 11:61])
    mask = np.zeros((100, 200), np.uint8)
    mask[20:30, 40:90] = 255
    np.testing.assert_array_equal(do(geometry.crop, image, 0.1, mask), image[20:30, 40:90])


def test_crop_refuses_what_leaves_nothing() -> None:
    image = photo()
    with pytest.raises(CannotDo, match="leaves nothing"):
        do(geometry.crop, image, 0.6, side="all")
    with pytest.raises(CannotDo, match="140x90"):
        do(geometry.crop, image, width=400, height=50)
    with pytest.raises(CannotDo, match="mask is empty"):
        do(geometry.crop, image, 0.1, np.zeros(image.shape[:2], np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_resize(dtype: type) -> None:
    image = photo(dtype=dtype)
    assert do(geometry.resize, image, 0.5).shape == (45, 70, 3)
    assert do(geometry.resize, image, 2.0).shape == (180, 280, 3)
    assert do(geometry.resize, image, width=70, height=None).shape == (45, 70, 3)
    assert do(geometry.resize, image, width=33, height=77).shape == (77, 33, 3)
    with pytest.raises(CannotDo, match="250 MP"):
        do(geometry.resize, image, width=90_000, height=90_000)


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257)])
def test_border_frames_the_untouched_picture(dtype: type, scale: int) -> None:
    image = photo(dtype=dtype)
    framed = do(geometry.border, image, 0.1, color="#ff8000")
    assert framed.shape == (108, 158, 3)
    np.testing.assert_array_equal(framed[9:-9, 9:-9], image)
    np.testing.assert_array_equal(framed[0, 0], np.array([255, 128, 0]) * scale)
    assert do(geometry.border, image, 0.1, color="black", pixels=3).shape == (96, 146, 3)


@pytest.mark.parametrize("tilt", [-4.0, 2.5])
def test_straighten_levels_a_horizon(tilt: float) -> None:
    y, x = np.mgrid[0:400, 0:600].astype(np.float32)
    level = 200 + np.tan(np.deg2rad(tilt)) * (x - 300)
    image = np.where((y < level)[..., None], [150, 190, 230], [60, 90, 40]) + np.random.default_rng(0).normal(
        0, 4, (400, 600, 1)
    )
    result = do(geometry.straighten, np.clip(image, 0, 255).astype(np.uint8), 0.0)
    horizon = (result[..., 2] > 130).sum(axis=0)
    lean = np.degrees(np.arctan(np.polyfit(np.arange(len(horizon)), horizon, 1)[0]))
    assert abs(lean) < 0.2


def test_straighten_says_so_without_evidence() -> None:
    blurred = cv2.GaussianBlur(photo(300, 400), (0, 0), 8)
    with pytest.raises(CannotDo, match="rotate by 2 degrees"):
        do(geometry.straighten, blurred, 0.0)
    assert do(geometry.straighten, blurred, 3.0).shape[0] < 300
