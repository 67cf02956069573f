"""What an editor is: the protocol, its request and result, and the errors it raises.

Pictures inside reedit are numpy arrays of shape (H, W, 3), dtype uint8 or uint16, sRGB-encoded, RGB order,
upright (the EXIF orientation is already applied). Masks are (H, W) uint8: 255 = edit, 0 = keep bit for bit,
between = blend. This module needs only the standard library and numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8] | NDArray[np.uint16]
Mask = NDArray[np.uint8]
Progress = Callable[[int, int], None]
"""Called as progress(done, total) after each inner step of an editor; may raise to cancel."""
Status = Callable[[str], None]
"""Called as status(words) with what an editor does before its first inner step, for people; may raise to cancel."""
Preview = Callable[[Image, int, int], None]
"""Called as preview(picture, done, total) after each denoising step; picture: (h, w, 3) uint8, small, of the photo's
aspect, what the step is heading for. May raise to cancel."""


class ReeditError(Exception):
    """Root of every error that reedit raises on purpose. `exit_code` is what the command line returns."""

    exit_code = 1
    run: Path | None = None
    """The run folder that tells how it came to this, where there is one."""


class UsageError(ReeditError):
    """The request itself is wrong: an option, a value, a combination."""

    exit_code = 2


class PhotoError(ReeditError):
    """A file cannot be read as a photo, or cannot be written."""


class EditError(ReeditError):
    """An editor could not carry out a step."""


class NotUnderstood(EditError):
    """The step is not in the editor's language; the message names the words."""


class CannotDo(EditError):
    """The step is understood, but this editor cannot do it; the message says what could."""


class RegionNotFound(EditError):
    """The step names a part of the photo that could not be found with enough confidence."""


class EditorUnavailable(EditError):
    """The editor cannot run here: an extra, a model or a device is missing. The message has the fix."""


class DeviceLost(EditorUnavailable):
    """The GPU failed in a way that this process cannot get over; a new process may."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding about what works here. fix: the line that mends it. needed: whether the run asked for needs it."""

    name: str
    ok: bool
    message: str
    fix: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True)
class EditRequest:
    """One step for an editor.

    image: the picture to edit, (H, W, 3) uint8 or uint16, sRGB. Must not be modified.
    instruction: one concrete step, English or Chinese.
    mask: (H, W) uint8 limit given by the user; outside (0) nothing may change. None = no limit.
    seed: 0 <= seed < 2**31; the same request gives the same result.
    preview: where previews are wanted; an editor without denoising steps makes none. One that has them says in
        `details["previews"]` how many it made.
    """

    image: Image
    instruction: str
    mask: Mask | None = None
    seed: int = 0
    progress: Progress | None = None
    preview: Preview | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class EditResult:
    """What an editor made of a request.

    image: (H', W', 3), same dtype as the request's; H', W' differ only after a crop, resize, rotation, border.
    mask: (H, W) uint8, where the editor meant to change something; None = everywhere.
    details: JSON-ready facts for the trace (operations, amounts, model, settings).
    notes: plain sentences a user should read.
    source_type: IPTC DigitalSourceType term that labels this edit:
        "algorithmicallyEnhanced", "humanEdits" or "compositeWithTrainedAlgorithmicMedia".
    """

    image: Image
    mask: Mask | None = None
    details: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    source_type: str = "humanEdits"


@runtime_checkable
class Editor(Protocol):
    """Anything that can carry out a step on a picture."""

    name: str
    abilities: str
    """Its own short statement, in English, of what it can and cannot do; a Reasoner plans by it."""

    def edit(self, request: EditRequest) -> EditResult:
        """Carry out one step. Raises EditError (or a subclass); never returns a half-done picture."""
        ...
