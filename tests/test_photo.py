"""Loading and saving: what must survive, what must be refused, and what a failure must leave alone."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage
from PIL import ImageCms, JpegImagePlugin, PngImagePlugin

from editor import photo as photos
from editor.base import PhotoError, UsageError
from editor.photo import color, metadata, png
from editor.photo.files import write_atomic
from tests.conftest import scene

LOSSLESS = ["png", "tif", "webp"]
ALL = ["jpg", *LOSSLESS, "avif", "heic"]
ADOBE_RGB = (
    ((0.60974, 0.20528, 0.14919), (0.31111, 0.62567, 0.06322), (0.01947, 0.06087, 0.74457)),
    2.19921875,
)


def matrix_profile(
    rows: tuple[tuple[float, ...], ...] = ADOBE_RGB[0], gamma: float = ADOBE_RGB[1], grey: bool = False
) -> bytes:
    """A valid version 2 ICC profile made of a matrix (or grey) and one gamma."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249)}
    text = b"made for a test\0"
    tags[b"desc"] = b"desc" + struct.pack(">II", 0, len(text)) + text + bytes(78 + 2)
    tags[b"cprt"] = b"text" + bytes(4) + b"none\0\0\0\0"
    if grey:
        tags[b"kTRC"] = curve
    else:
        for index, name in enumerate("rgb"):
            tags[f"{name}XYZ".encode()] = b"XYZ " + bytes(4) + fixed(*(row[index] for row in rows))
            tags[f"{name}TRC".encode()] = curve
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = bytes(8) + struct.pack(">I", 0x02400000) + b"mntr" + (b"GRAY" if grey else b"RGB ") + b"XYZ "
    head += (
        struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(0.9642, 1.0, 0.8249) + bytes(48)
    )
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def exif_bytes(orientation: int = 1, size: tuple[int, int] = (96, 64)) -> bytes:
    exif = PILImage.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0x829A: 0.5, 0xA002: size[0], 0xA003: size[1], 0x927C: b"maker's own note"})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0)})
    return exif.tobytes()


def write(path: Path, picture: np.ndarray, mode: str = "RGB", **extra: Any) -> Path:
    """A file of any format, lossless where the format can be."""
    im = PILImage.fromarray(picture) if mode in ("RGB", "L", "RGBA", "LA") else PILImage.frombytes(
        mode, picture.shape[1::-1], picture.tobytes()
    )  # fmt: skip
    kind = {"jpg": "JPEG", "tif": "TIFF", "heic": "HEIF"}.get(path.suffix[1:], path.suffix[1:].upper())
    if kind == "HEIF":
        heif = pytest.importorskip("pillow_heif")
        heif.from_pillow(im).save(path, quality=-1, chroma=444, matrix_coefficients=0, **extra)
        return path
    if kind == "PNG" and "xmp" in extra:
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", extra.pop("xmp").decode())
        extra["pnginfo"] = info
    if kind == "TIFF" and "xmp" in extra:
        exif = PILImage.Exif()
        exif.load(extra["exif"])
        exif[700] = extra.pop("xmp")
        extra["exif"] = exif
    if kind in ("WEBP",):
        extra.setdefault("lossless", True)
        extra.setdefault("exact", True)
    im.save(path, kind, **extra)
    return path


def edited(photo: photos.Photo) -> np.ndarray:
    """A copy with its middle made much darker."""
    out = photo.image.copy()
    height, width = out.shape[:2]
    out[height // 4 : height // 2, width // 4 : width // 2] //= 3
    return out


def reopened(path: Path) -> PILImage.Image:
    if path.suffix == ".heic":
        heif = pytest.importorskip("pillow_heif")
        return heif.open_heif(path).to_pillow()
    with PILImage.open(path) as im:
        im.load()
        return im


XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="id:1" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" tiff:Orientation="6" '
    b'Iptc4xmpExt:DigitalSourceType="old">'
    b"<dc:creator><rdf:Seq><rdf:li>Ann &amp; Bo</rdf:li></rdf:Seq></dc:creator></rdf:Description></rdf:RDF>"
    b'</x:xmpmeta><?xpacket end="w"?>'
)


@pytest.mark.parametrize("extension", ALL)
def test_everything_a_photo_carries_survives_in_every_format(extension: str, tmp_path: Path) -> None:
    icc = matrix_profile()
    dpi = {} if extension in ("webp", "avif", "heic") else {"dpi": (300, 300)}
    source = write(tmp_path / f"in.{extension}", scene(), icc_profile=icc, exif=exif_bytes(), xmp=XMP, **dpi)
    photo = photos.load(source)
    assert photo.notes == []
    output = tmp_path / f"out.{extension}"
    sha = photos.save(photo, edited(photo), output, source_type="algorithmicallyEnhanced", run_id="r<1>")
    again, found = photos.load(output), reopened(output)
    assert again.sha256 == sha
    assert found.info["icc_profile"] == icc
    exif = found.getexif()
    assert exif[0x010F] == "Maker"
    assert exif.get_ifd(0x8769)[0x927C] == b"maker's own note"
    assert exif.get_ifd(0x8825)[1] == "N"
    xmp = again.carried.xmp.decode()
    assert "Ann &amp; Bo" in xmp
    assert 'rdf:about="id:1"' in xmp
    assert "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced" in xmp
    assert 'DigitalSourceType="old"' not in xmp
    assert "Orientation" not in xmp
    assert 'reedit:run="r&lt;1&gt;"' in xmp
    if dpi:
        assert again.carried.dpi == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("extension", LOSSLESS)
