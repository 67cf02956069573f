"""Find a model, look at its files before a library does, load it once per process.

Only safetensors, never remote code. The family is read from model_index.json. What libraries load silently and
wrongly (an empty tokenizer, another family's folder, truncated weights) is refused here, with the component's name.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from editor.base import EditorUnavailable, Status
from editor.diffusion import hub

INSTALL = 'pip install "reedit[diffusion]"'
MODULES = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
INDEX = "model_index.json"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)
_PICTURE_FILES = ({"preprocessor_config.json"}, {"processor_config.json"})
_TOKENIZER_FILES = ({"tokenizer.json"}, {"vocab.json", "merges.txt"}, {"spiece.model"}, {"tokenizer.model"})
_LIBRARIES = ("diffusers", "transformers")
"""Whose classes a model may be made of; diffusers imports whatever module is named there."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model on this disk. name: as asked for; revision: the hub's commit, None for a folder."""

    name: str
    folder: Path
    revision: str | None = None


def missing_modules() -> list[str]:
    """Which modules of the extra are not installed; none is imported."""
    return [name for name in MODULES if find_spec(name) is None]


def require_modules() -> None:
    """Raises EditorUnavailable with the line that installs what is missing."""
    if missing := missing_modules():
        raise EditorUnavailable(f"Diffusion editors need {', '.join(missing)}: {INSTALL}")


def is_path(name: str) -> bool:
    """Whether a model's name means a path: it exists, or it is written as one."""
    return name.startswith((".", "/", "~")) or Path(name).exists()


def expanded(name: str) -> Path:
    """A path with ~ for the user's own folder."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # ~somebody, who is not there
        return Path(name)


def is_hub_id(name: str) -> bool:
    """Whether a name is written as ORG/NAME or ORG/NAME@REVISION."""
    return _HUB_ID.fullmatch(name) is not None


def class_of(name: str) -> str:
    """The pipeline class of a model by path or hub id; of the latter only the index is fetched."""
    if is_path(name):
        return pipeline_class(_folder(name))
    require_modules()
    repo, revision = _on_hub(name)
    return pipeline_class(hub.file(repo, INDEX, revision).parent)


def locate(name: str, status: Status | None = None) -> Model:
    """The folder of a model: a path, or ORG/NAME[@REVISION] on the hub, downloaded when not in the cache.

    Raises EditorUnavailable that says what to do, and what `status` raises.
    """
    if is_path(name):
        return Model(name, _folder(name))
    repo, revision = _on_hub(name)
    folder = hub.snapshot(repo, revision, hub.MODEL, status=status)
    return Model(name, folder, folder.name)  # a snapshot's folder is called by its commit


def weights_size(name: str) -> int:
    """Bytes of a model's weights, as the hub lists them: nothing is downloaded. Raises EditorUnavailable."""
    if not is_path(name):
        repo, revision = _on_hub(name)
        if files := hub.sizes(repo, revision, hub.MODEL):
            return sum(size for file, size in files.items() if file.endswith(".safetensors"))
    return sum(path.stat().st_size for path in locate(name).folder.glob("*/*.safetensors"))


def _on_hub(name: str) -> tuple[str, str | None]:
    if not is_hub_id(name):
        raise EditorUnavailable(
            f"{name!r} is neither a folder nor a name on the hub such as Qwen/Qwen-Image-Edit-2511."
        )
    repo, _, revision = name.partition("@")
    return repo, revision or None


def _folder(name: str) -> Path:
    folder = expanded(name)
    if not folder.exists():
        raise EditorUnavailable(f"There is no folder {name}.")
    if not folder.is_dir():
        raise EditorUnavailable(
            f"{name} is a single file; the folder of a model saved by diffusers is needed."
        )
    return folder


def pipeline_class(folder: Path) -> str:
    """The pipeline class that model_index.json names. Raises EditorUnavailable."""
    return str(index(folder)["_class_name"])


