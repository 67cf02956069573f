"""Render examples/leaf.jpg: one green leaf in focus before a blurred garden.

    python examples/make_leaf.py leaf.jpg --width 2000 --height 1500

No photo and no model is used: a serrated ovate blade with its vein network is drawn as fields over leaf
coordinates (u from base to tip, v across), lit as a relief, and laid over painted, lens-blurred layers.
The same size and seed give the same picture. Needs numpy, OpenCV and Pillow.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]
SECONDARIES = 11.0  # lateral veins on each side of the midrib
LIGHT = np.array([-0.42, -0.55, 0.72], np.float32) / np.linalg.norm([-0.42, -0.55, 0.72])
HALF = (LIGHT + np.array([0, 0, 1], np.float32)) / np.linalg.norm(LIGHT + np.array([0, 0, 1], np.float32))


def linear(red: float, green: float, blue: float) -> Field:
    """SRGB 0..255 to linear light 0..1."""
    value = np.array([red, green, blue], np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encode(light: Field) -> Field:
    """Linear light to sRGB 0..1, with a soft shoulder so that highlights do not clip hard."""
    light = np.where(light > 0.7, 0.7 + 0.3 * (1 - np.exp(-(light - 0.7) / 0.3)), np.maximum(light, 0))
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.asarray(srgb, np.float32)


def step(low: float, high: float, values: Field) -> Field:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: float, octaves: int = 4) -> Field:
    """Fractal noise, about -1..1; `cells` across the short side in the first octave."""
    height, width = shape
    out = np.zeros(shape, np.float32)
    for octave in range(octaves):
        size = cells * 2**octave / min(shape)
        grid = rng.standard_normal((int(height * size) + 4, int(width * size) + 4)).astype(np.float32)
        out += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.5 / 2**octave)
    return out


def cells(rng: np.random.Generator, x: Field, y: Field) -> tuple[Field, Field]:
    """Worley noise on a jittered unit grid: distance to the cell's border, and to its point."""
    jitter = rng.uniform(0.1, 0.9, (256, 256, 2)).astype(np.float32)
    column, row = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    first = np.full(x.shape, 9, np.float32)
    second = first.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            point = jitter[(row + dy) & 255, (column + dx) & 255]
            distance = np.hypot(column + dx + point[..., 0] - x, row + dy + point[..., 1] - y)
            second = np.minimum(second, np.maximum(first, distance))
            first = np.minimum(first, distance)
    return second - first, first


@dataclass(frozen=True)
class Blade:
    """The leaf over the picture: coordinates, coverage, veins (0..1), relief, petiole."""

    u: Field
    v: Field
    inside: Field
    rim: Field
    veins: Field
    fine: Field
    relief: Field
    petiole: Field


def profile(u: Field) -> Field:
    """Half-width of the ovate blade at u, in leaf lengths, without teeth."""
    t = np.clip(u, 0, 1)
    return np.asarray(0.58 * t**0.54 * (1 - t) ** (0.98 + 0.35 * t**3) * (1 + 0.45 * t), np.float32)


def teeth(u: Field, phase: float) -> Field:
    """Double serration: how far the margin stands out, teeth leaning towards the tip."""
    t = np.clip(u, 0, 1)
    ramp = (u * 31 + phase + 0.35 * np.sin(u * 23 + phase * 7)) % 1
    small = (u * 71 + phase * 3) % 1
    size = (0.010 + 0.004 * np.sin(u * 37 + phase * 5)) * step(0.02, 0.2, t) * step(1.0, 0.9, t)
    return np.asarray(size * (step(0, 0.85, ramp) * step(1.0, 0.85, ramp) + 0.25 * small), np.float32)


