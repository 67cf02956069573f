"""reedit: an agentic photo editor. Think, edit, reflect, with every step on disk.

import reedit

outcome = reedit.apply("photo.jpg", "make the leaf show potassium deficiency")
outcome.ok, outcome.output, outcome.reasoning
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.types import Outcome, Plan

__version__ = "0.1.0"
__all__ = ["__version__", "apply", "plan"]


def apply(
    photo: str | os.PathLike[str],
    instruction: str,
    *,
    output: str | os.PathLike[str] | None = "auto",
    overwrite: bool = False,
    mask: str | os.PathLike[str] | None = None,
    region: str | None = None,
    frame: int | None = None,
    salvage: bool = False,
    quality: int | None = None,
    **settings: Any,
) -> Outcome:
    """Edit a photo as the instruction says, and return what came of it.

    output: the file to write; "auto" = NAME.reedit.EXT next to the photo; None = write no file (the picture is
    Outcome.image, (H, W, 3) sRGB). mask: a picture of the photo's size, white = edit. region: "x,y,width,height" in
    pixels, or words ("the sky"). frame: which picture of an animation or a multi-page file, from 0. salvage: accept a
    truncated photo. quality: 1 to 100, of a JPEG, WebP or AVIF; None = as the input. settings: any setting of
    reedit.yaml (reasoner=, editor=, rounds=, seed=, runs= ...). Nothing is printed; it may be called from any thread.

    Raises a ReeditError (agent.errors draws the tree) when nothing can be delivered; the input is never touched
    unless it is named as output with overwrite=True.
    """
    from agent.session import Job, run

    job = Job(
        photo=photo,
        instruction=instruction,
        output=output,
        overwrite=overwrite,
        mask=mask,
        region=region,
        frame=frame,
        salvage=salvage,
        quality=quality,
    )
    return run(job, _settings(settings))


def plan(photo: str | os.PathLike[str], instruction: str, **settings: Any) -> Plan:
    """Think only: the concrete steps for the request. Raises a ReeditError when it cannot be done."""
    from agent.session import Job, think

    return think(Job(photo=photo, instruction=instruction, output=None), _settings(settings))


def _settings(values: dict[str, Any]) -> Any:
    from agent.config import load

    return load(values)


if __name__ == "__main__":
    from agent.cli import main

    main()
