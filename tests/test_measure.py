"""The facts about a pair of pictures."""

import weakref
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from editor.measure import Facts, clipped_share, measure, outside_difference
from editor.pixels import gradient, in_depth, lab, once, shrink, small_lab


def scene(height: int = 180, width: int = 240, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(3)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3)).astype(np.float32), (0, 0), 4)
    picture = cv2.normalize(picture, None, 30, 220, cv2.NORM_MINMAX)
    return (picture * (257 if dtype is np.uint16 else 1)).astype(dtype)


def test_nothing_changed() -> None:
    picture = scene()
    facts = measure(picture, picture.copy(), np.zeros(picture.shape[:2], np.uint8))
    assert facts.changed_share == 0
    assert facts.changed_box is None
    assert (facts.outside_changed, facts.outside_max) == (0.0, 0)
    assert facts.shift == (0.0, 0.0)
    assert "No visible change anywhere." in facts.sentences()
    assert "没有任何可见的变化。" in facts.sentences("zh")


@settings(max_examples=30)
@given(
    st.integers(0, 179),
    st.integers(0, 239),
    st.integers(1, 100),
    st.booleans(),
    st.sampled_from([np.uint8, np.uint16]),
)
def test_a_single_pixel_outside_the_mask_is_seen(
    y: int, x: int, step: int, masked: bool, dtype: type
) -> None:
    source = scene(dtype=dtype)
    result = source.copy()
    result[y, x, 1] = result[y, x, 1] + step if result[y, x, 1] < 100 else result[y, x, 1] - step
    mask = np.zeros(source.shape[:2], np.uint8)
    mask[y, x] = 1 if masked else 0
    share, most = outside_difference(source, result, mask)
    if masked:
        assert (share, most) == (0.0, 0)
    else:
        assert share == 1 / mask.size
        assert most == (step if dtype is np.uint8 else 1)


def test_the_outside_is_exact_in_every_band_of_a_large_picture() -> None:
    source = np.zeros((1500, 2000, 3), np.uint8)
    result = source.copy()
    result[::500, ::500] = (0, 0, 7)
    mask = np.zeros(source.shape[:2], np.uint8)
    mask[:, 1000:] = 255
    share, most = outside_difference(source, result, mask)
    assert share == pytest.approx(6 / (1500 * 1000))
    assert most == 7


def test_unlike_depths_are_compared_at_eight_bits() -> None:
    source = scene()
    deep = source.astype(np.uint16) * 257
    assert outside_difference(source, deep, np.zeros(source.shape[:2], np.uint8)) == (0.0, 0)


def test_known_changes_are_told_in_numbers() -> None:
    grey = np.full((100, 100, 3), 119, np.uint8)  # L = 50
    result = grey.copy()
    result[20:40, 10:60] = (255, 255, 255)
    facts = measure(grey, result)
    assert facts.changed_share == pytest.approx(0.10)
    assert facts.changed_box == pytest.approx((0.1, 0.2, 0.6, 0.4))
    assert facts.lightness == pytest.approx((50.0, 55.0), abs=0.2)
    assert facts.clipped == pytest.approx((0.0, 0.10))
    assert facts.chroma == pytest.approx((0.0, 0.0), abs=0.05)
    assert facts.contrast[1] > facts.contrast[0] + 10
    assert facts.detail[1] > facts.detail[0]


def test_warmth_and_chroma_follow_the_colour() -> None:
    blue, yellow = (
        np.full((2, 40, 40, 3), (40, 60, 200), np.uint8)[0],
        np.full((40, 40, 3), (220, 200, 60), np.uint8),
    )
    facts = measure(blue, yellow)
    assert facts.warmth[0] < -30 < 30 < facts.warmth[1]
    assert min(facts.chroma) > 40


@pytest.mark.parametrize("move", [(12, 0), (-9, 6), (0, -15)])
def test_a_shift_is_found_in_pixels_of_the_source(move: tuple[int, int]) -> None:
    source = scene(400, 600)
    facts = measure(source, np.roll(source, (move[1], move[0]), (0, 1)))
    assert facts.shift == pytest.approx(move, abs=1.5)


def test_the_same_pair_gives_the_same_facts_wherever_it_lies_in_memory() -> None:
    source = scene(400, 600)
    noise = np.random.default_rng(0).normal(0, 12, source.shape)
    result = np.clip(np.roll(source, 3, 1) + noise, 0, 255).astype(np.uint8)
    first = measure(source, result)
    assert first.shift != (0.0, 0.0)
    with ThreadPoolExecutor(4) as pool:
        others = list(pool.map(lambda _: measure(source.copy(), result.copy()), range(24)))
    assert all(facts == first for facts in others)