def coordinates(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Leaf coordinates (u, v) of every pixel: the axis leans, bends, and the far half is foreshortened."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = np.deg2rad(33)
    base, length = (0.20 * width, 0.205 * height), 0.78 * width
    x, y = (x - base[0]) / length, (y - base[1]) / length
    u = x * np.cos(angle) + y * np.sin(angle)
    v = -x * np.sin(angle) + y * np.cos(angle)
    v = v + 0.055 * np.sin(np.pi * np.clip(u, -0.35, 1.2) * 0.95) + 0.02 * u
    v = np.where(v < 0, v * 1.13, v * 0.97)
    return u.astype(np.float32), v.astype(np.float32)


def laterals(u: Field, v: Field, warp: Field) -> tuple[Field, Field]:
    """Secondary veins: (thickness profile 0..1, dome between them 0..1). They arch towards the tip."""
    side = np.where(v < 0, 0.0, 0.46).astype(np.float32)
    across = np.abs(v)
    origin = u - 0.62 * across - 0.75 * across**2 + 0.012 * warp
    # closer together towards the tip
    phase = SECONDARIES * (np.sign(origin) * np.abs(origin) ** 0.92) + side
    gap = np.abs(phase - np.round(phase)) / SECONDARIES
    rooted = step(0.0, 0.03, origin) * step(1.0, 0.93, origin)
    width = 0.0026 * (1 - 0.62 * np.clip(across / np.maximum(profile(u), 1e-3), 0, 1))
    line = np.exp(-((gap * 0.8 / width) ** 2)) * rooted
    dome = np.sin(np.pi * np.clip(gap * SECONDARIES * 2, 0, 1) / 2) ** 0.8
    return line.astype(np.float32), dome.astype(np.float32)


def blade(rng: np.random.Generator, shape: tuple[int, int]) -> Blade:
    """Build every field of the leaf."""
    u, v = coordinates(shape)
    warp = noise(rng, shape, 5, 3)
    side = np.where(v < 0, 0.3, 0.75).astype(np.float32)
    outline = profile(u + 0.006 * warp) * (1 + 0.035 * np.sin(9 * u + 4 * side)) + np.where(
        v < 0, teeth(u, 0.3), teeth(u, 0.75)
    )
    rim = outline - np.abs(v)
    pixel = float(np.abs(np.diff(u[0, :2]))[0]) * 1.2
    inside = step(-pixel, pixel, rim) * step(-0.004, 0.004, u) * step(1.0, 0.994, u)
    lateral, dome = laterals(u, v, warp)
    midrib = np.exp(-((v / (0.0075 * (1.12 - np.clip(u, 0, 1)))) ** 2)).astype(np.float32)
    wide_edge, _ = cells(rng, 34 * u - 20 * np.abs(v) + 0.5 * warp, 34 * np.abs(v) + 14 * u + 80 * side)
    fine_edge, fine_centre = cells(rng, 105 * u + 0.6 * warp, 105 * v)
    wide = 1 - step(0.0, 0.13, wide_edge)
    fine = 1 - step(0.0, 0.22, fine_edge)
    relief = (
        0.0105 * dome * np.clip(rim / 0.05, 0, 1)
        - 0.0035 * np.sqrt(lateral)
        - 0.0085 * np.exp(-((v / 0.014) ** 2))
        + 0.0017 * np.minimum(step(0.0, 0.5, wide_edge), 1)
        + 0.00045 * (1 - fine_centre)
    )
    veins = np.clip(np.maximum(midrib, 0.82 * lateral) + 0.30 * wide * (1 - lateral), 0, 1)
    bend = v + 0.02 * np.sin(6 * u)
    thick = 0.0095 + 0.006 * np.clip(-u - 0.16, 0, 1)
    petiole = step(thick + pixel, thick - pixel, np.abs(bend)) * step(0.02, 0.0, u) * step(-0.6, -0.59, u)
    return Blade(u, v, inside, rim, veins, fine, relief.astype(np.float32), petiole)


def normals(leaf: Blade) -> Field:
    """Unit normals (h, w, 3): the shallow fold along the midrib, the arch to the tip, and the vein relief."""
    scale = 1 / float(np.hypot(*(leaf.u[:2, :2] - leaf.u[0, 0])[[0, 1], [1, 0]]))
    smooth = cv2.GaussianBlur(leaf.relief, (0, 0), max(0.8, scale / 1800))
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=scale / 8)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=scale / 8)
    # large shape: slope across (a V opened upwards) and along (the tip hangs), waves near the margin
    across = -0.20 * np.tanh(leaf.v / 0.03) + 0.75 * leaf.v
    waves = 0.32 * np.sin(19 * leaf.u + np.where(leaf.v < 0, 0, 2)) * np.clip(1 - leaf.rim / 0.09, 0, 1)
    along = 0.55 * (leaf.u - 0.38) + waves
    cos, sin = np.cos(np.deg2rad(33)), np.sin(np.deg2rad(33))
    nx = -dx + along * cos - across * -sin
    ny = -dy + along * sin - across * cos
    vector = np.dstack([nx, ny, np.ones_like(nx)]).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector, axis=2, keepdims=True), np.float32)