def test_what_the_edit_left_alone_is_bit_identical_in_the_files_own_colours(
    extension: str, tmp_path: Path
) -> None:
    source = write(tmp_path / f"in.{extension}", scene(), icc_profile=matrix_profile())
    photo = photos.load(source)
    image = edited(photo)
    photos.save(photo, image, tmp_path / f"out.{extension}")
    same = (image == photo.image).all(axis=2)
    native = np.asarray(reopened(tmp_path / f"out.{extension}").convert("RGB"))
    assert np.abs(photo.image.astype(int) - scene().astype(int)).max() > 3  # the profile does matter
    assert (native[same] == scene()[same]).all()
    assert not (native[~same] == scene()[~same]).all()
    back = photos.load(tmp_path / f"out.{extension}").image
    assert np.abs(back.astype(int) - image.astype(int))[~same].max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "webp", "avif", "heic"])
def test_orientation_is_applied_once(orientation: int, extension: str, tmp_path: Path) -> None:
    picture = np.zeros((48, 80, 3), np.uint8)
    picture[:24, :40] = (250, 20, 20)
    picture[24:, 40:] = (20, 20, 250)
    source = write(tmp_path / f"in.{extension}", picture, exif=exif_bytes(orientation))
    upright = {
        1: picture,
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        6: np.rot90(picture, -1),
        7: picture[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(picture),
    }[orientation]
    photo = photos.load(source)
    assert photo.image.shape == upright.shape
    assert np.abs(photo.image.astype(int) - upright).mean() < 4
    photos.save(photo, photo.image, tmp_path / f"out.{extension}")
    again = photos.load(tmp_path / f"out.{extension}")
    assert np.abs(again.image.astype(int) - upright).mean() < 6
    assert reopened(tmp_path / f"out.{extension}").getexif().get(0x0112, 1) == 1


def test_a_jpeg_keeps_its_tables_subsampling_and_comment(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jpg", scene(), quality=83, subsampling=1, progressive=True, comment=b"hello")
    photo = photos.load(source)
    photos.save(photo, edited(photo), tmp_path / "b.jpg")
    with PILImage.open(source) as before, PILImage.open(tmp_path / "b.jpg") as after:
        assert before.quantization == after.quantization
        assert JpegImagePlugin.get_sampling(before) == JpegImagePlugin.get_sampling(after) == 1
        assert after.info["progressive"]
        assert after.info["comment"] == b"hello"
    photos.save(photo, photo.image, tmp_path / "small.jpg", quality=30)
    assert (tmp_path / "small.jpg").stat().st_size < (tmp_path / "b.jpg").stat().st_size


def test_iptc_captions_survive_without_the_old_thumbnail(tmp_path: Path) -> None:
    records = b"\x1c\x02\x78\x00\x07caption"
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records
    body += b"8BIM\x04\x0c\0\0" + struct.pack(">I", 8) + b"OLDTHUMB"
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    source = write(tmp_path / "a.jpg", scene(), extra=segment)
    photo = photos.load(source)
    photos.save(photo, photo.image, tmp_path / "b.jpg")
    with PILImage.open(tmp_path / "b.jpg") as after:
        assert after.info["photoshop"][0x0404] == records
    assert b"OLDTHUMB" not in (tmp_path / "b.jpg").read_bytes()


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_a_photo_says_of_itself_goes_into_a_tiff_and_out_as_it_is(order: str, tmp_path: Path) -> None:
    def entry(tag: int, kind: int, count: int, raw: bytes) -> bytes:
        return struct.pack(order + "HHI", tag, kind, count) + raw

    def number(value: int) -> bytes:
        return struct.pack(order + "I", value)

    owner = "© Jörg".encode()
    groups = [
        # a time of exposure that is a text, which no reader expects and no writer may trip over
        struct.pack(order + "H", 3) + entry(0x829A, 2, 3, b"1s\0\0")
        + entry(0xA005, 4, 1, number(200)) + entry(0xA430, 2, len(owner) + 1, number(250)) + bytes(4),
        struct.pack(order + "H", 1) + entry(1, 2, 4, b"R98\0") + bytes(4),
    ]  # fmt: skip
    first = (
        struct.pack(order + "H", 3)
        + entry(271, 2, len(owner) + 1, number(250))
        + entry(18246, 3, 1, struct.pack(order + "HH", 4, 0))
        + entry(0x8769, 4, 1, number(100))
        + bytes(4)
    )
    exif = (b"II*\0" if order == "<" else b"MM\0*") + number(8) + first
    exif = exif.ljust(100, b"\0") + groups[0]
    exif = (exif.ljust(200, b"\0") + groups[1]).ljust(250, b"\0") + owner + b"\0"

    photo = photos.load(write(tmp_path / "a.jpg", scene(), exif=b"Exif\0\0" + exif))
    photos.save(photo, photo.image, tmp_path / "b.tif")
    assert cv2.imread(str(tmp_path / "b.tif")).shape == scene().shape
    photo = photos.load(tmp_path / "b.tif")
    photos.save(photo, photo.image, tmp_path / "c.jpg")
    assert photo.notes == []
    text = owner.decode("latin-1")  # Pillow reads bytes as that
    for path in ("b.tif", "c.jpg"):
        with PILImage.open(tmp_path / path) as im:
            found = im.getexif()
            assert (found[271], found[18246]) == (text, 4)
            assert found.get_ifd(0x8769)[0xA430] == text
            assert found.get_ifd(0xA005) == {1: "R98"}
    assert b"1s\0" in (tmp_path / "c.jpg").read_bytes()


def test_exif_of_very_many_fields_is_copied_at_once() -> None:
    count = 40_000
    entries = b"".join(struct.pack("<HHII", tag, 7, 400, 8 + tag) for tag in range(count))
    group = struct.pack("<H", count) + entries + bytes(4)
    first = struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
    exif = b"II*\0\x08\0\0\0" + first + group
    target = io.BytesIO()
    tifffile.imwrite(target, scene(), photometric="rgb", metadata=None)
    began = time.process_time()
    made = metadata.into_tiff(target.getvalue(), exif)
    assert time.process_time() - began < 2  # 0.1 s; a minute when every field moved all before it
    assert len(made) > 10_000_000
    target = io.BytesIO()
    tifffile.imwrite(target, scene(), photometric="rgb", metadata=None, bigtiff=True)
    assert metadata.into_tiff(target.getvalue(), exif) == target.getvalue()


def test_captions_go_into_a_tiff_and_are_missed_elsewhere(tmp_path: Path) -> None:
    records = b"\x1c\x02\x78\x00\x07caption"
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    photo = photos.load(write(tmp_path / "a.jpg", scene(), extra=segment))
    photos.save(photo, photo.image, tmp_path / "b.tif")
    assert photo.notes == []
    assert photos.load(tmp_path / "b.tif").carried.iptc == records
    photos.save(photo, photo.image, tmp_path / "b.png")
    assert photo.notes == ["Its IPTC captions are not kept, as PNG has no place for them."]


@pytest.mark.parametrize("extension", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("profile", [False, True])
def test_sixteen_bits_stay_sixteen_bits(extension: str, channels: int, profile: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    native = rng.integers(0, 65536, (40, 60, channels), dtype=np.uint16)
    native[:20] = np.sort(native[:20], axis=0)
    samples = native[..., 0] if channels == 1 else native
    icc = matrix_profile(grey=channels == 1) if profile else None
    source = tmp_path / f"in.{extension}"
    if extension == "tif":
        kind = "minisblack" if channels == 1 else "rgb"
        more = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        tifffile.imwrite(source, samples, photometric=kind, iccprofile=icc, metadata=None, **more)
    else:
        color_samples, alpha = (
            (samples[..., :3].copy(), samples[..., 3]) if channels == 4 else (samples, None)
        )
        bare = png.encode(color_samples, alpha)
        source.write_bytes(png.with_chunks(bare, png.metadata_chunks(icc, None, None, None)))
    photo = photos.load(source)
    assert photo.image.dtype == np.uint16
    assert photo.notes == []
    image = photo.image.copy()
    image[5:10, 5:10] //= 2
    photos.save(photo, image, tmp_path / f"out.{extension}")
    again = photos.load(tmp_path / f"out.{extension}")
    same = (image == photo.image).all(axis=2)
    stored = again.carried.native if again.carried.native is not None else again.image
    assert stored.dtype == np.uint16
    assert (stored[same] == (samples if channels < 4 else samples[..., :3])[same]).all()
    assert np.abs(again.image.astype(int) - image.astype(int)).max() <= (400 if profile else 0)
    if channels == 4:
        assert (again.carried.alpha == samples[..., 3]).all()


def test_sixteen_bit_conversion_agrees_with_littlecms() -> None:
    icc, rng = matrix_profile(), np.random.default_rng(0)
    samples = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    eight = color.conversion(icc, "RGB", np.dtype(np.uint8))
    sixteen = color.conversion(icc, "RGB", np.dtype(np.uint16))
    assert eight is not None
    assert sixteen is not None
    there = sixteen.to_working(samples.astype(np.uint16) * 257)
    assert np.abs(there / 257 - eight.to_working(samples)).max() <= 1.0
    inside = there[(there > 600).all(axis=2) & (there < 64900).all(axis=2)][None]
    back = sixteen.to_native(inside)
    assert np.abs(sixteen.to_working(back).astype(int) - inside.astype(int)).max() <= 12


def test_srgb_is_recognised_by_its_numbers_and_kept(tmp_path: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert color.is_srgb(icc)
    assert not color.is_srgb(matrix_profile())
    photo = photos.load(write(tmp_path / "a.png", scene(), icc_profile=icc))
    assert (photo.image == scene()).all()
    photos.save(photo, photo.image, tmp_path / "b.png")
    assert reopened(tmp_path / "b.png").info["icc_profile"] == icc


@pytest.mark.parametrize(
    ("icc", "mode"),
    [
        pytest.param(b"\0" * 200, "RGB", id="zeros"),
        pytest.param(matrix_profile()[:200], "RGB", id="cut off"),
        pytest.param(matrix_profile(grey=True), "RGB", id="grey for RGB"),
        pytest.param(matrix_profile(), "L", id="RGB for grey"),
    ],
)
def test_a_profile_that_does_not_fit_is_a_note_and_not_an_error(
    icc: bytes, mode: str, tmp_path: Path
) -> None:
    picture = scene() if mode == "RGB" else scene()[..., 1]
    photo = photos.load(write(tmp_path / "a.jpg", picture, mode, icc_profile=icc))
    assert len(photo.notes) == 1
    assert "sRGB" in photo.notes[0]
    photos.save(photo, edited(photo), tmp_path / "b.jpg")
    assert reopened(tmp_path / "b.jpg").mode == mode


@pytest.mark.parametrize("extension", ["jpg", "png", "tif"])
@pytest.mark.parametrize("icc", [None, matrix_profile(grey=True)], ids=["plain", "profile"])
def test_grey_stays_grey_until_colour_comes_in(extension: str, icc: bytes | None, tmp_path: Path) -> None:
    grey = scene()[..., 1]
    photo = photos.load(write(tmp_path / f"a.{extension}", grey, "L", icc_profile=icc))
    image = edited(photo)
    photos.save(photo, image, tmp_path / f"b.{extension}")
    found = reopened(tmp_path / f"b.{extension}")
    assert found.mode == "L"
    if extension != "jpg":
        same = (image == photo.image).all(axis=2)
        assert (np.asarray(found)[same] == grey[same]).all()
    image[..., 2] //= 2
    photos.save(photo, image, tmp_path / f"c.{extension}")
    found = reopened(tmp_path / f"c.{extension}")
    assert found.mode == "RGB"
    assert "icc_profile" not in found.info


def cmyk_profile() -> bytes:
    """LittleCMS cannot build a CMYK profile from Python; one made of a table of two grid points per ink can."""
    clut = b""
    for index in range(16):
        ink = [(index >> (3 - k)) & 1 for k in range(4)]
        light = 1 - ink[3]
        rgb = np.array([(1 - ink[0]) * light, (1 - ink[1]) * light, (1 - ink[2]) * light], float)
        xyz = color.SRGB_TO_XYZ @ rgb
        f = [np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz / (0.9642, 1.0, 0.8249)]
        lab = (116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2]))
        clut += struct.pack(
            ">3B", round(lab[0] * 2.55), *(int(np.clip(round(v + 128), 0, 255)) for v in lab[1:])
        )
    identity = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    forward = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + identity * 4 + clut + identity * 3
    corners = b""
    for index in range(8):
        light, a, b = (index >> 2) & 1, (index >> 1) & 1, index & 1
        corners += bytes((0, 255 * a, 255 * b, 255 * (1 - light)))
    backward = b"mft1" + bytes(4) + bytes((3, 4, 2, 0)) + matrix + identity * 3 + corners + identity * 4
    text = b"ink\0"
    tags = {
        b"A2B0": forward,
        b"B2A0": backward,
        b"A2B1": forward,
        b"B2A1": backward,
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061),
        b"desc": b"desc" + struct.pack(">II", 0, len(text)) + text + bytes(80),
        b"cprt": b"text" + bytes(4) + b"none\0\0\0\0",
    }
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = (
        bytes(8) + struct.pack(">I", 0x02400000) + b"prtrCMYKLab " + struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    )
    head += b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("extension", ["jpg", "tif"])
def test_cmyk_goes_through_its_profile_and_back(extension: str, tmp_path: Path) -> None:
    ink = np.asarray(PILImage.fromarray(scene()).convert("CMYK")).copy()
    ink[..., 3] = 40
    source = write(tmp_path / f"a.{extension}", ink, "CMYK", icc_profile=cmyk_profile())
    photo = photos.load(source)
    assert photo.notes == []
    with PILImage.open(source) as im:
        stored = np.asarray(im)
        expected = np.asarray(
            ImageCms.profileToProfile(
                im,
                ImageCms.ImageCmsProfile(io.BytesIO(cmyk_profile())),
                ImageCms.createProfile("sRGB"),
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                "RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        )
    assert (photo.image == expected).all()
    image = edited(photo)
    photos.save(photo, image, tmp_path / f"b.{extension}")
    found = reopened(tmp_path / f"b.{extension}")
    assert found.mode == "CMYK"
    assert found.info["icc_profile"] == cmyk_profile()
    if extension == "tif":
        same = (image == photo.image).all(axis=2)
        assert (np.asarray(found)[same] == stored[same]).all()
    photos.save(photo, image, tmp_path / "b.png")
    assert reopened(tmp_path / "b.png").mode == "RGB"
    assert "The CMYK photo is saved as sRGB." in photo.notes


def test_cmyk_without_a_profile_is_noted(tmp_path: Path) -> None:
    ink = np.asarray(PILImage.fromarray(scene()).convert("CMYK"))
    photo = photos.load(write(tmp_path / "a.tif", ink, "CMYK"))
    assert "CMYK" in photo.notes[0]
    assert (photo.image == np.asarray(PILImage.fromarray(scene()))).all()


@pytest.mark.parametrize("extension", ["png", "webp", "tif", "avif"])
def test_alpha_survives(extension: str, tmp_path: Path) -> None:
    rgba = np.dstack([scene(), np.tile(np.arange(96, dtype=np.uint8) * 2, (64, 1))])
    best = {"quality": 100} if extension == "avif" else {}
    photo = photos.load(write(tmp_path / f"a.{extension}", rgba, "RGBA", **best))
    photos.save(photo, edited(photo), tmp_path / f"b.{extension}")
    alpha = np.asarray(reopened(tmp_path / f"b.{extension}"))[..., 3]
    assert np.abs(alpha.astype(int) - rgba[..., 3]).max() <= (0 if extension != "avif" else 2)


def test_alpha_into_jpeg_becomes_white_and_is_noted(tmp_path: Path) -> None:
    rgba = np.dstack([scene(), np.zeros((64, 96), np.uint8)])
    photo = photos.load(write(tmp_path / "a.png", rgba, "RGBA"))
    photos.save(photo, photo.image, tmp_path / "b.jpg")
    assert photos.load(tmp_path / "b.jpg").image.min() >= 254
    assert any("white" in note for note in photo.notes)


def test_a_crop_drops_alpha_with_a_note_and_tells_exif_the_new_size(tmp_path: Path) -> None:
    rgba = np.dstack([scene(), np.full((64, 96), 99, np.uint8)])
    photo = photos.load(
        write(tmp_path / "a.png", rgba, "RGBA", exif=exif_bytes(), icc_profile=matrix_profile())
    )
    photos.save(photo, photo.image[8:40, 8:72], tmp_path / "b.png")
    found = reopened(tmp_path / "b.png")
    assert (found.mode, found.size) == ("RGB", (64, 32))
    assert found.info["icc_profile"] == matrix_profile()
    inner = found.getexif().get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == (64, 32)
    assert any("Transparency" in note for note in photo.notes)


def test_palette_png_and_its_text(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", "a test")
    im = PILImage.fromarray(scene()).quantize(16)
    im.info["transparency"] = 3
    im.save(tmp_path / "a.png", pnginfo=info)
    photo = photos.load(tmp_path / "a.png")
    expected = np.asarray(im.convert("RGBA"))
    assert (photo.image == expected[..., :3]).all()
    photos.save(photo, photo.image, tmp_path / "b.png")
    found = reopened(tmp_path / "b.png")
    assert (np.asarray(found) == expected).all()
    assert found.info["Description"] == "a test"
    assert photo.notes == []
    photos.save(photo, photo.image, tmp_path / "b.webp")
    assert photo.notes == ["Its PNG texts are not kept, as WEBP has no place for them."]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_metadata_behind_the_picture_of_a_png(depth: type[np.uint8 | np.uint16], tmp_path: Path) -> None:
    bare = photos.encode_png(scene().astype(depth))
    extra = b"".join(png.metadata_chunks(None, exif_bytes().removeprefix(b"Exif\0\0"), XMP, None))
    (tmp_path / "a.png").write_bytes(bare[:-12] + extra + bare[-12:])
    carried = photos.load(tmp_path / "a.png").carried
    assert (carried.exif, carried.xmp) == (exif_bytes().removeprefix(b"Exif\0\0"), XMP)


@pytest.mark.parametrize("text", ["", "\nexif\n 4\nzz", "\nexif\n 14\n" + b"Exif\0\0MM\0*\0\0\0\x08".hex()])
def test_exif_as_imagemagick_wrote_it(text: str, tmp_path: Path) -> None:
    said = png.chunk(b"tEXt", b"Raw profile type exif\0" + text.encode())
    (tmp_path / "a.png").write_bytes(png.with_chunks(photos.encode_png(scene()), [said]))
    carried = photos.load(tmp_path / "a.png").carried
    assert carried.exif == (b"MM\0*\0\0\0\x08" if text.endswith("8") else None)


def test_grey_with_alpha_of_sixteen_bits_is_read_again(tmp_path: Path) -> None:
    grey, alpha = (scene()[..., channel].astype(np.uint16) * 257 for channel in (1, 2))
    (tmp_path / "a.png").write_bytes(png.encode(grey, alpha))
    photo = photos.load(tmp_path / "a.png")
    photos.save(photo, photo.image, tmp_path / "b.tif")
    again = photos.load(tmp_path / "b.tif")
    assert (again.image == photo.image).all()
    assert (again.alpha == alpha).all()


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [(259, 50000, "its compression .TIFF 50000. is not supported"), (258, 11, "11 bits a sample, photometric 1")],
)  # fmt: skip
def test_a_tiff_that_is_not_supported_is_not_called_damaged(
    tag: int, value: int, words: str, tmp_path: Path
) -> None:
    grey = scene()[..., 1].astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="minisblack", metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = data.index(struct.pack("<HHI", tag, 3, 1)) + 8
    data[at : at + 2] = struct.pack("<H", value)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(PhotoError, match=words):
        photos.load(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.float32, np.uint32, np.int16])
def test_a_tiff_of_floats_or_of_32_bits_is_not_called_damaged(dtype: type, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", scene().astype(dtype), photometric="rgb", metadata=None)
    with pytest.raises(PhotoError, match=r"32-bit TIFFs are not supported; convert it to 16 bits$"):
        photos.load(tmp_path / "a.tif")


def test_the_clear_level_of_a_grey_sixteen_bit_png(tmp_path: Path) -> None:
    grey = scene()[..., 1].astype(np.uint16) * 257
    clear = png.chunk(b"tRNS", struct.pack(">H", grey[0, 0]))
    (tmp_path / "a.png").write_bytes(png.with_chunks(photos.encode_png(grey), [clear]))
    photo = photos.load(tmp_path / "a.png")
    assert ((photo.alpha == 0) == (grey == grey[0, 0])).all()
    assert (photo.image[..., 0] == grey).all()


def marked(kind: str, path: Path) -> Path:
    """A file whose colours are marked, without a profile: by code points, by a gamma, by a camera."""
    path = path / f"a.{kind.split()[0]}"
    if kind == "jpg R03":
        exif = PILImage.Exif()
        exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
        return write(path, scene(), exif=exif.tobytes())
    if kind.startswith("png"):
        bodies = {
            "png cICP": (b"cICP", bytes((12, 13, 0, 1))),
            "png gAMA": (b"gAMA", struct.pack(">I", 100000)),
            "png plain": (b"gAMA", struct.pack(">I", 45450)),
        }
        path.write_bytes(png.with_chunks(photos.encode_png(scene()), [png.chunk(*bodies[kind])]))
    elif kind == "heic HLG":
        heif = pytest.importorskip("pillow_heif")
        made = heif.from_pillow(PILImage.fromarray(scene()))
        made.save(path, color_primaries=9, transfer_characteristics=18, matrix_coefficients=9)
    else:
        data = bytearray(write(path, scene()).read_bytes())
        if kind == "avif PQ":
            at = data.index(b"colrnclx") + 8
            data[at : at + 4] = struct.pack(">HH", 9, 16)
        path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("jpg R03", "Adobe RGB"), ("png cICP", "Display P3"), ("png gAMA", "gamma 1.00"),
        ("avif PQ", "BT.2020, HDR (PQ)"), ("heic HLG", "BT.2020, HDR (HLG)"), ("png plain", ""), ("avif plain", ""),
    ],
)  # fmt: skip
def test_colours_marked_without_a_profile_are_noted(kind: str, words: str, tmp_path: Path) -> None:
    note = f"Its colours are marked as {words}, without a profile; they were taken as sRGB."
    photo = photos.load(marked(kind, tmp_path))
    assert photo.notes == ([note] if words else [])
    if "avif" in kind:
        return  # Pillow writes no other code points
    output = tmp_path / f"b.{kind.split()[0]}"
    photos.save(photo, photo.image, output)
    again = photos.load(output)
    assert again.notes == photo.notes
    assert np.abs(again.image.astype(int) - photo.image).mean() < 2


def test_xmp_says_nothing_of_what_is_not_kept(tmp_path: Path) -> None:
    packet = XMP.replace(
        b"<dc:creator>",
        b'<c:Directory xmlns:c="http://ns.google.com/photos/1.0/container/"/>'
        b'<m:MotionPhoto xmlns:m="http://ns.google.com/photos/1.0/camera/">1</m:MotionPhoto>'
        b'<h:Version xmlns:h="http://ns.adobe.com/hdr-gain-map/1.0/">1.0</h:Version>'
        b'<x:Thumbnails xmlns:x="http://ns.adobe.com/xap/1.0/">OLD</x:Thumbnails><dc:creator>',
    )
    photo = photos.load(write(tmp_path / "a.jpg", scene(), xmp=packet))
    assert [note for note in photo.notes if "moving picture" in note]
    photos.save(photo, photo.image, tmp_path / "b.jpg")
    left = photos.load(tmp_path / "b.jpg").carried.xmp or b""
    assert b"Ann" in left
    assert not [word for word in (b"Directory", b"Motion", b"1.0<", b"OLD") if word in left]


@pytest.mark.parametrize("held", ["aux", "depth_images"])
def test_a_gain_map_of_a_heic_is_missed(held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    source = write(tmp_path / "a.heic", scene())
    assert photos.load(source).notes == []
    found = heif.open_heif(source, convert_hdr_to_8bit=True)
    found[0].info[held] = {"urn:com:apple:photo:2020:aux:hdrgainmap": [3]}
    monkeypatch.setattr(heif, "open_heif", lambda *_, **__: found)
    assert ["gain map" in note for note in photos.load(source).notes] == [True]


@pytest.mark.parametrize("tags", [(0x0201, 0x0202), (0x0111, 0x0117)], ids=["jpeg", "uncompressed"])
def test_the_thumbnail_of_the_old_picture_is_gone(tags: tuple[int, int], tmp_path: Path) -> None:
    thumbnail = b"\xff\xd8" + b"THUMBNAIL" * 9 + b"\xff\xd9"
    first = struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 26)
    second = struct.pack("<HHHIIHHIII", 2, tags[0], 4, 1, 56, tags[1], 4, 1, len(thumbnail), 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + first + second + thumbnail
    photo = photos.load(write(tmp_path / "a.jpg", scene(), exif=exif))
    photos.save(photo, photo.image, tmp_path / "b.jpg")
    assert b"THUMBNAIL" not in (tmp_path / "b.jpg").read_bytes()
    assert reopened(tmp_path / "b.jpg").getexif()[0x0112] == 1


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
        '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode("utf-16"),
        b"<a>" * 20000 + b"</a>" * 20000,
        b"<unclosed",
        b"<a/>",
        b"\xff\xfe\0",
    ],
    ids=["entities", "utf-16", "deep", "unclosed", "no rdf", "bytes"],
)
def test_a_hostile_xmp_packet_is_not_trusted(packet: bytes) -> None:
    assert metadata.merge_xmp(packet, "humanEdits", "reedit", None) is None


def test_hostile_xmp_is_replaced_with_a_note(tmp_path: Path) -> None:
    photo = photos.load(write(tmp_path / "a.jpg", scene(), xmp=b"<!DOCTYPE a><a/>"))
    photos.save(photo, photo.image, tmp_path / "b.jpg")
    assert "Its XMP data were damaged and are replaced." in photo.notes
    assert b"digitalsourcetype/humanEdits" in (photos.load(tmp_path / "b.jpg").carried.xmp or b"")


def test_metadata_too_big_for_jpeg_are_noted(tmp_path: Path) -> None:
    big = XMP.replace(b"Ann", b"A" * 70000)
    exif = PILImage.Exif()
    exif[0x010E] = "x" * 70000
    photo = photos.load(write(tmp_path / "a.png", scene(), xmp=big, exif=exif.tobytes()))
    photos.save(photo, photo.image, tmp_path / "b.jpg")
    assert sum("64 KB" in note for note in photo.notes) == 2
    photos.save(photo, photo.image, tmp_path / "c.webp")
    assert b"AAAA" in (photos.load(tmp_path / "c.webp").carried.xmp or b"")


def test_software_and_run_cannot_break_the_packet() -> None:
    made = metadata.merge_xmp(None, "humanEdits", 'a"b<c>\x00\x1b', "1 & 2")
    again = metadata.merge_xmp(made, "humanEdits", "second", "3")
    assert made is not None
    assert again is not None
    assert again.count(b"CreatorTool") == 1
    assert b"1 &amp; 2" in made


def test_content_credentials_are_noted(tmp_path: Path) -> None:
    body = b"JP\0\0\0\0\0\x01" + b"\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0\x11\0\x10"
    source = write(tmp_path / "a.jpg", scene(), extra=b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body)
    assert any("C2PA" in note for note in photos.load(source).notes)


@pytest.mark.parametrize("extension", ["png", "webp", "tif", "avif"])
def test_frames_must_be_chosen(extension: str, tmp_path: Path) -> None:
    first, *rest = [PILImage.fromarray(np.full((32, 32, 3), level, np.uint8)) for level in (10, 120, 240)]
    source = tmp_path / f"a.{extension}"
    first.save(source, save_all=True, append_images=rest)
    with pytest.raises(PhotoError, match=r"3 frames.*--frame N"):
        photos.load(source)
    photo = photos.load(source, frame=1)
    assert abs(int(photo.image.mean()) - 120) < 4
    assert any("frame 1 of 3" in note for note in photo.notes)
    with pytest.raises(UsageError, match="frame 3"):
        photos.load(source, frame=3)


def bad_files(folder: Path) -> dict[str, Path]:
    jpeg = write(folder / "good.jpg", scene(400, 300)).read_bytes()
    made = {
        "missing": b"",
        "empty": b"",
        "text": b"this is text, and not short\n" * 9,
        "truncated": jpeg[: len(jpeg) // 2],
        "header only": jpeg[:30],
        "gif": b"GIF89a" + bytes(40),
        "pdf": b"%PDF-1.7 ....................................",
        "heic brand": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64),
        "tiff": b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
        "bomb": png.SIGNATURE
        + png.chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
        + png.chunk(b"IDAT", zlib.compress(bytes(10000)))
        + png.chunk(b"IEND", b""),
    }
    for name, data in made.items():
        (folder / f"{name}.jpg").write_bytes(data)
    (folder / "missing.jpg").unlink()
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    return {name: folder / f"{name}.jpg" for name in [*made, "folder", "pipe"]}


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    for name, path in bad_files(tmp_path).items():
        with pytest.raises(PhotoError) as caught:
            photos.load(path)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path}/{name}.jpg: "), message
        assert "\n" not in message
        assert len(message) < 400


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bit_lzw_tiff(channels: int, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (30, 40, channels), dtype=np.uint16).squeeze()
    order = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[channels]
    bgr = samples if order is None else cv2.cvtColor(samples, order)
    done, data = cv2.imencode(".tif", bgr, [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    assert done
    (tmp_path / "a.tif").write_bytes(data.tobytes())
    photo = photos.load(tmp_path / "a.tif")
    expected = samples[..., :3] if channels > 1 else np.repeat(samples[..., None], 3, axis=2)
    assert (photo.image == expected).all()


@pytest.mark.parametrize("extension", ["jpg", "png", "deep.png"])
def test_salvage_keeps_the_upper_part(extension: str, tmp_path: Path) -> None:
    picture = np.kron(scene(), np.ones((4, 4, 1), np.uint8))
    if extension == "deep.png":
        picture = picture.astype(np.uint16) * 257
        data = photos.encode_png(picture)
    else:
        data = write(tmp_path / f"a.{extension}", picture).read_bytes()
    cut = tmp_path / f"cut.{extension}"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(PhotoError, match="--salvage"):
        photos.load(cut)
    photo = photos.load(cut, salvage=True)
    assert photo.image.shape == picture.shape
    assert photo.image.dtype == picture.dtype
    assert np.abs(photo.image[:64].astype(int) - picture[:64]).mean() < 6
    assert any("damaged" in note for note in photo.notes)


def test_the_megapixel_limit_is_checked(tmp_path: Path) -> None:
    source = write(tmp_path / "a.png", scene(200, 100))
    with pytest.raises(PhotoError, match=r"more than the limit of 0\.01"):
        photos.load(source, max_megapixels=0.01)


def test_salvage_is_no_way_around_the_limit(tmp_path: Path) -> None:
    header = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    broken = png.chunk(b"iCCP", b"ICC\0\0")[:-1] + b"\0"
    (tmp_path / "a.png").write_bytes(png.SIGNATURE + header + broken + png.chunk(b"IDAT", b""))
    with pytest.raises(PhotoError, match="more than the limit of 250"):
        photos.load(tmp_path / "a.png", salvage=True)


@pytest.mark.filterwarnings("error")
def test_a_photo_beyond_pillows_own_limit_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PILImage, "MAX_IMAGE_PIXELS", 1000)
    for extension in ALL[:5]:
        source = write(tmp_path / f"a.{extension}", scene()[:40, :40])
        assert photos.load(source).image.shape == (40, 40, 3)


ORIGINALS: dict[str, bytes] = {}


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), extension=st.sampled_from([*ALL, "deep.png", "deep.tif"]), salvage=st.booleans())
def test_hostile_bytes_never_escape(
    data: st.DataObject, extension: str, salvage: bool, tmp_path: Path
) -> None:
    if extension not in ORIGINALS:
        path = tmp_path / f"o.{extension}"
        if extension == "deep.png":
            path.write_bytes(photos.encode_png(scene().astype(np.uint16) * 257))
        elif extension == "deep.tif":
            tifffile.imwrite(path, scene().astype(np.uint16) * 257, compression="zlib", photometric="rgb")
        else:
            write(path, scene(), icc_profile=matrix_profile(), exif=exif_bytes(6), xmp=XMP)
        ORIGINALS[extension] = path.read_bytes()
    raw = bytearray(ORIGINALS[extension])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(12, len(raw) - 1) | st.integers(12, min(400, len(raw) - 1)))
        new = data.draw(st.binary(min_size=1, max_size=6))
        raw[at : at + len(new)] = new
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw))) :]
    victim = tmp_path / f"mutated.{extension}"
    victim.write_bytes(raw)
    try:
        photo = photos.load(victim, salvage=salvage, max_megapixels=2)
        photos.save(photo, photo.image, tmp_path / "out.png", overwrite=True)
        photos.save(photo, photo.image, tmp_path / "out.tif", overwrite=True)
        photos.save(photo, photo.image, tmp_path / "out.jpg", overwrite=True)
    except (PhotoError, UsageError) as error:
        event(type(error).__name__)


