"""Editors by name, imported only when asked for."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from editor.base import Editor

EDITORS: dict[str, str] = {
    "builtin": "editor.builtin:BuiltinEditor",
    "auto": "editor.auto:AutoEditor",
    "remote": "editor.remote:RemoteEditor",
    "qwen-image-edit": "editor.diffusion.qwen:QwenImageEdit",
    "flux-kontext": "editor.diffusion.kontext:FluxKontext",
    "flux2-klein": "editor.diffusion.klein:Flux2Klein",
    "z-image": "editor.diffusion.zimage:ZImage",
    "z-image-omni": "editor.diffusion.zimage_omni:ZImageOmni",
    "longcat-image-edit": "editor.diffusion.longcat:LongCatImageEdit",
}
"""name -> "module:Class"; the module is imported when the editor is made. A folder with a diffusers model, or its
name on the hub, is an editor too: the family that its model_index.json names."""


def make(name: str, **options: Any) -> Editor:
    """Make the editor called `name`. Raises UsageError that lists the choices for an unknown name."""
    return cast("Editor", _class(name)(**options))


def configured(name: str, settings: Any) -> Editor:
    """The editor called `name` as the settings say: by its class's `from_settings`, where it has one.

    Raises UsageError for an unknown name, or for settings that the editor cannot work with.
    """
    cls = _class(name)
    return cast("Editor", cls.from_settings(settings) if hasattr(cls, "from_settings") else cls())


def families() -> list[Any]:
    """The classes of the diffusion families in the table; importing them loads no torch."""
    return [_resolve(target) for target in EDITORS.values() if target.startswith("editor.diffusion.")]


def _class(name: str) -> Any:
    if name in EDITORS:
        return _resolve(EDITORS[name])
    from editor.diffusion import loading

    if loading.is_path(name) or loading.is_hub_id(name):
        return _family(name, loading.class_of(name))
    from editor.base import UsageError

    near = difflib.get_close_matches(name, EDITORS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(
        f"No editor is called {name!r}.{hint} Choices: {', '.join(EDITORS)}, or the folder of a diffusers model."
    )


def _family(name: str, pipeline: str) -> Any:
    for family in families():
        if pipeline in family.pipelines:
            return family
    from editor.base import EditorUnavailable

    known = "; ".join(f"{family.name}: {', '.join(family.pipelines)}" for family in families())
    raise EditorUnavailable(f"{name} is a {pipeline}, which no editor here runs. They run {known}.")


def _resolve(target: str) -> Any:
    module, _, cls = target.partition(":")
    return getattr(import_module(module), cls)
