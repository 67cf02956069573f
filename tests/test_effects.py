"""What each operation should do to a picture, and whether the readings tell that it did."""

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PilImage

from editor.builtin import engine, grammar
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import WHOLE, Op, Region
from editor.builtin.effects import METRICS, Effect, Pair, Reading, assess, expected, judged, strength
from editor.builtin.effects.areas import AREAS
from editor.builtin.effects.naming import region_words

EXAMPLES = Path(__file__).parent.parent / "examples"
LEFT = Region("place", "left")
PARAMS: dict[str, dict[str, object]] = {
    "recolor": {"color": "blue"},
    "split_tone": {"shadows": "teal", "highlights": "orange"},
    "crop": {"side": "left"},
    "aspect": {"ratio": (2, 1)},
    "flip": {"axis": "horizontal"},
    "border": {"color": "white"},
    "text": {"text": "Hello", "position": "center", "color": "white", "outline": False},
    "watermark": {"text": "Hello", "position": "center", "color": "white"},
    "stylize": {"style": "oil"},
}
PLANTS = tuple(name for name, row in OPERATIONS.items() if row.kind == "plant")


@cache
def scene() -> np.ndarray:
    """A picture with room for every operation: coloured shapes, texture, a warm cast, haze, noise, no extremes."""
    rng = np.random.default_rng(5)
    height, width = 300, 400
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    picture = np.stack([0.62 - 0.2 * y, 0.52 - 0.1 * y + 0.05 * x, 0.42 + 0.02 * y], axis=-1)
    for color in ((0.7, 0.3, 0.25), (0.3, 0.55, 0.3), (0.3, 0.35, 0.6), (0.3, 0.3, 0.28), (0.75, 0.7, 0.5)):
        for _ in range(6):
            left, top = rng.integers(0, width - 40), rng.integers(0, height - 40)
            cv2.ellipse(
                picture, (int(left), int(top)), (25, 15), float(rng.uniform(0, 180)), 0, 360, color, -1
            )
    texture = cv2.GaussianBlur(rng.normal(0, 0.25, (height, width)), (0, 0), 1.5)
    picture += texture[..., None] + rng.normal(0, 0.02, picture.shape)
    return np.rint(np.clip(picture, 0.16, 0.85) * 255).astype(np.uint8)


@cache
def leaf() -> np.ndarray:
    with PilImage.open(EXAMPLES / "leaf.jpg") as file:
        return np.asarray(file.convert("RGB").resize((600, 450)))


def case(name: str, amount: float | None = None) -> tuple[Op, np.ndarray, np.ndarray | None]:
    """An operation at its plain level, a picture for it, and the user's limit if it needs one."""
    row = OPERATIONS[name]
    plain = 5.0 if name == "straighten" else row.levels[1]
    region = (
        Region("place", "left")
        if name in ("recolor", "color_pop", "depth_blur", "gradient_sky", "smooth")
        else row.region
    )
    if name == "gradient_sky":
        region = Region("place", "top")
    limit = None
    if name == "inpaint":
        limit = np.zeros(scene().shape[:2], np.uint8)
        limit[80:180, 100:260] = 255
    op = Op(name, plain if amount is None else amount, region, PARAMS.get(name, {}))
    if name == "greening":
        # a leaf that is green already has nothing to gain
        return Op(name, plain, WHOLE), scene(), None
    if name in PLANTS:
        return op, leaf(), None
    return op, scene(), limit


def run(op: Op, picture: np.ndarray, limit: np.ndarray | None = None) -> np.ndarray:
    return engine.run(picture, op, limit, np.random.default_rng(1))[0]


def test_every_operation_states_what_it_should_do() -> None:
    for name in OPERATIONS:
        for level in OPERATIONS[name].levels:
            effects = expected(case(name, level)[0])
            assert any(not effect.is_limit for effect in effects), name
            for effect in effects:
                assert effect.metric in METRICS
                assert effect.area in AREAS
                assert effect.why
                assert effect.at_most is None or effect.at_least * effect.at_most >= 0


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_untouched_picture_is_weak(name: str) -> None:
    op, picture, limit = case(name)
    readings = assess([op], picture, picture.copy(), limit)
    verdicts = [reading.verdict for reading in readings if not reading.effect.is_limit]
    if name == "resize" or name == "border":
        assert verdicts == ["weak"]
    assert "weak" in verdicts
    assert not {"strong", "reversed"} & {reading.verdict for reading in readings}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_built_in_operation_is_enough(name: str) -> None:
    op, picture, limit = case(name)
    readings = assess([op], picture, run(op, picture, limit), limit)
    told = [reading.sentence() for reading in readings if reading.verdict not in ("enough", "unmeasurable")]
    assert told == []
    assert any(reading.verdict == "enough" and not reading.effect.is_limit for reading in readings)


