"""Each step to whom it suits: what classical operations do exactly to the built-in editor, the rest to a model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import editor as editors
from editor.base import EditError, Editor, EditRequest, EditResult, RegionNotFound
from editor.builtin import BuiltinEditor, grammar
from editor.builtin.catalog import OPERATIONS

EXACT = (
    "Steps of tone, colour, film look, blur, sharpening, crop, rotation, flip, resize, border, text and watermark "
    "are carried out exactly and without loss when such a step stands by itself and names its operation in plain "
    "words (“increase the contrast slightly”, “crop to 16:9”); keep them apart from other steps. All others go to: "
)


@dataclass(frozen=True, slots=True)
class Route:
    """Who carries out a step, and why."""

    exact: bool
    why: str
    frame: bool = False
    """Whether it changes the photo's frame or size, which a generative editor gives back as they were."""


@dataclass(slots=True)
class AutoEditor:
    """Editor over two. other: the generative one; None = there is none, and the built-in editor does what it can."""

    other: Editor | None = None
    name: str = field(default="auto", init=False)
    _builtin: BuiltinEditor = field(default_factory=BuiltinEditor, init=False, repr=False)

    @classmethod
    def from_settings(cls, settings: Any) -> AutoEditor:
        """With the server of `editor_url`, or the local model of `editor_model`, if the settings name one."""
        if settings.editor_url:
            return cls(editors.configured("remote", settings))
        if settings.editor_model:
            return cls(editors.configured(settings.editor_model, settings))
        return cls()

    @property
    def abilities(self) -> str:
        """What both can do."""
        return self._builtin.abilities if self.other is None else EXACT + self.other.abilities

    def edit(self, request: EditRequest) -> EditResult:
        """Carry out one step; `details["route"]` says who did it and why. Raises what the one who did it raises."""
        if self.other is None:
            why = "no generative editor is set up (--editor-url, --editor-model)"
            return _routed(self._builtin.edit(request), self._builtin, why)
        route = _route(request)
        if not route.exact:
            return _routed(self.other.edit(request), self.other, route.why)
        try:
            return _routed(self._builtin.edit(request), self._builtin, route.why)
        except RegionNotFound as error:
            if route.frame:  # a model cannot crop to what is not there, it would paint it
                raise
            return _routed(self.other.edit(request), self.other, f"the region was not found: {error}")


def _route(request: EditRequest) -> Route:
    """Exact when every operation that the step's words ask for is."""
    try:
        ops = grammar.parse(request.instruction, masked=request.mask is not None)
    except EditError as error:
        return Route(False, f"the built-in editor does not take the step: {error}")
    loose = [op.name for op in ops if not OPERATIONS[op.name].exact]
    if loose:
        return Route(False, f"only imitated by the built-in editor: {', '.join(loose)}")
    frame = any(OPERATIONS[op.name].kind == "geometry" for op in ops)
    return Route(True, f"exact: {', '.join(op.name for op in ops)}", frame)


def _routed(result: EditResult, by: Editor, why: str) -> EditResult:
    return replace(result, details={"route": {"editor": by.name, "why": why}, **result.details})