def test_masks(tmp_path: Path) -> None:
    mask = np.zeros((64, 96), np.uint8)
    mask[10:20, 10:30] = 255
    mask[40, 40] = 128
    grey = write(tmp_path / "grey.png", mask, "L")
    assert (photos.load_mask(grey, (96, 64)) == mask).all()
    painted = np.dstack([np.full((64, 96, 3), (200, 0, 0), np.uint8), mask])
    assert (photos.load_mask(write(tmp_path / "painted.png", painted, "RGBA"), (96, 64)) == mask).all()
    (tmp_path / "deep.png").write_bytes(png.encode(mask.astype(np.uint16) * 257, None))
    assert (photos.load_mask(tmp_path / "deep.png", (96, 64)) == mask).all()
    with pytest.raises(UsageError, match="96 x 64, the photo is 64 x 96"):
        photos.load_mask(grey, (64, 96))
    with pytest.raises(UsageError, match="black everywhere"):
        photos.load_mask(write(tmp_path / "black.png", mask * 0, "L"), (96, 64))
    with pytest.raises(PhotoError):
        photos.load_mask(tmp_path / "none.png", (96, 64))


def test_a_mask_may_be_as_large_as_its_photo(tmp_path: Path) -> None:
    header = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 300_000, 1000, 8, 0, 0, 0, 0))
    (tmp_path / "mask.png").write_bytes(png.SIGNATURE + header + png.chunk(b"IDAT", b""))
    with pytest.raises(PhotoError, match="more than the limit of 250"):
        photos.load_mask(tmp_path / "mask.png", (96, 64))
    with pytest.raises(PhotoError, match=r"damaged or cut off|GB are free"):
        photos.load_mask(tmp_path / "mask.png", (300_000, 1000))