def index(folder: Path) -> dict[str, Any]:
    """What model_index.json says: components, and settings of the pipeline. Raises EditorUnavailable."""
    try:
        read = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EditorUnavailable(
            f"{folder} has no {INDEX}; a model saved by diffusers is needed, not a single weights file."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise EditorUnavailable(f"{folder / INDEX} cannot be read: {error}") from None
    if not isinstance(read, dict) or not isinstance(read.get("_class_name"), str):
        raise EditorUnavailable(
            f"{folder / INDEX} names no pipeline class; pipelines with code of their own are not run."
        )
    return read


def config(folder: Path) -> dict[str, Any]:
    """A component's config.json; empty when there is none that can be read, which `check` finds."""
    try:
        read = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def check(folder: Path) -> None:
    """Look at every component's files. Raises EditorUnavailable that names the component."""
    for name, value in index(folder).items():
        if name.startswith("_") or not isinstance(value, list) or value[:1] == [None]:
            continue
        if len(value) != 2 or not name.isidentifier():
            raise EditorUnavailable(f"{folder / INDEX} cannot be read: {name!r} is no component.")
        if value[0] not in _LIBRARIES:
            raise EditorUnavailable(
                f"{folder}: its component {name} would run code of {value[0]}; it is not loaded."
            )
        if not (folder / name).is_dir():
            raise EditorUnavailable(f"{folder} lacks its component {name}; download the model again.")
        kind = str(value[1])
        if not _is_files_only(kind):
            _check_weights(folder / name)
        elif "Scheduler" not in kind:
            files = _PICTURE_FILES if "ImageProcessor" in kind else _TOKENIZER_FILES
            _check_files(folder / name, kind, files)


def _is_files_only(kind: str) -> bool:
    """Whether a component's class has no weights."""
    return any(word in kind for word in ("Tokenizer", "Processor", "Scheduler"))


def _check_files(folder: Path, kind: str, choices: tuple[set[str], ...]) -> None:
    present = {path.name for path in folder.iterdir() if path.stat().st_size}
    if not any(wanted <= present for wanted in choices):
        what = "tokenizer files" if choices is _TOKENIZER_FILES else "settings"
        raise EditorUnavailable(f"{folder} ({kind}) lacks its {what}; download the model again.")


def _check_weights(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise EditorUnavailable(f"{folder} lacks config.json; download the model again.")
    if not config(folder):
        raise EditorUnavailable(f"{folder / 'config.json'} cannot be read; download the model again.")
    shards = sorted(folder.glob("*.safetensors"))
    for index in folder.glob("*.safetensors.index.json"):
        try:
            weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            names = {str(name) for name in weight_map.values()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise EditorUnavailable(f"{index} cannot be read; download the model again.") from None
        if absent := names - {path.name for path in shards}:
            raise EditorUnavailable(f"{folder} lacks {', '.join(sorted(absent))}; download the model again.")
    if not shards:
        other = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        why = "only pickled weights, which can run code; safetensors are needed" if other else "no weights"
        raise EditorUnavailable(f"{folder} holds {why}.")
    for path in shards:
        check_safetensors(path)


def check_safetensors(path: Path) -> list[str]:
    """Compare a safetensors file's own header with its size; the names of its tensors. Raises EditorUnavailable."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if start == b"version ":
            raise EditorUnavailable(
                f"{path} is a git-lfs pointer, not the weights: run `git lfs pull` in its folder."
            )
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        try:
            header = json.loads(file.read(length)) if 0 < length < size else {}
            entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
            end = max(int(entry["data_offsets"][1]) for entry in entries.values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            end, entries = -1, {}
    if 8 + length + end != size:
        raise EditorUnavailable(f"{path} is damaged or incomplete; download it again.")
    return list(entries)


def load(model: Model, class_name: str, dtype: Any, *, image_processor: str | None) -> Any:
    """Load a checked folder as a pipeline in main memory. Raises EditorUnavailable.

    image_processor: the component that reads pictures for a vision-language encoder, if the family has one.
    """
    with quiet_imports():
        import diffusers

        cls = getattr(diffusers, class_name, None)
    if cls is None:
        raise EditorUnavailable(
            f"diffusers {diffusers.__version__} has no {class_name}: pip install -U diffusers"
        )
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.default is parameter.empty and index(model.folder).get(name) in (None, [None, None]):
            raise EditorUnavailable(f"{model.name} lacks its component {name}; download the model again.")
    with quiet():
        try:
            given = _encoders(model.folder, dtype)
            if image_processor is not None and find_spec("torchvision") is None:
                given[image_processor] = _plain_processor(model.folder / image_processor)
            pipe = cls.from_pretrained(
                str(model.folder),
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                **given,
            )
        except MemoryError:
            raise EditorUnavailable(f"{model.name} does not fit into this machine's memory.") from None
        except EditorUnavailable:
            raise
        except Exception as error:  # a boundary: the libraries raise whatever a damaged folder leads to
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise EditorUnavailable(f"{model.name} cannot be loaded: {first.partition('. ')[0]}") from error
    for name, part in pipe.components.items():
        if hasattr(part, "parameters") and any(p.is_meta for p in part.parameters()):
            raise EditorUnavailable(f"{model.name}: weights are missing from its component {name}.")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _encoders(folder: Path, dtype: Any) -> dict[str, Any]:
    """The components from transformers that have weights, loaded as a pipeline would.

    Where weights are missing it would go on with random ones, and tells only the loading of a single model.
    """
    import transformers

    encoders = {}
    for name, value in index(folder).items():
        if isinstance(value, list) and value[0] == "transformers" and not _is_files_only(value[1]):
            encoders[name], report = getattr(transformers, value[1]).from_pretrained(
                str(folder / name),
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            if report["missing_keys"]:
                raise EditorUnavailable(f"{folder}: weights are missing from its component {name}.")
    return encoders


@lru_cache(maxsize=1)
def plain_processor_class() -> type:
    """A processor for pictures and text that needs no torchvision, a subclass of the one that models name."""
    from transformers import Qwen2VLProcessor

    class PlainProcessor(Qwen2VLProcessor):  # type: ignore[misc]
        """Pictures and text only: the video part of the original needs torchvision."""

        def __init__(self, image_processor: Any, tokenizer: Any) -> None:
            super().__init__(image_processor, tokenizer, None, getattr(tokenizer, "chat_template", None))

        @classmethod
        def get_attributes(cls) -> list[str]:
            return ["image_processor", "tokenizer"]

    return PlainProcessor


def _plain_processor(folder: Path) -> Any:
    from transformers import AutoTokenizer, Qwen2VLImageProcessorPil

    pictures = Qwen2VLImageProcessorPil.from_pretrained(str(folder), local_files_only=True)
    words = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    return plain_processor_class()(pictures, words)


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Around imports of diffusers and bitsandbytes: they tell of kernels for other machines, and more."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and advice of the libraries on stderr; reedit shows its own."""
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    logs = (diffusers_log, transformers_log)
    before = [log.get_verbosity() for log in logs]
    for log in logs:
        log.set_verbosity(logging.CRITICAL)  # errors are raised as well
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.set_verbosity(level)


_lock = threading.Lock()
_held: dict[Any, Any] = {}


def once(key: Any, make: Callable[[], Any]) -> Any:
    """What `make` made for this key, made once per process.

    Only the latest is kept: two models would fill the card.
    """
    with _lock:
        if key not in _held:
            _held.clear()
            _held[key] = make()
        return _held[key]
