"""EXIF and XMP: what an edited photo must say about itself, with everything else it said left alone.

EXIF is patched in place, never rebuilt: a MakerNote holds offsets of its own that a rebuilt structure would break.
Only into and out of a TIFF, whose own directories it is part of, its fields are copied, each as it is.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast
from xml.parsers import expat

if TYPE_CHECKING:
    from xml.dom.minidom import Document, Element

ORIENTATION, EXIF_IFD, WIDTH, HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003
_THUMBNAILS = ((0x0201, 0x0202), (0x0111, 0x0117))  # where it lies and its bytes: as JPEG, as one strip
_SHORT, _LONG = 3, 4
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of a value of each type (TIFF 6.0, section 2)."""
_GPS_IFD, _INTEROPERABILITY_IFD = 0x8825, 0xA005
_BELOW = {0: (EXIF_IFD, _GPS_IFD), EXIF_IFD: (_INTEROPERABILITY_IFD,)}
"""The directories that a directory points to, by the tag that points to it; 0 is the first."""
# Orientation, description, make, model, software, date, artist, host, ratings, copyright, Windows's title to subject.
_DESCRIBING = (ORIENTATION, 270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096))
_TIFF_IPTC, _INTEROPERABILITY_INDEX = 33723, 1
_MOST_COPIED = 16 << 20

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
REEDIT = "https://reedit.dev/ns/1.0/"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_MAX_PACKET = 4 << 20
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'
    '<?xpacket end="w"?>'
).encode()
_CAMERA = "http://ns.google.com/photos/1.0/camera/"
_VIDEOS = ("MotionPhoto", "MicroVideo")
# Untrue after an edit: the pixels are upright, thumbnails show the old picture, and neither the rest of an extended
# packet nor what a container holds behind the picture is carried (Motion Photo 1.0, Ultra HDR 1.1).
_STALE = (
    ("http://ns.adobe.com/tiff/1.0/", "Orientation"),
    ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP"),
    (XMP, "Thumbnails"),
    ("http://ns.google.com/photos/1.0/container/", "Directory"),
    ("http://ns.adobe.com/hdr-gain-map/1.0/", "Version"),
    *((_CAMERA, video + part) for video in _VIDEOS for part in ("", "Version", "PresentationTimestampUs")),
    (_CAMERA, "MicroVideoOffset"),
)


class Value(NamedTuple):
    """One field of a directory: its type, how many values, and their bytes in the structure's own order."""

    kind: int
    length: int
    raw: bytes


@dataclass(slots=True)
class Directory:
    """Fields by tag, and the directories that it points to."""

    values: dict[int, Value] = field(default_factory=dict)
    below: dict[int, Directory] = field(default_factory=dict)


class _Tiff:
    """A TIFF structure, as EXIF is one too. Anything out of bounds raises struct.error."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = cast("bytearray", data)  # a bytearray where it is to be changed
        if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise struct.error("not a TIFF structure")
        self.order = "<" if data[:2] == b"II" else ">"
        big = b"+" in data[2:4]  # BigTIFF: counts and places of 8 bytes
        self.count, self.word, self.size = ("Q", "Q", 8) if big else ("H", "I", 4)
        self.first = self.number(self.word, self.size)

    def number(self, code: str, offset: int) -> int:
        return int(struct.unpack_from(self.order + code, self.data, offset)[0])

    def entries(self, directory: int) -> Iterator[tuple[int, int]]:
        """(tag, where its entry begins)."""
        start, length = directory + struct.calcsize("=" + self.count), 4 + 2 * self.size
        for index in range(self.number(self.count, directory)):
            yield self.number("H", start + length * index), start + length * index

    def after(self, directory: int) -> int:
        """Where the link to the next directory lies."""
        length = 4 + 2 * self.size
        return directory + struct.calcsize("=" + self.count) + length * self.number(self.count, directory)

    def value(self, at: int) -> int:
        """A single SHORT or LONG, or BigTIFF's LONG8."""
        code = {_SHORT: "H", 16: "Q", 18: "Q"}.get(self.number("H", at + 2), "I")
        return self.number(code, at + 4 + self.size)

    def put(self, at: int, value: int) -> None:
        short = self.number("H", at + 2) == _SHORT
        where = at + 4 + self.size
        struct.pack_into(self.order + ("HH" if short else "I"), self.data, where, value, *([0] * short))

    def read(self, directory: int, below: Sequence[int] = _BELOW[0]) -> Directory:
        """A directory with those it points to; fields that lie out of bounds or are too long are left out."""
        found, room = Directory(), _MOST_COPIED
        for tag, at in self.entries(directory):
            if tag in below:
                with contextlib.suppress(struct.error):
                    found.below[tag] = self.read(self.value(at), _BELOW.get(tag, ()))
                continue
            kind, count = self.number("H", at + 2), self.number(self.word, at + 4)
            size, slot = _SIZES.get(kind, 0) * count, at + 4 + self.size
            start = slot if size <= self.size else self.number(self.word, slot)
            if 0 < size <= room and start + size <= len(self.data):
                room -= size
                found.values[tag] = Value(kind, count, bytes(self.data[start : start + size]))
        return found

    def drop_thumbnail(self) -> None:
        """Cut the second directory off and wipe its picture, which still shows the photo before the edit."""
        link = self.after(self.first)
        second = self.number("I", link) if link + 4 <= len(self.data) else 0
        if not second:
            return
        struct.pack_into(self.order + "I", self.data, link, 0)
        found = {tag: self.value(at) for tag, at in self.entries(second)}
        for place, length in _THUMBNAILS:
            start = found.get(place, 0)
            end = min(start + found.get(length, 0), len(self.data))
            if start >= 8 and end > start:
                self.data[start:end] = bytes(end - start)
                if end == len(self.data):
                    del self.data[start:]


