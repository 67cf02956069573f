"""LoRA adapters: PATH_OR_ID[:weight], several at once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from editor.base import EditorUnavailable, UsageError
from editor.diffusion import loading

HEAVIEST = 4.0
"""Weights beyond this are taken for a slip."""


@dataclass(frozen=True, slots=True)
class Lora:
    """One adapter. source: a .safetensors file, a folder with one, ORG/NAME[@COMMIT] or ORG/NAME[@COMMIT]/FILE."""

    source: str
    weight: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """For the trace."""
        return {"source": self.source, "weight": self.weight}


def parse(text: str) -> Lora:
    """Read PATH_OR_ID[:weight]. Raises UsageError."""
    source, colon, tail = text.strip().rpartition(":")
    if not colon:
        source, weight = tail, 1.0
    else:
        try:
            weight = float(tail)
        except ValueError:
            source, weight = text.strip(), 1.0  # the colon belongs to the path
    if not source:
        raise UsageError(
            f"--lora {text!r} names no file; write PATH_OR_ID[:weight], such as style.safetensors:0.8."
        )
    if not abs(weight) <= HEAVIEST:
        raise UsageError(f"--lora {text!r}: the weight must lie between -{HEAVIEST:g} and {HEAVIEST:g}.")
    return Lora(source, weight)


def merge(pipe: Any, lora: Lora) -> None:
    """Add an adapter to the weights themselves, so that it takes no work of its own. Raises EditorUnavailable."""
    _require_peft()
    _load(pipe, find(lora.source), "merged")
    pipe.fuse_lora(components=["transformer"], lora_scale=lora.weight)
    pipe.unload_lora_weights()


def apply(pipe: Any, loras: tuple[Lora, ...]) -> None:
    """Load adapters into a pipeline and switch them all on. Raises EditorUnavailable."""
    if not loras:
        return
    _require_peft()
    names = [f"lora{number}" for number in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        _load(pipe, find(lora.source), name)
    carrier = pipe if hasattr(pipe, "set_adapters") else pipe.transformer
    carrier.set_adapters(names, [lora.weight for lora in loras])


def _require_peft() -> None:
    if find_spec("peft") is None:
        raise EditorUnavailable(f"Adapters need peft: {loading.INSTALL}")


def find(source: str) -> Path:
    """The adapter's file on this disk, checked. Raises EditorUnavailable."""
    if not loading.is_path(source) and not source.endswith(".safetensors"):
        return _only_file(loading.locate(source).folder, source)
    path = Path(source).expanduser()
    if path.is_dir():
        return _only_file(path, source)
    if path.suffix == ".safetensors" and path.is_file():
        loading.check_safetensors(path)
        return path
    if path.suffix == ".safetensors" and len(path.parts) > 2 and not source.startswith((".", "/", "~")):
        return _hub_file("/".join(path.parts[:2]), "/".join(path.parts[2:]))
    raise EditorUnavailable(
        f"There is no LoRA {source}; a .safetensors file, a folder with one, or a hub id is needed."
    )


def _only_file(folder: Path, source: str) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        what = f"{len(files)} .safetensors files" if files else "no .safetensors file"
        raise EditorUnavailable(f"{source} holds {what}; name the file.")
    loading.check_safetensors(files[0])
    return files[0]


def _hub_file(repo: str, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    repo, _, revision = repo.partition("@")
    line = f"hf download {repo} {name}" + (f" --revision {revision}" if revision else "")
    with loading.hub_errors(repo, f"run `{line}`"):
        path = Path(hf_hub_download(repo, name, revision=revision or None))
    loading.check_safetensors(path)
    return path


def _load(pipe: Any, file: Path, name: str) -> None:
    try:
        with loading.quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about there being several, and about encoders they leave alone
            _hand_over(pipe, file, name)
    except Exception as error:  # a boundary: what a foreign file leads to is not a fixed set of errors
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise EditorUnavailable(f"The LoRA {file} does not fit this model: {first}") from error
    # keys that match nothing are skipped silently by the library
    if name not in getattr(pipe.transformer, "peft_config", {}):
        raise EditorUnavailable(
            f"The LoRA {file} holds nothing for this model; it was made for another family."
        )


def _hand_over(pipe: Any, file: Path, name: str) -> None:
    if hasattr(pipe, "load_lora_weights"):
        pipe.load_lora_weights(
            str(file.parent), weight_name=file.name, adapter_name=name, local_files_only=True
        )
    else:
        pipe.transformer.load_lora_adapter(str(file), prefix=None, adapter_name=name)