def shade(rng: np.random.Generator, leaf: Blade) -> Field:
    """Linear-light colour of the leaf's upper side."""
    shape = leaf.u.shape
    large, mottled = noise(rng, shape, 3, 3), noise(rng, shape, 40, 3)
    dark, fresh = linear(52, 92, 30), linear(112, 152, 44)
    share = np.clip(0.32 + 0.22 * large + 0.10 * mottled + 0.25 * step(0.05, 0.0, leaf.rim), 0, 1)[..., None]
    albedo = dark + (fresh - dark) * share
    albedo = albedo * (1 + 0.10 * (leaf.fine - 0.4) + 0.05 * mottled)[..., None]
    pale = linear(172, 190, 104)
    albedo = albedo + (pale - albedo) * (0.62 * leaf.veins[..., None])
    rim = linear(150, 160, 84)
    albedo = albedo + (rim - albedo) * (0.5 * step(0.0042, 0.0, leaf.rim))[..., None]
    normal = normals(leaf)
    diffuse = np.clip(normal @ LIGHT, 0, 1)
    sky = 0.5 - 0.5 * normal[..., 1]
    gleam = np.clip(normal @ HALF, 0, 1)
    uneven = 0.75 + 0.35 * noise(rng, shape, 60, 3)
    gloss = (0.075 * gleam**14 + 0.16 * gleam**60) * uneven * (1 - 0.4 * leaf.veins)
    # light that comes through the blade is yellower and fills the side turned away
    through = albedo * linear(255, 250, 150) * (0.30 * (1 - diffuse))[..., None]
    light = albedo * (1.38 * diffuse + 0.26 * sky)[..., None] + through
    return np.asarray(light + gloss[..., None] * linear(236, 244, 255), np.float32)


def disc(radius: float) -> Field:
    """The lens aperture as a normalised kernel, slightly brighter at its rim as lenses draw it."""
    size = int(np.ceil(radius))
    y, x = np.mgrid[-size : size + 1, -size : size + 1]
    r = np.hypot(x, y) / radius
    kernel = np.clip((1 - r) * radius + 0.5, 0, 1) * (0.8 + 0.35 * np.clip(r, 0, 1) ** 3)
    return np.asarray(kernel / kernel.sum(), np.float32)


def paint_leaf(canvas: Field, where: tuple[float, float], size: float, angle: float, colour: Field) -> None:
    """One simple leaf shape for the background, in place."""
    t = np.linspace(0, 1, 24)
    half = 0.62 * np.sqrt(t) * (1 - t)
    outline = np.concatenate([np.stack([t, half], 1), np.stack([t, -half], 1)[::-1]]) - [0.5, 0]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = (outline @ turn) * size + where
    cv2.fillPoly(canvas, [np.rint(points * 16).astype(np.int32)], colour.tolist(), cv2.LINE_AA, 4)


def glints(rng: np.random.Generator, shape: tuple[int, int], radius: float) -> Field:
    """Sky seen through the leaves: out-of-focus discs, mostly in the upper part."""
    height, width = shape
    points = np.zeros((*shape, 3), np.float32)
    for _ in range(34):
        row = int(abs(rng.normal(0, 0.3)) * height) % height
        tone = linear(236, 244, 190) if rng.random() < 0.6 else linear(190, 222, 150)
        points[row, rng.integers(width)] += tone * np.float32(rng.uniform(20, 130))
    return np.asarray(
        cv2.filter2D(points, -1, disc(radius * 0.62), borderType=cv2.BORDER_CONSTANT), np.float32
    )