SIGNED = tuple(
    name
    for name, row in OPERATIONS.items()
    if row.limits[0] < 0 and row.kind in ("tone", "colour") and name != "hue"
)


@pytest.mark.parametrize("name", [*SIGNED, "vignette"])
def test_the_opposite_edit_is_reversed(name: str) -> None:
    op, picture, _ = case(name)
    opposite = Op(name, -op.amount)
    readings = assess([op], picture, run(opposite, picture))
    assert "reversed" in {reading.verdict for reading in readings}
    assert {r.verdict for r in assess([opposite], picture, run(opposite, picture))} <= {"enough"}


def test_garish_results_are_too_strong() -> None:
    picture = scene()
    for name, amount in (("saturation", 2.0), ("contrast", 1.0), ("exposure", 2.5), ("temperature", 1.0)):
        plain = case(name)[0]
        result = run(Op(name, amount), run(Op(name, amount), picture))
        assert "strong" in {reading.verdict for reading in assess([plain], picture, result)}, name


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (2.0, "enough"), (1.0, "enough"), (0.5, "weak"), (-0.2, "weak"), (-0.3, "reversed"), (5.1, "strong"),
        (math.nan, "unmeasurable"), (math.inf, "enough"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sign", [1, -1])
def test_the_bounds_are_signed(value: float, verdict: str, sign: int) -> None:
    effect = Effect("lightness", sign * 1.0, sign * 5.0, "region", "")
    assert judged(effect, value * sign if math.isfinite(value) else value) == verdict


def test_more_is_expected_of_more() -> None:
    slight, plain, strong = (expected(Op("contrast", a))[0].at_least for a in OPERATIONS["contrast"].levels)
    assert slight < plain < strong
    assert expected(Op("contrast", -0.25))[0].at_least == -plain
    assert strength(Op("gamma", 1.25)) == pytest.approx(1.0)
    assert expected(Op("gamma", 0.8))[0].at_least < 0


def test_opposite_wishes_for_one_part_cannot_be_told_apart() -> None:
    picture = scene()
    ops = [Op("saturation", 0.3), Op("bleach_bypass", 0.6)]
    verdicts = {(r.op.name, r.effect.metric): r.verdict for r in assess(ops, picture, picture)}
    assert verdicts["saturation", "chroma"] == verdicts["bleach_bypass", "chroma"] == "unmeasurable"
    assert verdicts["bleach_bypass", "contrast"] == "weak"


def test_a_plan_is_read_effect_by_effect() -> None:
    picture = scene()
    ops = [Op("contrast", 0.25), Op("sepia", 0.8), Op("vignette", 0.35)]
    result = picture
    for op in ops:
        result = run(op, result)
    assert {reading.verdict for reading in assess(ops, picture, result)} == {"enough"}
    only_sepia = assess(ops, picture, run(ops[1], picture))
    assert {r.effect.metric for r in only_sepia if r.verdict == "enough" and not r.effect.is_limit} == {
        "one_hue"
    }
    assert any(
        reading.effect.metric == "relative_lightness" and reading.verdict == "weak" for reading in only_sepia
    )


def test_tone_is_read_after_geometry() -> None:
    picture = scene()
    ops = [Op("flip", 1, WHOLE, {"axis": "horizontal"}), Op("brightness", 0.2)]
    result = run(ops[1], run(ops[0], picture))
    assert {reading.verdict for reading in assess(ops, picture, result)} == {"enough"}
    unflipped = {r.effect.metric: r.verdict for r in assess(ops, picture, run(ops[1], picture))}
    assert unflipped == {"size": "enough", "placement": "weak", "lightness": "enough", "clipped": "enough"}


def test_a_change_around_the_region_is_told() -> None:
    picture = scene()
    op = Op("exposure", 0.7, LEFT)
    inside = assess([op], picture, run(op, picture))[-1]
    everywhere = assess([op], picture, run(Op("exposure", 0.7), picture))[-1]
    assert (inside.effect.area, inside.verdict) == ("outside", "enough")
    assert (everywhere.effect.area, everywhere.verdict) == ("outside", "strong")
    assert everywhere.value > 0.9


def test_a_part_that_is_not_there_cannot_be_measured() -> None:
    picture = scene()
    op = Op("exposure", 0.7, Region("named", "face"))
    assert {reading.verdict for reading in assess([op], picture, picture)} == {"unmeasurable"}


def test_what_is_there_already_is_enough_and_says_so() -> None:
    full = np.tile(np.linspace(0, 255, 256).astype(np.uint8)[None, :, None], (100, 1, 3))
    reading = assess([Op("auto_levels", 1.0)], full, full)[0]
    assert reading.verdict == "enough"
    assert reading.sentence() == "range of L was as asked already"


def test_texture_is_read_at_full_size() -> None:
    rng = np.random.default_rng(0)
    big = np.clip(rng.normal(128, 12, (2000, 2400, 1)), 0, 255).astype(np.uint8).repeat(3, axis=2)
    softened = cv2.GaussianBlur(big, (0, 0), 1.0)
    assert [r.verdict for r in assess([Op("blur", 0.6)], big, softened)] == ["enough"]
    assert [r.verdict for r in assess([Op("sharpen", 0.6)], big, softened)] == ["reversed"]


def test_a_region_is_measured_in_pixels_of_the_photo() -> None:
    big = cv2.resize(scene(), (1600, 1200))
    op = Op("exposure", 0.7, Region("rect", rect=(100, 100, 500, 500)))
    mask = Pair(big, big).mask(op.region)
    assert mask is not None
    assert np.mean(mask > 127) == pytest.approx(500 * 500 / (1600 * 1200), rel=0.03)
    assert {reading.verdict for reading in assess([op], big, run(op, big))} == {"enough"}


def test_readings_speak_both_languages() -> None:
    effect = Effect("contrast", 0.05, 0.7, "region", "")
    reading = Reading(Op("contrast", 0.25), effect, 0.24, "enough")
    assert reading.sentence() == "contrast of L rose by 24 % (at least 5 %)"
    assert reading.sentence("zh") == "L 的对比度上升 24 %（至少 5 %）"
    strong = Reading(Op("contrast", 0.25, Region("named", "sky", text="the sky")), effect, 0.9, "strong")
    assert strong.sentence() == "the sky: contrast of L rose by 90 % (at most 70 %)"
    fell = Reading(Op("contrast", 0.25), effect, -0.1, "reversed")
    assert fell.sentence() == "contrast of L fell by 10 % (a rise of at least 5 % was due)"


@pytest.mark.parametrize("name", OPERATIONS)
def test_sixteen_bits_tiny_pictures_and_other_sizes_are_read(name: str) -> None:
    op, picture, limit = case(name)
    deep = picture.astype(np.uint16) * 257
    verdicts = {reading.verdict for reading in assess([op], deep, run(op, deep, limit), limit)}
    assert verdicts <= {"enough", "unmeasurable"}
    line, larger = picture[:1].copy(), cv2.resize(picture, (500, 333))
    for source, result in ((line, line), (picture, larger)):
        for reading in assess([op], source, result):
            assert reading.sentence("zh")
            assert reading.verdict != "strong"


def test_a_step_that_did_nothing_is_not_excused_by_the_one_before_it() -> None:
    part = Region("named", "leaf", text="leaf")
    margins, tips = Op("margin_chlorosis", 0.6, part), Op("tip_burn", 0.6, part)
    yellow, _ = engine.run(leaf(), margins, None, np.random.default_rng(0))
    brown = [r.verdict for r in assess([margins, tips], leaf(), yellow) if r.effect.metric == "brown"]
    assert brown in (["weak"], ["reversed"])
    both, _ = engine.run(yellow, tips, None, np.random.default_rng(1))
    assert [r.verdict for r in assess([margins, tips], leaf(), both) if r.effect.metric == "brown"] == [
        "enough"
    ]


def test_a_backdrop_that_is_still_shaded_is_not_plain() -> None:
    picture = scene()
    op = Op("recolor", 1.0, LEFT, {"color": "white", "plain": True})
    done, _ = engine.run(picture, op, None, np.random.default_rng(0))
    assert next(r.verdict for r in assess([op], picture, done)) == "enough"
    shaded, _ = engine.run(
        picture, Op("recolor", 1.0, LEFT, {"color": "white"}), None, np.random.default_rng(0)
    )
    assert next(r.verdict for r in assess([op], picture, shaded)) == "weak"


def test_sepia_on_an_almost_white_picture_is_seen_and_its_absence_too() -> None:
    rng = np.random.default_rng(8)
    product = np.full((240, 320, 3), 250.0) + rng.normal(0, 1, (240, 320, 1))
    product[60:180, 90:230] = (222, 224, 228)
    product[90:110, 120:140] = (40, 90, 200)
    picture = product.clip(0, 255).astype(np.uint8)
    op = Op("sepia", 0.92)
    toned, _ = engine.run(picture, op, None, np.random.default_rng(0))
    assert [r.verdict for r in assess([op], picture, toned) if r.effect.metric == "one_hue"] == ["enough"]
    assert [r.verdict for r in assess([op], picture, picture) if r.effect.metric == "one_hue"] != ["enough"]


def test_what_is_far_out_already_need_not_go_as_far_but_must_go() -> None:
    lemons = np.random.default_rng(6).normal((225, 170, 30), 12, (120, 160, 3)).clip(0, 255).astype(np.uint8)
    warm = Op("temperature", 0.35)
    warmer, _ = engine.run(lemons, warm, None, np.random.default_rng(0))
    first = [next(r.verdict for r in assess([warm], lemons, after)) for after in (warmer, lemons)]
    assert first == ["enough", "weak"]


@pytest.mark.parametrize(
    ("step", "chinese", "said"),
    [
        ("brighten the photo but not the sky", False, "all but the sky"),
        ("把照片调亮，但不要动天空", True, "除天空以外"),
        ("brighten everything except the face", False, "all but the face"),
        ("brighten the sky", False, "the sky"),
    ],
)
def test_a_part_that_is_spared_is_not_said_to_be_edited(step: str, chinese: bool, said: str) -> None:
    (op,) = grammar.parse(step)
    assert region_words(op.region, chinese=chinese) == said


def pale() -> np.ndarray:
    """A picture without shadows: coloured things, all of them near white."""
    colors = [
        (250, 190, 200),
        (200, 240, 190),
        (190, 210, 250),
        (250, 245, 190),
        (220, 190, 250),
        (252, 250, 246),
    ]
    return np.repeat(np.repeat(np.array(colors, np.uint8)[None], 120, axis=0), 40, axis=1)


@pytest.mark.parametrize("name", ["teal_orange", "fade"])
def test_a_look_shows_in_a_picture_without_shadows(name: str) -> None:
    op = Op(name, 0.6)
    assert {r.verdict for r in assess([op], pale(), run(op, pale()))} == {"enough"}
    assert any(r.verdict == "weak" for r in assess([op], pale(), pale()))


def test_colour_that_light_brings_out_does_not_hide_that_it_was_muted() -> None:
    ops = [Op("brightness", 0.15), Op("saturation", -0.05)]
    result = scene()
    for op in ops:
        result = run(op, result)
    assert {r.verdict for r in assess(ops, scene(), result)} == {"enough"}


def test_a_veil_taken_off_is_no_overdone_colour() -> None:
    veiled = np.rint(128 + scene() * 0.3).astype(np.uint8)
    ops = [Op("auto_levels", 1.0), Op("contrast", 0.25), Op("vibrance", 0.45)]
    result = veiled
    for op in ops:
        result = run(op, result)
    assert not any(r.verdict in ("strong", "reversed") for r in assess(ops, veiled, result))


@pytest.mark.parametrize(
    "step", ["green tint in the shadows", "阴影加点绿", "contrast -20, clarity +15, vibrance +10"]
)
def test_what_was_done_with_little_room_is_not_called_a_failure(step: str) -> None:
    ops = grammar.parse(step)
    result = scene()
    for op in ops:
        result = run(op, result)
    readings = assess(ops, scene(), result)
    assert not any(r.verdict in ("weak", "reversed") for r in readings)
    assert any(r.verdict in ("weak", "reversed") for r in assess(ops, scene(), scene()))
