"""Plant operations: where they change the leaf, into which colours, and what they leave alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from editor.base import Image, Mask
from editor.builtin import pixels, regions
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import Context, Op, Region
from editor.builtin.engine import resolve
from editor.builtin.ops import plant

PLANT = sorted(name for name, row in OPERATIONS.items() if row.kind == "plant")
SIZE = (240, 360)


def blade(*, stalk: bool = False, flipped: bool = False) -> tuple[Image, Mask]:
    """A green leaf, broad at the left and pointed at the right, with veins and noise; and its mask."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    t = np.clip((x - 50) / 270, 0, 1)
    half = 175 * t**0.55 * (1 - t)
    inside = (np.abs(y - 120) < half).astype(np.uint8)
    if stalk:
        inside |= ((np.abs(y - 120) < 3) & (x > 4) & (x < 80)).astype(np.uint8)
    noise = np.random.default_rng(1).normal(0, 3, SIZE)[..., None]
    image = np.where(inside[..., None], [70, 125, 48], [96, 84, 70]) + noise
    image[(np.abs(y - 120) < 2) & (inside > 0)] += [50, 40, 30]
    picture, mask = np.clip(image, 0, 255).astype(np.uint8), inside * np.uint8(255)
    if flipped:
        picture, mask = np.ascontiguousarray(picture[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
    return picture, mask


def change(
    name: str, image: Image, mask: Mask | None, amount: float = 0.6, seed: int = 0, **params: object
) -> Image:
    height, width = image.shape[:2]
    context = Context(mask, np.random.default_rng(seed), (0, 0, width, height), image)
    edited = resolve(OPERATIONS[name].function)(image, Op(name, amount, params=params), context)
    return pixels.blend(image, edited, mask)


def hue(image: Image, where: NDArray[np.bool_]) -> float:
    """Hue of the mean Lab colour, in degrees."""
    _, a, b = pixels.lab(image)[where].mean(axis=0)
    return float(np.degrees(np.arctan2(b, a)) % 360)


def depth(mask: Mask) -> NDArray[np.float32]:
    """0 at the margin to 1 at the core."""
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return distance / distance.max()


@pytest.mark.parametrize("name", PLANT)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_changes_the_leaf_and_nothing_else(name: str, dtype: type) -> None:
    image, mask = blade()
    image = image.astype(dtype) * dtype(257 if dtype is np.uint16 else 1)
    before = image.copy()
    # a pale, dull leaf leaves greening something to do
    if name == "greening":
        image = change("yellowing", image, mask)
        before = image.copy()
    edited = change(name, image, mask)
    assert edited.dtype == image.dtype
    assert edited.shape == image.shape
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(edited[mask == 0], image[mask == 0])
    moved = np.abs(pixels.lab(edited) - pixels.lab(image)).sum(axis=2)[mask > 0]
    assert moved.mean() > 2


@pytest.mark.parametrize("name", PLANT)
def test_same_seed_same_pixels(name: str) -> None:
    image, mask = blade()
    first, again, other = (change(name, image, mask, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    "name", ["yellowing", "margin_chlorosis", "tip_burn", "spots", "wilting", "browning", "paling"]
)
def test_more_of_it_changes_more(name: str) -> None:
    image, mask = blade()
    base = pixels.lab(image)
    moved = [
        np.abs(pixels.lab(change(name, image, mask, amount)) - base).mean() for amount in (0.3, 0.6, 1.0)
    ]
    assert moved[0] < moved[1] < moved[2]


def test_margin_chlorosis_yellows_the_margin_more_than_the_core() -> None:
    image, mask = blade()
    edited, deep = change("margin_chlorosis", image, mask), depth(mask)
    rim, core = (mask > 0) & (deep < 0.15), deep > 0.8
    assert hue(image, rim) - hue(edited, rim) > 12
    assert abs(hue(image, core) - hue(edited, core)) < 5


def test_interveinal_chlorosis_spares_the_midrib() -> None:
    image, mask = blade()
    edited, deep = change("interveinal_chlorosis", image, mask), depth(mask)
    rows = np.abs(np.arange(SIZE[0]) - 120)[:, None] + np.zeros(SIZE, int)
    midrib, tissue = (rows < 2) & (deep > 0.5), (rows > 18) & (deep > 0.3)
    moved = np.abs(pixels.lab(edited) - pixels.lab(image))[..., 1]
    assert moved[midrib].mean() < 0.5 * moved[tissue].mean()


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("stalk", [False, True])
def test_tip_burn_browns_the_tip_and_not_the_stem_end(flipped: bool, stalk: bool) -> None:
    image, mask = blade(stalk=stalk, flipped=flipped)
    edited = change("tip_burn", image, mask)
    columns = np.arange(SIZE[1])[None] + np.zeros(SIZE, int)
    columns = columns[:, ::-1] if flipped else columns
    tip, stem = (mask > 0) & (columns > 290), (mask > 0) & (columns < 75)
    assert 55 < hue(edited, tip) < 85
    assert hue(image, stem) - hue(edited, stem) < 12


def test_the_photos_frame_is_no_margin() -> None:
    image = np.full((200, 200, 3), (70, 125, 48), np.uint8)
    mask = np.zeros((200, 200), np.uint8)
    mask[:, :150] = 255
    edited = change("margin_chlorosis", image, mask)
    cut, margin = np.s_[80:120, :20], np.s_[80:120, 135:150]
    moved = np.abs(pixels.lab(edited) - pixels.lab(image))[..., 1]
    assert moved[cut].mean() < 1 < moved[margin].mean()


def test_every_leaf_of_several_gets_its_own_margin() -> None:
    image, mask = blade()
    image, mask = np.hstack([image, image]), np.hstack([mask, mask])
    edited = change("margin_chlorosis", image, mask)
    deep = depth(mask)
    moved = np.abs(pixels.lab(edited) - pixels.lab(image))[..., 1]
    for half in (np.s_[:, : SIZE[1]], np.s_[:, SIZE[1] :]):
        rim, core = (mask[half] > 0) & (deep[half] < 0.15), deep[half] > 0.8
        assert moved[half][rim].mean() > 3 * moved[half][core].mean()


def test_spots_take_the_named_colour() -> None:
    image, mask = blade()
    edited = change("spots", image, mask, 1.0, color="black")
    dark = (pixels.lab(edited)[..., 0] < 25) & (mask > 0)
    assert (pixels.lab(image)[..., 0][mask > 0] > 25).all()
    assert 0.005 < dark.sum() / (mask > 0).sum() < 0.5


def bunch() -> tuple[Image, Mask, NDArray[np.bool_]]:
    """Three long leaves that cross like spokes, each before the last; and where one lies before another."""
    image = np.full((300, 400, 3), 120, np.uint8)
    mask = np.zeros((300, 400), np.uint8)
    lines = np.zeros((300, 400), np.uint8)
    for angle, green in ((15, (60, 110, 50)), (75, (75, 135, 60)), (130, (95, 165, 75))):
        leaf = np.zeros((300, 400), np.uint8)
        cv2.ellipse(leaf, (200, 150), (135, 26), angle, 0, 360, 255, -1)
        edge = cv2.morphologyEx(leaf, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        lines = np.where(leaf > 0, 0, lines) | (edge & mask)
        mask |= leaf
        image[leaf > 0] = green
    inner = cv2.erode(mask, np.ones((25, 25), np.uint8)) > 0
    return image, mask, (cv2.dilate(lines.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & inner


def test_overlapping_leaves_yellow_along_their_own_margins() -> None:
    image, mask, overlap = bunch()
    edited = change("margin_chlorosis", image, mask, 0.6)
    shift = pixels.lab(edited)[..., 2] - pixels.lab(image)[..., 2]
    away = cv2.distanceTransform(((mask > 0) & ~overlap).astype(np.uint8), cv2.DIST_L2, 5)
    assert overlap.sum() > 300
    assert shift[overlap].mean() > 2.5 * max(1.0, shift[away > 20].mean())
    assert (edited[mask == 0] == image[mask == 0]).all()


def test_a_second_step_measures_the_leaves_of_the_source() -> None:
    image, mask, _ = bunch()
    yellow = change("margin_chlorosis", image, mask, 1.0)
    regions.inherit(image, yellow)
    shape = image.shape[0], image.shape[1]
    contexts = [
        Context(mask, np.random.default_rng(0), (0, 0, shape[1], shape[0]), side) for side in (image, yellow)
    ]
    first, second = (plant.read_leaf(context.whole, context) for context in contexts)
    np.testing.assert_array_equal(first.inward, second.inward)


def test_mildew_lies_in_pale_patches_and_mites_leave_fine_specks() -> None:
    image, mask = blade()
    inside = mask > 0
    before = pixels.lab(image)[..., 0]
    lighter = {}
    for name, params in (("mildew", {"color": "white"}), ("mites", {"color": "yellow", "fine": True})):
        edited = change("spots", image, mask, 0.6, **params)
        lighter[name] = (pixels.lab(edited)[..., 0] > before + 6) & inside
        assert (edited[~inside] == image[~inside]).all()
    parts = {
        name: cv2.connectedComponentsWithStats(where.astype(np.uint8))[2][1:, 4]
        for name, where in lighter.items()
    }
    assert 0.1 < lighter["mildew"].sum() / inside.sum() < 0.6
    assert parts["mildew"].max() > 0.02 * inside.sum()
    assert len(parts["mites"]) > 20
    assert np.median(parts["mites"]) < 0.002 * inside.sum()


def test_rot_on_fruit_is_a_few_dark_patches_without_pale_rims() -> None:
    image = np.full((240, 240, 3), (190, 40, 35), np.uint8)
    mask = np.zeros((240, 240), np.uint8)
    cv2.circle(mask, (120, 120), 100, 255, -1)
    context = Context(mask, np.random.default_rng(3), (0, 0, 240, 240), image)
    edited = plant.spots(image, Op("spots", 0.6, Region("named", "fruit"), {"color": "brown"}), context)
    before, after = (pixels.lab(side)[..., 0][mask > 0] for side in (image, edited))
    assert (after <= before + 0.5).all()
    dark = ((before - after) > 8).reshape(-1)
    assert 0.1 < dark.mean() < 0.6
    full = np.zeros(mask.shape, np.uint8)
    full[mask > 0] = dark
    assert cv2.connectedComponents(cv2.morphologyEx(full, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)))[0] < 12


def test_greening_turns_sand_green() -> None:
    sand = np.random.default_rng(0).normal((194, 178, 128), 12, (120, 160, 3)).clip(0, 255).astype(np.uint8)
    assert 110 < hue(change("greening", sand, None), np.ones((120, 160), bool)) < 140


def test_autumn_spreads_over_several_hues() -> None:
    image, mask = blade()
    values = pixels.lab(change("autumn", image, mask, 1.0))[mask > 0]
    hues = np.degrees(np.arctan2(values[:, 2], values[:, 1]))
    low, high = np.percentile(hues, [5, 95])
    assert low < 65
    assert high > 80


def test_texture_survives() -> None:
    image, mask = blade()
    edited = change("yellowing", image, mask, 1.0)
    old, new = (pixels.lab(i)[..., 0][mask > 0] for i in (image, edited))
    assert np.corrcoef(old, new)[0, 1] > 0.9


@pytest.mark.parametrize("name", PLANT)
def test_any_mask_is_survived(name: str) -> None:
    image, _ = blade()
    dot = np.zeros(SIZE, np.uint8)
    dot[5, 5] = 255
    for mask in (None, np.zeros(SIZE, np.uint8), dot, np.full(SIZE, 255, np.uint8)):
        assert change(name, image, mask).shape == image.shape
    assert change(name, image[:1, :1], None).shape == (1, 1, 3)


def test_field_size_is_bounded() -> None:
    tall = np.zeros((3000, 1000, 3), np.uint8)
    leaf = plant.read_leaf(tall, Context(None, np.random.default_rng(0), (0, 0, 1000, 3000), tall))
    assert leaf.inside.size <= plant.FIELD_PIXELS * 1.01
