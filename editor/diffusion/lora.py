"""LoRA adapters: PATH_OR_ID[:weight], several at once."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from editor.base import EditorUnavailable, UsageError
from editor.diffusion import hub, loading

HEAVIEST = 4.0
"""Weights beyond this are taken for a slip."""
_PREFIXES = ("transformer", "diffusion_model", "base_model.model")
"""What trainers write before the name of a part, where they write anything."""
_PART = re.compile(r"\.(?:lora|lokr)_")


@dataclass(frozen=True, slots=True)
class Lora:
    """One adapter. source: a .safetensors file, a folder with one, ORG/NAME[@COMMIT] or ORG/NAME[@COMMIT]/FILE."""

    source: str
    weight: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """For the trace."""
        return {"source": self.source, "weight": self.weight}


@dataclass(frozen=True, slots=True)
class Adapter:
    """A file on this disk. merged: added to the weights themselves, so that it takes no work of its own."""

    file: Path
    weight: float
    merged: bool


def parse(text: str) -> Lora:
    """Read PATH_OR_ID[:weight]. Raises UsageError."""
    source, colon, tail = text.strip().rpartition(":")
    if not colon:
        source, weight = tail, 1.0
    else:
        try:
            weight = float(tail)
        except ValueError:
            if source.endswith(".safetensors"):
                raise UsageError(
                    f"--lora {text!r}: {tail!r} is no weight; write a number such as 0.8."
                ) from None
            source, weight = text.strip(), 1.0  # the colon belongs to the path
    if not source:
        raise UsageError(
            f"--lora {text!r} names no file; write PATH_OR_ID[:weight], such as style.safetensors:0.8."
        )
    if not abs(weight) <= HEAVIEST:
        raise UsageError(f"--lora {text!r}: the weight must lie between -{HEAVIEST:g} and {HEAVIEST:g}.")
    return Lora(source, weight)


def locate(loras: tuple[Lora, ...], *, merged: bool = False) -> tuple[Adapter, ...]:
    """The adapters' files, before the model takes its time to load. Raises EditorUnavailable."""
    if loras and find_spec("peft") is None:
        raise EditorUnavailable(f"Adapters need peft: {loading.INSTALL}")
    return tuple(Adapter(find(each.source), each.weight, merged) for each in loras)


def apply(pipe: Any, adapters: tuple[Adapter, ...]) -> None:
    """Load adapters into a pipeline, those to be merged first, and switch on the others. Raises EditorUnavailable."""
    for each in adapters:
        if each.merged:
            _load(pipe, each.file, "merged")
            pipe.fuse_lora(components=["transformer"], lora_scale=each.weight)
            pipe.unload_lora_weights()
    switched = {f"lora{number}": each for number, each in enumerate(adapters) if not each.merged}
    for name, each in switched.items():
        _load(pipe, each.file, name)
    if switched:
        carrier = pipe if hasattr(pipe, "set_adapters") else pipe.transformer
        carrier.set_adapters(list(switched), [each.weight for each in switched.values()])


def find(source: str) -> Path:
    """The adapter's file on this disk, checked. Raises EditorUnavailable."""
    path = loading.expanded(source)
    if path.is_dir():
        return _only_file(path, source)
    if path.suffix == ".safetensors" and path.is_file():
        loading.check_safetensors(path)
        return path
    if not loading.is_path(source):
        if loading.is_hub_id(source) and path.suffix != ".safetensors":
            return _from_hub(source)
        if path.suffix == ".safetensors" and len(path.parts) > 2:
            return _hub_file("/".join(path.parts[:2]), "/".join(path.parts[2:]))
    raise EditorUnavailable(
        f"There is no LoRA {source}; a .safetensors file, a folder with one, or a hub id is needed."
    )


def _from_hub(source: str) -> Path:
    repo, _, revision = source.partition("@")
    if len(hub.sizes(repo, revision or None, hub.ADAPTER)) > 1:
        raise EditorUnavailable(f"{source} holds several adapters; name one, as {repo}/FILE.safetensors.")
    return _only_file(hub.snapshot(repo, revision or None, hub.ADAPTER, f"run `hf download {repo}`"), source)


def _only_file(folder: Path, source: str) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        what = f"{len(files)} .safetensors files" if files else "no .safetensors file"
        raise EditorUnavailable(f"{source} holds {what}; name the file.")
    loading.check_safetensors(files[0])
    return files[0]


def _hub_file(repo: str, name: str) -> Path:
    repo, _, revision = repo.partition("@")
    line = f"hf download {repo} {name}" + (f" --revision {revision}" if revision else "")
    path = hub.file(repo, name, revision or None, f"run `{line}`")
    loading.check_safetensors(path)
    return path


def _load(pipe: Any, file: Path, name: str) -> None:
    try:
        with loading.quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about there being several, and about encoders they leave alone
            parts = _hand_over(pipe, file, name)
    except Exception as error:  # a boundary: what a foreign file leads to is not a fixed set of errors
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise EditorUnavailable(f"The LoRA {file} does not fit this model: {said}") from error
    # parts that match nothing are skipped silently by the library
    absent = parts - {part for part, _ in pipe.transformer.named_modules()}
    if not parts:
        raise EditorUnavailable(
            f"The LoRA {file} holds nothing for this model; it was made for another family."
        )
    if 2 * len(absent) > len(parts):
        raise EditorUnavailable(
            f"The LoRA {file} was made for another model: {len(absent)} of its {len(parts)} parts have no place in "
            "this one."
        )


def _hand_over(pipe: Any, file: Path, name: str) -> set[str]:
    """Let the library load a file; the parts of the transformer that it is for."""
    if hasattr(pipe, "load_lora_weights"):
        where = {"weight_name": file.name, "local_files_only": True}
        prefix, keys = "transformer", list(pipe.lora_state_dict(str(file.parent), **where))
        pipe.load_lora_weights(str(file.parent), adapter_name=name, **where)
    else:
        keys = loading.check_safetensors(file)
        prefix = next((each for each in _PREFIXES if keys[0].startswith(f"{each}.")), "")
        pipe.transformer.load_lora_adapter(str(file), prefix=prefix or None, adapter_name=name)
    ours = (key.removeprefix(prefix + ".") for key in keys if key.startswith(prefix))
    return {_PART.split(key)[0] for key in ours if _PART.search(key)}