def pages(data: bytes) -> list[int]:
    """Where the directories of a TIFF file's pages lie, at least one. Raises struct.error."""
    parsed = _Tiff(data)
    found, at = [parsed.first], parsed.first
    seen = {0, at}
    with contextlib.suppress(struct.error):  # what is cut off ends the list
        while (at := parsed.number(parsed.word, parsed.after(at))) not in seen:
            parsed.number(parsed.count, at)
            found.append(at)
            seen.add(at)
    return found


def from_tiff(data: bytes, page: int) -> tuple[bytes | None, bytes | None]:
    """What describes the photo in a TIFF file's directory at `page`: as EXIF, and its IPTC-IIM records."""
    parsed = _Tiff(data)
    try:
        found = parsed.read(page)
    except struct.error:
        return None, None
    described, iptc = _describing(found), found.values.get(_TIFF_IPTC)
    exif = None
    if described.values or described.below:
        exif = (b"II*\0" if parsed.order == "<" else b"MM\0*") + struct.pack(parsed.order + "I", 8)
        exif += _packed(described, parsed.order, 8)
    return exif, iptc.raw if iptc else None


def into_tiff(data: bytes, exif: bytes) -> bytes:
    """A TIFF file of one page, in the byte order of `exif`, with what that says of the photo. Raises struct.error.

    BigTIFF, which takes 4 GB of samples, stays as it is.
    """
    parsed, described = _Tiff(data), _Tiff(exif)
    if parsed.size == 8:
        return data
    own = {tag: data[at : at + 12] for tag, at in parsed.entries(parsed.first)}
    at = len(data) + len(data) % 2
    # Values that do not fit into an entry are found by their place in the file, so entries can be moved.
    directory = _packed(_describing(described.read(described.first)), parsed.order, at, own)
    head = data[:4] + struct.pack(parsed.order + "I", at)
    return head + data[8:] + bytes(len(data) % 2) + directory


def _describing(found: Directory) -> Directory:
    return Directory({tag: found.values[tag] for tag in _DESCRIBING if tag in found.values}, found.below)


def _packed(
    directory: Directory, order: str, at: int, own: Mapping[int, bytes] = MappingProxyType({})
) -> bytes:
    """A directory to stand at `at`, with all it points to behind it; `own`: further entries, as they are."""
    tags = sorted({*own, *directory.values, *directory.below})
    table, beyond = bytearray(struct.pack(order + "H", len(tags))), bytearray()
    behind = at + 2 + 12 * len(tags) + 4
    for tag in tags:
        if tag in own:
            table += own[tag]
            continue
        if tag in directory.below:
            kind, count, raw = _LONG, 1, _packed(directory.below[tag], order, behind + len(beyond))
        else:
            kind, count, raw = directory.values[tag]
        table += struct.pack(order + "HHI", tag, kind, count)
        if tag in directory.below or len(raw) > 4:
            table += struct.pack(order + "I", behind + len(beyond))
            beyond += raw + bytes(len(raw) % 2)
        else:
            table += raw.ljust(4, b"\0")
    return bytes(table + bytes(4) + beyond)


