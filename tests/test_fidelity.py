"""What was not edited stays bit for bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editor.base import EditError
from editor.fidelity import change_mask, keep_unchanged, restore_outside
from tests.conftest import scene

SIZE = 320, 240


@pytest.fixture
def source() -> np.ndarray:
    return scene(*SIZE)


def noisy(picture: np.ndarray, seed: int = 1) -> np.ndarray:
    """What an autoencoder's round trip does to a picture, roughly: small noise everywhere."""
    noise = np.random.default_rng(seed).normal(0, 2.5, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), feather=st.integers(0, 30), deep=st.booleans(), deep_result=st.booleans())
def test_outside_of_the_mask_is_the_source(seed: int, feather: int, deep: bool, deep_result: bool) -> None:
    rng = np.random.default_rng(seed)
    kinds = [np.uint16 if flag else np.uint8 for flag in (deep, deep_result)]
    before, after = (rng.integers(0, np.iinfo(kind).max, (40, 50, 3)).astype(kind) for kind in kinds)
    mask = cv2.GaussianBlur((rng.random((40, 50)) > 0.7).astype(np.uint8) * 255, (0, 0), 1)
    mask[:, :20] = 0
    out = restore_outside(before, after, mask, feather)
    assert out.dtype == before.dtype
    assert (out[mask == 0] == before[mask == 0]).all()
    if feather == 0 and deep == deep_result:
        assert (out[mask == 255] == after[mask == 255]).all()


def test_a_feather_ramps_inside_the_mask(source: np.ndarray) -> None:
    mask = np.zeros(source.shape[:2], np.uint8)
    mask[40:200, 60:260] = 255
    white = np.full_like(source, 255)
    out = restore_outside(source, white, mask, 20)
    assert (out[mask == 0] == source[mask == 0]).all()
    assert (out[110:130, 150:170] == 255).all()
    row = out[120, 60:90].mean(axis=-1)
    assert row[0] < row[8] < row[16] < 255 == row[25]


def test_an_edit_is_kept_whole_and_the_rest_is_the_source(source: np.ndarray) -> None:
    result = noisy(source)
    cv2.circle(result, (160, 120), 40, (220, 30, 30), -1)
    out = keep_unchanged(source, result)
    distance = np.hypot(*(np.mgrid[0:240, 0:320] - np.array([120, 160])[:, None, None]))
    assert (out[distance < 38] == result[distance < 38]).all()
    assert (out[distance > 65] == source[distance > 65]).all()


def test_noise_and_specks_alone_give_the_source_back(source: np.ndarray) -> None:
    result = noisy(source)
    result[100, 100] = 255 - result[100, 100]
    assert (keep_unchanged(source, result) == source).all()


@pytest.mark.parametrize("kind", ["warmer", "sharper"])
def test_a_visible_change_of_everything_is_kept(kind: str, source: np.ndarray) -> None:
    if kind == "warmer":
        result = np.clip(source.astype(int) + np.array([12, 0, -12]), 0, 255).astype(np.uint8)
    else:
        result = np.clip(source + np.random.default_rng(0).normal(0, 20, source.shape), 0, 255).astype(
            np.uint8
        )
    assert (change_mask(source, result) == 255).mean() > 0.98


def test_depth_is_the_sources(source: np.ndarray) -> None:
    deep = source.astype(np.uint16) * 257
    deep[0, 0] += 1
    out = keep_unchanged(deep, noisy(source))
    assert out.dtype == np.uint16
    assert (out == deep).all()


def test_threshold_raises_the_bar(source: np.ndarray) -> None:
    result = np.clip(source.astype(int) + 14, 0, 255).astype(np.uint8)
    assert (keep_unchanged(source, result) != source).any()
    assert (keep_unchanged(source, result, threshold=4.0) == source).all()


def test_sizes_must_match(source: np.ndarray) -> None:
    with pytest.raises(EditError, match="320 x 239 and the picture 320 x 240"):
        keep_unchanged(source, source[1:])
    with pytest.raises(EditError, match="mask is 319 x 240"):
        restore_outside(source, source, np.zeros((240, 319), np.uint8))