def test_default_output(tmp_path: Path) -> None:
    assert photos.default_output("a/b.c.JPG") == Path("a/b.c.reedit.JPG")
    write(tmp_path / "x.jpg", scene()).rename(tmp_path / "DSC_1")
    assert photos.default_output(tmp_path / "DSC_1").name == "DSC_1.reedit.jpg"


def test_outputs_are_checked_early(photo: Path, tmp_path: Path) -> None:
    cases = {
        tmp_path / "a.xyz": "unknown",
        tmp_path / "a": "extension",
        tmp_path / "none" / "a.jpg": "does not exist",
        photo: "the input itself",
    }
    (tmp_path / "there.jpg").touch()
    (tmp_path / "folder.png").mkdir()
    cases |= {tmp_path / "there.jpg": "exists already", tmp_path / "folder.png": "this is a folder"}
    for output, words in cases.items():
        with pytest.raises(UsageError, match=words):
            photos.check_output(photo, output, False)
    photos.check_output(photo, photo, True)
    photos.check_output(photo, tmp_path / "new.webp", False)


def test_overwriting_keeps_the_mode_and_follows_links(photo: Path, tmp_path: Path) -> None:
    photo.chmod(0o640)
    link = tmp_path / "link.jpg"
    link.symlink_to(photo)
    loaded = photos.load(photo)
    photos.save(loaded, edited(loaded), link, overwrite=True)
    assert link.is_symlink()
    assert stat.S_IMODE(photo.stat().st_mode) == 0o640
    assert photos.load(photo).sha256 != loaded.sha256


