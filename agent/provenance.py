"""Where a picture comes from: checked against its run, and signed by C2PA where the extra is installed."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2

from agent.errors import TraceError, UsageError
from agent.trace import Run, list_runs
from agent.trace.pictures import eight_bit, load, read_png
from agent.trace.view import RunView, said, view
from editor import photo as photos
from editor.base import Image

State = Literal["unchanged", "metadata", "changed", "unknown"]

_RUN = re.compile(rb"reedit:run\s*(?:=\s*[\"']|>)([0-9A-Za-z-]{1,80})")
_INGREDIENT = {"title": "source", "relationship": "parentOf", "label": "source"}
_CLOSE = 4.0
"""Mean difference on the 0..255 scale up to which a picture is the run's own, saved once more."""
_COMPARE_PIXELS = 250_000


@dataclass(frozen=True, slots=True)
class Verification:
    """What is known of a file.

    state: "unchanged" = byte for byte what the run wrote; "metadata" = the run's picture, but the file was written
    again since; "changed" = it names a run, but shows something else; "unknown" = no run is known for it.
    difference: mean difference from the picture in the trace, 0..255, when it was compared.
    """

    state: State
    message: str
    run: Run | None = None
    difference: float | None = None


def verify(path: Path, root: Path) -> Verification:
    """Compare a file with the run that it names, or that recorded its sha256. Raises PhotoError or TraceError."""
    photo = photos.load(path)
    named = _named(photo.carried.xmp)
    if named is not None and not (root / named / "run.json").is_file():
        return Verification("unknown", f"It names run {named}, which is not in {root}.")
    found = Run(root / named) if named is not None else _by_hash(photo.sha256, root)
    if found is None:
        return Verification("unknown", f"It names no run, and no run in {root} wrote it.")
    shown = view(found)
    if said(shown.result, "sha256") == photo.sha256:
        return Verification("unchanged", f"Byte for byte what run {found.id} wrote.", found)
    return _compare(photo.image, shown)


def _compare(image: Image, shown: RunView) -> Verification:
    run, best = shown.run, shown.best
    kept = load(run, best.edits[-1].image) if best is not None and best.edits else None
    if kept is None:
        return Verification("changed", f"It names run {run.id}, but is not the file it wrote.", run)
    shape, size = image.shape, best.edits[-1].image if best else None
    if size is None or (size.width, size.height) != (shape[1], shape[0]):
        return Verification("changed", f"It names run {run.id}, but has another size than its result.", run)
    difference = _difference(image, kept)
    if difference <= _CLOSE:
        message = f"The picture of run {run.id}, but the file was written again since: its bytes differ."
        return Verification("metadata", message, run, difference)
    return Verification("changed", f"It names run {run.id}, but shows something else.", run, difference)


def _difference(one: Any, other: Any) -> float:
    """Mean difference of two pictures of one shape, both at a small common size."""
    height, width = one.shape[:2]
    scale = min(1.0, (_COMPARE_PIXELS / (height * width)) ** 0.5)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    small = [cv2.resize(eight_bit(pixels), size, interpolation=cv2.INTER_AREA) for pixels in (one, other)]
    return round(float(cv2.absdiff(*small).mean()), 3)


def _named(xmp: bytes | None) -> str | None:
    found = _RUN.search(xmp or b"")
    return found[1].decode() if found else None


def _by_hash(digest: str, root: Path) -> Run | None:
    for run in reversed(list_runs(root)):
        try:
            if said(run.result, "sha256") == digest:
                return run
        except TraceError:
            continue
    return None


def sign(
    path: Path, output: Path, run: Run, certificates: Path, key: Path, *, tsa: str | None = None
) -> None:
    """Write a copy of a delivered file with a signed C2PA manifest that tells what the run did.

    certificates: PEM chain, the signer's own first; key: its private key, PEM (PKCS 8). tsa: URL of a time stamp
    server, asked only if given. Raises UsageError when the extra is missing or the certificates cannot be used,
    TraceError when the file is not what the run wrote.
    """
    try:
        import c2pa
    except ImportError:
        raise UsageError('Signing needs the extra: pip install "reedit[c2pa]".') from None
    shown = view(run)
    if said(shown.result, "sha256") != hashlib.sha256(path.read_bytes()).hexdigest():
        raise TraceError(f"{path} is not what run {run.id} wrote; only that is signed.")
    if output.exists():
        raise UsageError(f"{output} exists.")
    chain, secret = _pem(certificates), _pem(key)
    source = _source(shown)
    try:
        info = c2pa.C2paSignerInfo(_algorithm(secret), chain, secret, (tsa or "").encode() or None)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(manifest(shown))) as builder:
            builder.add_ingredient(json.dumps(_INGREDIENT), "image/png", io.BytesIO(source))
            builder.sign_file(str(path), str(output), signer)
    except Exception as error:
        output.unlink(missing_ok=True)
        raise UsageError(f"Cannot sign {path}: {error}") from error


def manifest(shown: RunView) -> dict[str, Any]:
    """The C2PA manifest definition of a run: every step of the rounds that led to the delivered picture."""
    actions: list[dict[str, Any]] = [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": [_INGREDIENT["label"]]}}
    ]
    best = shown.best
    for this in shown.rounds:
        if best is None or this.index > best.index:
            continue
        for edit in this.edits:
            kind = edit.source_type if edit.source_type.isalnum() else "humanEdits"
            actions.append({
                "action": "c2pa.edited", "description": edit.instruction[:500],
                "softwareAgent": {"name": f"reedit {edit.editor}"[:100]},
                "digitalSourceType": f"http://cv.iptc.org/newscodes/digitalsourcetype/{kind}",
            })  # fmt: skip
    return {
        "claim_generator_info": [
            {"name": "reedit", "version": said(shown.header, "versions", "reedit") or "0"}
        ],
        "title": shown.run.id,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


def _source(shown: RunView) -> bytes:
    """The photo as the run began with it, a PNG."""
    data = read_png(shown.run, shown.started.image) if shown.started else None
    if data is None:
        raise TraceError(f"Run {shown.run.id} has lost the picture it began with.")
    return data


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror or error}") from error


def _algorithm(key: bytes) -> bytes:
    """The COSE algorithm: Ed25519 by its object identifier in the key, else ECDSA on P-256."""
    import base64

    body = b"".join(line for line in key.splitlines() if not line.startswith(b"-----"))
    try:
        der = base64.b64decode(body)
    except ValueError:
        raise UsageError("The key is no PEM file.") from None
    return b"ed25519" if b"\x2b\x65\x70" in der[:24] else b"es256"
