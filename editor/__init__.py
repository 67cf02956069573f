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
}
"""name -> "module:Class"; the module is imported when the editor is made."""


def make(name: str, **options: Any) -> Editor:
    """Make the editor called `name`. Raises UsageError that lists the choices for an unknown name."""
    return cast("Editor", _class(name)(**options))


def configured(name: str, settings: Any) -> Editor:
    """The editor called `name` as the settings say: by its class's `from_settings`, where it has one.

    Raises UsageError for an unknown name, or for settings that the editor cannot work with.
    """
    cls = _class(name)
    return cast("Editor", cls.from_settings(settings) if hasattr(cls, "from_settings") else cls())


def _class(name: str) -> Any:
    target = EDITORS.get(name)
    if target is None:
        from editor.base import UsageError

        near = difflib.get_close_matches(name, EDITORS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"No editor is called {name!r}.{hint} Choices: {', '.join(EDITORS)}.")
    module, _, cls = target.partition(":")
    return getattr(import_module(module), cls)