def test_a_new_file_has_the_mode_the_umask_says(photo: Path, tmp_path: Path) -> None:
    loaded = photos.load(photo)
    old = os.umask(0o027)
    try:
        photos.save(loaded, loaded.image, tmp_path / "new.jpg")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new.jpg").stat().st_mode) == 0o640


@pytest.mark.parametrize("failing", ["fsync", "link", "replace"])
def test_a_failed_save_leaves_everything_as_it_was(
    failing: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    loaded, before = photos.load(photo), photo.read_bytes()
    monkeypatch.setattr(Path if failing == "replace" else os, failing, full)
    target = tmp_path / "new.jpg" if failing == "link" else photo
    with pytest.raises(PhotoError, match="the disk is full"):
        photos.save(loaded, edited(loaded), target, overwrite=target is photo)
    assert photo.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [photo.name]


def test_a_file_made_meanwhile_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.jpg"
    target.write_bytes(b"someone else's")
    with pytest.raises(UsageError, match="exists already"):
        write_atomic(target, b"mine", overwrite=False)

    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(UsageError, match="exists already"):
        write_atomic(target, b"mine", overwrite=False)
    assert target.read_bytes() == b"someone else's"
    write_atomic(tmp_path / "b.jpg", b"mine", overwrite=False)
    monkeypatch.setattr(Path, "replace", no_links)
    with pytest.raises(PhotoError, match="permission denied"):
        write_atomic(tmp_path / "c.jpg", b"mine", overwrite=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.jpg"]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/-a \xff\xfe\x1b[31m\n.jpg"))
    source.write_bytes(write(tmp_path / "a.jpg", scene()).read_bytes())
    photo = photos.load(source)
    output = photos.default_output(source)
    photos.save(photo, photo.image, output)
    assert photos.load(output).image.shape == photo.image.shape
    assert photos.printable(source.name) == "-a \ufffd\ufffd[31m.jpg"
    source.write_bytes(b"no photo")
    with pytest.raises(PhotoError) as caught:
        photos.load(source)
    str(caught.value).encode()
    with pytest.raises(PhotoError, match="not a possible file name"):
        photos.load("a\0b.jpg")


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300, 3), (300, 1, 3)])
@pytest.mark.parametrize("extension", ALL)
def test_extreme_shapes(shape: tuple[int, int, int], extension: str, tmp_path: Path) -> None:
    base = photos.load(write(tmp_path / "a.png", np.full(shape, 77, np.uint8)))
    photos.save(base, base.image, tmp_path / f"b.{extension}")
    assert photos.load(tmp_path / f"b.{extension}").image.shape == shape


