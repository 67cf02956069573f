"""Names: of jobs, of outputs from a template, and why none of them leaves the output folder."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from editor.photo.files import FORMATS, printable

RESERVED = frozenset({".reedit", "runs", "results.jsonl"})
"""Top-level names of the output folder that the batch keeps for itself."""
FIELDS = ("id", "stem", "slug")
"""What a template may name."""
LONGEST_ID = 120
LONGEST_SLUG = 40
_NO_WORD = re.compile(r"[\W_]+")


def check_id(text: str) -> str:
    """The id. Raises ValueError: an id becomes a file name, so it may hold no path and no control character."""
    if not 0 < len(text.encode()) <= LONGEST_ID:
        raise ValueError(f"an id has 1 to {LONGEST_ID} bytes")
    if text != text.strip() or text.startswith(".") or not text.isprintable() or set(text) & set("/\\"):
        raise ValueError(
            "an id becomes a file name: no / or \\, no control characters, no dot or space in front"
        )
    return text


def stem_of(image: Path) -> str:
    """The photo's name without its extension, made fit for an id."""
    stem = re.sub(r"[/\\]", "-", printable(image.stem)).strip(" .")
    while len(stem.encode()) > LONGEST_ID - 10:
        stem = stem[:-1]
    return stem or "photo"


def slug(instruction: str) -> str:
    """The instruction as part of a file name: letters and digits of any script, joined by dashes."""
    words = _NO_WORD.sub("-", unicodedata.normalize("NFC", instruction).casefold()).strip("-")
    return words[:LONGEST_SLUG].rstrip("-") or "edit"


def check_template(text: str) -> string.Template:
    """The template. Raises ValueError that names what it may hold."""
    template = string.Template(text)
    unknown = [name for name in template.get_identifiers() if name not in FIELDS]
    if not template.is_valid() or unknown:
        wrong = f": {unknown[0]!r} is not known" if unknown else ""
        raise ValueError(f"a template may hold {', '.join(f'${name}' for name in FIELDS)}{wrong}")
    return template


def fill(template: string.Template, job_id: str, image: Path, instruction: str) -> str:
    """The output's name; without a photo's extension it gets the input's, or .png."""
    name = template.substitute(id=job_id, stem=stem_of(image), slug=slug(instruction))
    if PurePosixPath(name).suffix.lower() in FORMATS:
        return name
    return name + (image.suffix if image.suffix.lower() in FORMATS else ".png")


def check_output(text: str, folder: Path) -> str:
    """An output's path below `folder`, with forward slashes. Raises ValueError for what would lead elsewhere."""
    path = PurePosixPath(text.replace("\\", "/"))
    if "\0" in text or not text.isprintable():
        raise ValueError("an output's name holds no control characters")
    if path.is_absolute() or re.match(r"[A-Za-z]:", text) or ".." in path.parts or not path.name:
        raise ValueError("an output is a path below the output folder: not absolute, without ..")
    if any(len(part.encode()) > 240 for part in path.parts):
        raise ValueError("a name in the output's path is too long")
    if unicodedata.normalize("NFC", path.parts[0]).casefold() in RESERVED:
        raise ValueError(f"{path.parts[0]} is kept for the batch itself")
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"the output's extension must be one of {' '.join(FORMATS)}")
    try:
        inside = (folder / path).resolve().is_relative_to(folder.resolve())  # a link may lead out
    except RuntimeError:  # links in a circle
        inside = False
    if not inside:
        raise ValueError("the output would lie outside of the output folder")
    return path.as_posix()


def folded(output: str) -> str:
    """Equal for names that are one file on a file system without case, or with its own Unicode form."""
    return unicodedata.normalize("NFC", output).casefold()


def default_ids(images: list[Path], taken: set[str]) -> Iterator[str]:
    """An id for each photo without one: its stem; where that is taken, with -2, -3 ... in the manifest's order."""
    used = {folded(name) for name in taken}
    last: dict[str, int] = {}
    """The number that a stem had last: counting from 1 would take as long as the square of a million `image.png`."""
    for image in images:
        stem = stem_of(image)
        number = last.get(stem, 0) + 1
        while folded(name := stem if number == 1 else f"{stem}-{number}") in used:
            number += 1
        last[stem] = number
        used.add(folded(name))
        yield name