def orientation(exif: bytes | None) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or it makes no sense."""
    try:
        parsed = _Tiff(exif or b"")
        found = next((parsed.value(at) for tag, at in parsed.entries(parsed.first) if tag == ORIENTATION), 1)
    except struct.error:
        return 1
    return found if 1 <= found <= 8 else 1


def space(exif: bytes | None) -> str | None:
    """What EXIF says of the colours where that is not sRGB: a camera's Adobe RGB (DCF 2.0, its option file)."""
    try:
        parsed = _Tiff(exif or b"")
        group = parsed.read(parsed.first).below.get(EXIF_IFD, Directory()).below.get(_INTEROPERABILITY_IFD)
    except struct.error:
        return None
    named = group and group.values.get(_INTEROPERABILITY_INDEX)
    return "Adobe RGB" if named and named.raw.startswith(b"R03") else None


def names_a_video(packet: object) -> bool:
    """Whether an XMP packet says that a short video follows the picture."""
    return isinstance(packet, bytes) and any(name.encode() in packet for name in _VIDEOS)


def true_exif(exif: bytes, size: tuple[int, int]) -> bytes | None:
    """EXIF for the edited, upright picture of `size` (W, H); None when it is too damaged to be made true."""
    try:
        parsed = _Tiff(bytearray(exif))
        for tag, at in list(parsed.entries(parsed.first)):
            if tag == ORIENTATION:
                parsed.put(at, 1)
            elif tag == EXIF_IFD:
                for inner, where in list(parsed.entries(parsed.value(at))):
                    if inner in (WIDTH, HEIGHT):
                        parsed.put(where, size[inner - WIDTH])
        parsed.drop_thumbnail()
    except (struct.error, OverflowError):
        return None
    return bytes(parsed.data)


def merge_xmp(packet: bytes | None, source_type: str, software: str, run_id: str | None) -> bytes | None:
    """The XMP packet with the label of this edit set and all else kept; None when `packet` cannot be trusted.

    Sets Iptc4xmpExt:DigitalSourceType (the full IPTC URI), xmp:CreatorTool and, with a run_id, reedit:run.
    """
    properties = {
        (IPTC_EXT, "Iptc4xmpExt", "DigitalSourceType"): SOURCE_TYPES + source_type,
        (XMP, "xmp", "CreatorTool"): software,
    }
    if run_id is not None:
        properties[REEDIT, "reedit", "run"] = run_id
    try:
        document = _parse(packet or _EMPTY)
        rdf = document.getElementsByTagNameNS(RDF, "RDF")[0]
        about = ""
        for description in [node for node in rdf.childNodes if node.nodeType == node.ELEMENT_NODE]:
            about = about or description.getAttributeNS(RDF, "about")
            for namespace, name in [*_STALE, *((space, name) for space, _, name in properties)]:
                _remove(description, namespace, name)
        added = document.createElementNS(RDF, "rdf:Description")
        added.setAttribute("xmlns:rdf", RDF)
        added.setAttributeNS(RDF, "rdf:about", about)
        for (namespace, prefix, name), value in properties.items():
            added.setAttribute(f"xmlns:{prefix}", namespace)
            legal = "".join(char for char in value if char.isprintable())
            added.setAttributeNS(namespace, f"{prefix}:{name}", legal)
        rdf.appendChild(added)
        return "".join(node.toxml() for node in document.childNodes).encode()
    except (expat.ExpatError, ValueError, LookupError, AttributeError, RecursionError):
        return None


def _parse(packet: bytes) -> Document:
    """An XMP packet as a document. Raises ValueError or ExpatError for what no honest writer makes."""
    from xml.dom import minidom

    packet = packet.strip(b"\0 \t\r\n")
    if len(packet) > _MAX_PACKET:
        raise ValueError("too long")

    def refuse(*_: object) -> None:
        # A DOCTYPE is where entities are declared, the only way for XML to grow or to reach out.
        raise ValueError("has a DOCTYPE")

    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler = refuse
    guard.Parse(packet, True)
    return minidom.parseString(packet)


def _remove(description: Element, namespace: str, name: str) -> None:
    """Take a property out of an rdf:Description, in either of its two spellings."""
    if description.hasAttributeNS(namespace, name):
        description.removeAttributeNS(namespace, name)
    for child in list(description.childNodes):
        if child.nodeType == child.ELEMENT_NODE and (child.namespaceURI, child.localName) == (
            namespace,
            name,
        ):
            description.removeChild(child)