@pytest.mark.parametrize("compressor", ["isal", "zlib"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (31, 17), (31, 17, 3), (700, 900, 3), (1, 400_000, 3)])
def test_encode_png(
    compressor: str,
    dtype: type[np.uint8 | np.uint16],
    shape: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if compressor == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    else:
        pytest.importorskip("isal")
    rng = np.random.default_rng(0)
    picture, alpha = (rng.integers(0, np.iinfo(dtype).max, size, dtype) for size in (shape, shape[:2]))
    data = photos.encode_png(picture)
    assert photos.sniff(data) == "PNG"
    assert [kind for kind, _ in png.chunks(data)][-1] == b"IEND"
    assert (decoded(data) == picture).all()
    widened = picture if picture.ndim == 3 else np.dstack([picture] * 3)
    assert (decoded(png.encode(picture, alpha)) == np.dstack([widened, alpha])).all()
    if dtype == np.uint8:
        with PILImage.open(io.BytesIO(png.encode(picture, alpha))) as found:
            assert found.mode == ("RGBA" if picture.ndim == 3 else "LA")


def decoded(data: bytes) -> np.ndarray:
    """As OpenCV reads it, grey with alpha widened to RGBA."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found.ndim == 2:
        return found
    return cv2.cvtColor(found, cv2.COLOR_BGR2RGB if found.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