def test_an_edit_of_tone_is_no_shift() -> None:
    source = scene()
    assert measure(source, cv2.convertScaleAbs(source, alpha=0.7, beta=20)).shift == (0.0, 0.0)
    assert measure(source, 255 - source).shift == (0.0, 0.0)
    assert measure(source, np.zeros_like(source)).shift == (0.0, 0.0)


def test_another_size_is_compared_after_resizing() -> None:
    source = scene()
    facts = measure(
        source, cv2.resize(source, (120, 90), interpolation=cv2.INTER_AREA), np.zeros((180, 240), np.uint8)
    )
    assert facts.size_after == (120, 90)
    assert facts.outside_changed is None
    assert facts.shift == (0.0, 0.0)
    assert facts.mean_change < 4
    assert facts.sentences()[0] == "The size changed from 240x180 to 120x90 pixels."


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="mask"):
        measure(scene(), scene(), np.zeros((5, 5), np.uint8))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 2), (100_000, 2), (2, 100_000)])
def test_tiny_and_narrow_pictures(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 100, np.uint8)
    facts = measure(picture, picture + 100, np.full(shape, 255, np.uint8))
    assert facts.changed_share == 1.0
    assert facts.outside_changed == 0.0
    assert facts.detail == (0.0, 0.0)


def test_clipping_is_not_averaged_away() -> None:
    noise = (
        np.where(np.random.default_rng(0).random((1200, 1200, 1)) < 0.5, 0, 128)
        .astype(np.uint8)
        .repeat(3, axis=2)
    )
    assert clipped_share(noise) == pytest.approx(0.5, abs=0.02)


def test_sentences_speak_both_languages() -> None:
    source = scene()
    result = source.copy()
    result[0, 0] = 255 - result[0, 0]
    facts = measure(source, result, np.zeros(source.shape[:2], np.uint8))
    english, chinese = facts.sentences(), facts.sentences("zh")
    assert len(english) == len(chinese)
    assert all("{" not in sentence for sentence in english + chinese)
    assert any(sentence.startswith("Outside the mask 0.01%") for sentence in english)
    assert Facts.model_validate_json(facts.model_dump_json()) == facts


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lab_is_that_of_the_standard(dtype: type[np.uint8 | np.uint16]) -> None:
    rng = np.random.default_rng(0)
    eight = np.concatenate([rng.integers(0, 256, (40, 60, 3)), rng.integers(0, 12, (40, 60, 3))]).astype(
        np.uint8
    )
    picture = eight if dtype == np.uint8 else eight * np.uint16(257)
    assert np.abs(lab(picture) - rgb2lab(eight)).max() < 0.01
    assert lab(np.full((1, 1, 3), np.iinfo(dtype).max, dtype))[0, 0] == pytest.approx((100, 0, 0), abs=0.01)


@pytest.mark.parametrize("size", [(256, 256), (200, 256), (90, 128)])
def test_shrinking_averages(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8 * size[0], 8 * size[1], 3), dtype=np.uint8)
    exact = picture.reshape(size[0], 8, size[1], 8, 3).mean(axis=(1, 3))
    assert np.abs(shrink(picture, size[0] * size[1]) - exact).max() < 2


def test_depths_are_rounded_and_come_back() -> None:
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    eight = in_depth(deep, np.uint8)
    assert (eight == np.rint(deep / 257)).all()
    assert (in_depth(in_depth(eight, np.uint16), np.uint8) == eight).all()
    assert in_depth(deep, np.uint16) is deep


def test_the_gradient_is_the_slope_per_pixel() -> None:
    y, x = np.mgrid[:20, :30].astype(np.float32)
    assert gradient(3 * x + 4 * y)[1:-1, 1:-1] == pytest.approx(5)


def test_what_is_made_of_a_picture_is_made_once_and_let_go_with_it() -> None:
    picture = np.zeros((1000, 1000, 3), np.uint8)
    small, colours = shrink(picture, 400_000), small_lab(picture)
    assert shrink(picture, 400_000) is small
    assert small_lab(picture) is colours
    assert shrink(picture, 200_000) is not small
    assert shrink(picture.copy(), 400_000) is not small
    with pytest.raises(ValueError, match="read-only"):
        small[0, 0] = 1
    gone = weakref.ref(small)
    del picture, small, colours
    once(np.zeros((4, 4, 3), np.uint8), "x", lambda: 1)
    assert gone() is None
