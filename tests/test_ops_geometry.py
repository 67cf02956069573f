"""Geometry, text and retouching: exact sizes and places, and what must not change."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.base import CannotDo, Image, Mask
from editor.builtin.core import Context, Op, OpFunction, Region
from editor.builtin.ops import geometry, retouch, text


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


@given(st.floats(0.1, 44.9), st.integers(40, 300), st.integers(40, 300))
def test_a_rotation_keeps_the_largest_part_without_empty_corners(
    degrees: float, height: int, width: int
) -> None:
    new_height, new_width = do(geometry.rotate, photo(height, width), degrees).shape[:2]
    sin, cos = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    # turned back, the result lies inside the original, and touches it
    assert new_width * cos + new_height * sin <= width + 1e-3
    assert new_width * sin + new_height * cos <= height + 1e-3
    assert (
        max(
            (new_width + 2) * cos + (new_height + 2) * sin - width,
            (new_width + 2) * sin + (new_height + 2) * cos - height,
        )
        > 0
    )


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
    np.testing.assert_array_equal(do(geometry.crop, image, side="top", pixels=30), image[30:])
    np.testing.assert_array_equal(do(geometry.crop, image, side="right", pixels=15), image[:, :-15])
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
    disc = np.zeros((90, 140, 3), dtype)
    cv2.circle(disc, (70, 45), 30, (255, 255, 255), -1)
    seen = do(geometry.resize, disc, width=200, height=200)[..., 0] > 127
    assert seen.any(axis=0).sum() == pytest.approx(seen.any(axis=1).sum(), abs=2), "cropped, not stretched"
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


@pytest.mark.parametrize("tilt", [-3.0, -1.0, 2.0, 3.5])
def test_straighten_finds_a_faint_horizon_behind_people(tilt: float) -> None:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:300, :420].astype(np.float32)
    waves = cv2.GaussianBlur(rng.normal(size=(300, 420)).astype(np.float32), (0, 0), sigmaX=5, sigmaY=1) * 60
    image = np.where(y > 140, 140 + waves, 165)[..., None] + np.array([-20, 0, 20], np.float32)
    for left, height in ((90, 150), (170, 180), (270, 160)):
        person = ((x - left - 17) / 17) ** 2 + ((y - 280 + height / 2) / (height / 2)) ** 2 < 1
        image[person] = (120, 80, 60)
    leaning = do(geometry.rotate, np.clip(image, 0, 255).astype(np.uint8), tilt)
    assert geometry._tilt(leaning) is None
    assert geometry._horizon(leaning) == pytest.approx(tilt, abs=0.25)
    levelled = do(geometry.straighten, leaning, 0.0)
    assert geometry._horizon(levelled) == pytest.approx(0.0, abs=0.25)


def test_a_slope_is_no_horizon() -> None:
    y, x = np.mgrid[:300, :420].astype(np.float32)
    hill = (y > 150 + np.tan(np.radians(7.0)) * (x - 210))[..., None]
    slope = np.where(hill, (60, 110, 50), (150, 190, 230)).astype(np.uint8)
    assert geometry._horizon(slope) is None


def test_straighten_says_so_without_evidence() -> None:
    blurred = cv2.GaussianBlur(photo(300, 400), (0, 0), 8)
    with pytest.raises(CannotDo, match="rotate by 2 degrees"):
        do(geometry.straighten, blurred, 0.0)
    assert do(geometry.straighten, blurred, 3.0).shape[0] < 300


# text -----------------------------------------------------------------------------------------------------


def touched(before: Image, after: Image) -> tuple[float, float, float]:
    """Share of changed pixels, and their centre of mass as shares of the height and the width."""
    changed = (before != after).any(axis=2)
    rows, columns = np.nonzero(changed)
    return (
        float(changed.mean()),
        float(rows.mean() / before.shape[0]),
        float(columns.mean() / before.shape[1]),
    )


@pytest.mark.parametrize(
    ("position", "row", "column"),
    [
        ("top", 0, 1),
        ("bottom", 2, 1),
        ("center", 1, 1),
        ("left", 1, 0),
        ("bottom-right", 2, 2),
        ("top-left", 0, 0),
    ],
)
def test_text_stands_where_it_is_wanted(position: str, row: int, column: int) -> None:
    image = np.full((300, 400, 3), 60, np.uint8)
    share, down, right = touched(image, do(text.text, image, 0.08, text="Hi!", position=position))
    assert 0.001 < share < 0.05
    assert int(down * 3) == row
    assert int(right * 3) == column


@pytest.mark.parametrize(("function", "amount"), [(text.text, 0.08), (text.watermark, 0.6)])
@pytest.mark.parametrize("position", ["bottom", "top-left", "center"])
def test_text_stands_inside_of_a_mask(function: OpFunction, amount: float, position: str) -> None:
    image = np.full((300, 400, 3), 60, np.uint8)
    mask = np.zeros((300, 400), np.uint8)
    mask[40:120, 200:330] = 255
    changed = (do(function, image, amount, mask, text="Hi!", position=position) != image).any(axis=2)
    assert changed.any()
    assert not changed[mask == 0].any()


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257)])
def test_text_has_its_colour_and_height(dtype: type, scale: int) -> None:
    image = np.full((400, 600, 3), 60 * scale, dtype)
    written = do(text.text, image, 0.1, text="HHH", position="center", color="#ff0000", outline=False)
    red = (written == np.array([255 * scale, 0, 0])).all(axis=2)
    rows = np.nonzero(red.any(axis=1))[0]
    assert rows[-1] - rows[0] + 1 == pytest.approx(40, abs=2)


def test_long_text_wraps_and_shrinks_to_fit() -> None:
    image = np.full((120, 160, 3), 60, np.uint8)
    written = do(
        text.text, image, 0.2, text="a caption far too long for one line of this picture", position="center"
    )
    changed = (written != image).any(axis=2)
    assert changed.any()
    assert not changed[:2].any()
    assert not changed[:, :2].any()
    assert not changed[:, -2:].any()


@pytest.mark.parametrize("function", [text.text, text.watermark])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (300, 1), (2, 300)])
def test_a_picture_too_small_for_text_is_refused(function: OpFunction, size: tuple[int, int]) -> None:
    with pytest.raises(CannotDo, match="too long for a photo of"):
        do(function, photo(*size), 0.1, text="Hi")


def test_text_stays_legible_on_its_own_colour() -> None:
    image = np.full((200, 300, 3), 250, np.uint8)
    assert do(text.text, image, 0.1, text="white", position="center", color="white").min() < 60


def test_chinese_glyphs_differ_from_each_other() -> None:
    image = np.full((200, 300, 3), 60, np.uint8)
    try:
        first, second = (do(text.text, image, 0.2, text=word, position="center") for word in ("叶", "钾"))
    except CannotDo:
        pytest.skip("no font with Chinese glyphs on this machine")
    assert (first != second).any()


def test_missing_glyphs_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_installed", dict)
    text.font_for.cache_clear()
    try:
        with pytest.raises(CannotDo, match="fonts-noto-cjk"):
            do(text.text, photo(), 0.1, text="缺钾")
        # plain letters need no installed font
        assert (do(text.text, photo(), 0.1, text="K") != photo()).any()
    finally:
        text.font_for.cache_clear()


def test_watermark_is_translucent_and_tiles() -> None:
    image = np.full((300, 400, 3), 100, np.uint8)
    corner = do(text.watermark, image, 0.3, text="proof", position="bottom-right")
    _, down, right = touched(image, corner)
    assert down > 0.8
    assert right > 0.7
    assert 100 < corner.max() <= 100 + 0.3 * 155 + 1
    changed = (do(text.watermark, image, 0.3, text="proof", position="tiled") != image).any(axis=2)
    quarters = [changed[y : y + 150, x : x + 200].mean() for y in (0, 150) for x in (0, 200)]
    assert min(quarters) > 0.02


# filling --------------------------------------------------------------------------------------------------


def stripes(dtype: type = np.uint8) -> Image:
    """Regular texture: what is under a mark can be told from its surroundings."""
    y, x = np.mgrid[0:120, 0:160]
    values = 0.5 + 0.3 * np.sin(x / 3) + 0.1 * np.sin(y / 2)
    return (np.stack([values, values * 0.8, values * 0.5], axis=2) * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("radius", [2, 16])
def test_inpaint_continues_the_texture(dtype: type, radius: int) -> None:
    clean = stripes(dtype)
    mask = np.zeros(clean.shape[:2], np.uint8)
    cv2.circle(mask, (80, 60), radius, 255, -1)
    marked = clean.copy()
    marked[mask > 0] = 0
    filled = do(retouch.inpaint, marked, 1.0, mask)
    np.testing.assert_array_equal(filled[mask == 0], clean[mask == 0])
    wrong = np.abs(filled.astype(float) - clean)[mask > 0].mean() / np.iinfo(dtype).max
    assert wrong < 0.05


def test_inpaint_at_reduced_size_keeps_fine_detail() -> None:
    noise = np.random.default_rng(0).normal(128, 30, (700, 700, 3)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((700, 700), np.uint8)
    cv2.circle(mask, (350, 350), 130, 255, -1)
    marked = noise.copy()
    marked[mask > 0] = (255, 0, 255)
    filled = do(retouch.inpaint, marked, 1.0, mask)
    inside = filled[mask > 0].astype(float)
    assert inside.std() > 0.6 * noise.std()
    assert np.abs(inside.mean(axis=0) - 128).max() < 6


def test_inpaint_is_deterministic_and_takes_several_marks() -> None:
    image, mask = stripes(), np.zeros((120, 160), np.uint8)
    cv2.circle(mask, (30, 30), 9, 255, -1)
    cv2.circle(mask, (130, 90), 9, 255, -1)
    first, again = (do(retouch.inpaint, image, 1.0, mask) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_inpaint_asks_for_a_mask() -> None:
    with pytest.raises(CannotDo, match="--mask"):
        do(retouch.inpaint, photo())
    with pytest.raises(CannotDo, match="almost the whole photo"):
        do(retouch.inpaint, photo(), 1.0, np.full((90, 140), 255, np.uint8))
