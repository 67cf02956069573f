"""EXIF and XMP: what an edited photo must say about itself, with everything else it said left alone.

EXIF is patched in place, never rebuilt: a MakerNote holds offsets of its own that a rebuilt structure would break.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.parsers import expat

if TYPE_CHECKING:
    from xml.dom.minidom import Document, Element

ORIENTATION, EXIF_IFD, WIDTH, HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003
_THUMBNAIL, _THUMBNAIL_BYTES = 0x0201, 0x0202

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
# Untrue after an edit: the pixels are upright, and the rest of an extended packet is not carried.
_STALE = (
    ("http://ns.adobe.com/tiff/1.0/", "Orientation"),
    ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP"),
)


class _Exif:
    """A TIFF structure as EXIF has it. Anything out of bounds raises struct.error."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        if data[:4] not in (b"II*\0", b"MM\0*"):
            raise struct.error("not a TIFF structure")
        self.order = "<" if data[:2] == b"II" else ">"
        self.first = self.number("I", 4)

    def number(self, code: str, offset: int) -> int:
        return int(struct.unpack_from(self.order + code, self.data, offset)[0])

    def entries(self, directory: int) -> Iterator[tuple[int, int]]:
        """(tag, where its 12 bytes begin)."""
        for index in range(self.number("H", directory)):
            at = directory + 2 + 12 * index
            yield self.number("H", at), at

    def value(self, at: int) -> int:
        """A single SHORT or LONG."""
        return self.number("H" if self.number("H", at + 2) == 3 else "I", at + 8)

    def put(self, at: int, value: int) -> None:
        short = self.number("H", at + 2) == 3
        struct.pack_into(self.order + ("HH" if short else "I"), self.data, at + 8, value, *([0] * short))

    def drop_thumbnail(self) -> None:
        """Cut the second directory off and wipe its picture, which still shows the photo before the edit."""
        link = self.first + 2 + 12 * self.number("H", self.first)
        second = self.number("I", link) if link + 4 <= len(self.data) else 0
        if not second:
            return
        struct.pack_into(self.order + "I", self.data, link, 0)
        found = {tag: self.value(at) for tag, at in self.entries(second)}
        start, size = found.get(_THUMBNAIL, 0), found.get(_THUMBNAIL_BYTES, 0)
        end = min(start + size, len(self.data))
        if start >= 8 and end > start:
            self.data[start:end] = bytes(end - start)
            if end == len(self.data):
                del self.data[start:]


def orientation(exif: bytes | None) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or it makes no sense."""
    try:
        parsed = _Exif(exif or b"")
        found = next((parsed.value(at) for tag, at in parsed.entries(parsed.first) if tag == ORIENTATION), 1)
    except struct.error:
        return 1
    return found if 1 <= found <= 8 else 1


def true_exif(exif: bytes, size: tuple[int, int]) -> bytes | None:
    """EXIF for the edited, upright picture of `size` (W, H); None when it is too damaged to be made true."""
    try:
        parsed = _Exif(exif)
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
