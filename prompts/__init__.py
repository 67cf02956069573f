"""What the Reasoners know and say: the knowledge base and the prompt templates, as YAML."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

    from prompts.entries import Entry, Vocabulary

Model = TypeVar("Model", bound="BaseModel")

HERE = Path(__file__).parent


class PromptFileError(ValueError):
    """A file of this package is wrong; the message names the file and the entry."""


@cache
def load_knowledge(folder: Path = HERE / "knowledge") -> tuple[Entry, ...]:
    """Every entry of every *.yaml in `folder`, checked and with its patterns compiled; read once.

    Raises PromptFileError naming the file, the entry and the key that is wrong.
    """
    from prompts.entries import Entry

    entries: dict[str, Entry] = {}
    for file in sorted(folder.glob("*.yaml")):
        data = _read(file)
        if not isinstance(data, list):
            raise PromptFileError(f"{file.name}: expected a list of entries")
        for number, item in enumerate(data, 1):
            name = item.get("id", f"number {number}") if isinstance(item, dict) else f"number {number}"
            entry = _checked(Entry, item, f"{file.name}: entry {name}")
            if entry.id in entries:
                raise PromptFileError(f"{file.name}: entry {name}: this id is taken")
            entries[entry.id] = entry
    for entry in entries.values():
        if unknown := [i for i in entry.excludes if i not in entries]:
            raise PromptFileError(f"entry {entry.id}: excludes unknown entries: {', '.join(unknown)}")
    return tuple(entries.values())


@cache
def load_vocabulary(file: Path = HERE / "vocabulary" / "words.yaml") -> Vocabulary:
    """The words around a wish; read once. Raises PromptFileError naming the key that is wrong."""
    from prompts.entries import Vocabulary

    return _checked(Vocabulary, _read(file), file.name)


def _read(file: Path) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
    except yaml.YAMLError as error:
        raise PromptFileError(f"{file.name}: not YAML: {' '.join(str(error).split())}") from error


def _checked(model: type[Model], data: object, where: str) -> Model:
    from pydantic import ValidationError

    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PromptFileError(f"{where}: {place + ': ' if place else ''}{first['msg']}") from error
