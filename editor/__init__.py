"""Editors by name, imported only when asked for."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from editor.base import Editor

EDITORS: dict[str, str] = {
    "builtin": "editor.builtin:BuiltinEditor",
}
"""name -> "module:Class"; the module is imported when the editor is made."""


def make(name: str, **options: Any) -> Editor:
    """Make the editor called `name`. Raises UsageError that lists the choices for an unknown name."""
    target = EDITORS.get(name)
    if target is None:
        from editor.base import UsageError

        near = difflib.get_close_matches(name, EDITORS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"No editor is called {name!r}.{hint} Choices: {', '.join(EDITORS)}.")
    module, _, cls = target.partition(":")
    return cast("Editor", getattr(import_module(module), cls)(**options))