def garden(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Background in linear light: far wood and lights, branches, nearer leaves, each layer blurred less."""
    height, width = shape
    scale = 480 / width
    small = (round(height * scale), 480)
    y = np.linspace(0, 1, small[0], dtype=np.float32)[:, None, None]
    top, bottom = linear(150, 172, 112), linear(40, 46, 28)
    canvas = np.ascontiguousarray(np.broadcast_to(top + (bottom - top) * y**0.7, (*small, 3)), np.float32)
    greens = [
        linear(46, 72, 34),
        linear(88, 116, 50),
        linear(30, 50, 32),
        linear(122, 140, 74),
        linear(60, 78, 44),
    ]
    browns = [linear(92, 74, 50), linear(58, 46, 34), linear(120, 104, 74)]
    for count, size, radius in ((110, 70, 20.0), (46, 80, 13.0), (12, 120, 7.0)):
        for _ in range(count):
            where = (rng.uniform(-40, 520), rng.uniform(-40, small[0] + 40))
            colour = (greens + browns[:1])[rng.integers(6)] * np.float32(rng.uniform(0.5, 1.7))
            colour = colour * np.float32(1.25 - 0.7 * where[1] / small[0])
            paint_leaf(canvas, where, size * rng.uniform(0.5, 1.2), rng.uniform(0, 6.3), colour)
        for _ in range(2):
            ends = [(int(rng.uniform(0, 480)), int(small[0] * s)) for s in (-0.1, 1.1)]
            cv2.line(
                canvas,
                ends[0],
                ends[1],
                browns[rng.integers(3)].tolist(),
                int(rng.integers(3, 7)),
                cv2.LINE_AA,
            )
        canvas = cv2.filter2D(canvas, -1, disc(radius), borderType=cv2.BORDER_REFLECT)
        if radius > 10:
            canvas = canvas + glints(rng, small, radius)
    return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def compose(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """The finished picture, (height, width, 3) uint8 sRGB."""
    rng = np.random.default_rng(seed)
    shape = (height, width)
    scene = garden(rng, shape) * 0.9
    # drawn twice as large, so that the margin and the finest veins are area-sampled
    big = (height * 2, width * 2)
    leaf = blade(rng, big)
    colour = shade(rng, leaf)
    stalk = linear(126, 140, 74) * np.clip(1.15 - 60 * np.abs(leaf.v - 0.004), 0.35, 1.2)[..., None]
    cover = np.maximum(leaf.inside, leaf.petiole)
    colour = np.where((leaf.petiole * (1 - leaf.inside))[..., None] > 0.5, stalk, colour) * cover[..., None]
    colour = cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)
    colour, cover = focus(colour, cover, cv2.resize(leaf.u, (width, height), interpolation=cv2.INTER_AREA))
    shift = np.array([[1, 0, 0.020 * width], [0, 1, 0.045 * height]], np.float32)
    shadow = cv2.GaussianBlur(cv2.warpAffine(cover, shift, (width, height)), (0, 0), 0.016 * width)
    scene = scene * (1 - 0.45 * shadow[..., None]) * (1 - cover[..., None]) + colour
    return develop(rng, scene)


def focus(colour: Field, cover: Field, u: Field) -> tuple[Field, Field]:
    """Shallow depth of field: the petiole and the very tip drift out of focus (premultiplied colour)."""
    width = cover.shape[1]
    amount = np.maximum(step(0.0, -0.25, u), 0.55 * step(0.86, 1.05, u))
    layers = np.dstack([colour, cover])
    for sigma, start in ((0.0009 * width, 0.0), (0.0022 * width, 0.34), (0.005 * width, 0.67)):
        soft = cv2.GaussianBlur(layers, (0, 0), sigma)
        share = np.clip((amount - start) * 3, 0, 1)[..., None]
        layers = layers + (soft - layers) * share
    return layers[..., :3], layers[..., 3]


def develop(rng: np.random.Generator, scene: Field) -> NDArray[np.uint8]:
    """Camera: vignette, lens softness, tone curve, noise that grows in the shadows."""
    height, width = scene.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    r2 = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) * 2
    scene = cv2.GaussianBlur(scene, (0, 0), 0.00032 * width) * (1 - 0.42 * r2)[..., None]
    srgb = encode(scene * 1.12)
    srgb = srgb + 0.10 * (srgb - 0.42) * (1 - np.abs(2 * srgb - 1))
    grain = rng.standard_normal((height, width, 3)).astype(np.float32)
    grain = (
        0.75 * cv2.GaussianBlur(grain, (0, 0), 0.6)
        + 0.9 * cv2.GaussianBlur(grain[..., :1], (0, 0), 0.6)[..., None]
    )
    srgb = srgb + 0.016 * grain * (1.15 - srgb)
    return np.asarray(np.rint(np.clip(srgb, 0, 1) * 255), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description="Render a photo-like picture of one green leaf.")
    parser.add_argument("output", type=Path, help="the JPEG or PNG to write")
    parser.add_argument("--width", type=int, default=2000)
    parser.add_argument("--height", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quality", type=int, default=92)
    options = parser.parse_args()
    picture = Image.fromarray(compose(options.width, options.height, options.seed))
    picture.save(options.output, quality=options.quality, subsampling=0, optimize=True)


if __name__ == "__main__":
    main()
