"""Find a model, look at its files before a library does, load it once per process.

Only safetensors, never remote code. The family is read from model_index.json. What libraries load silently and
wrongly (an empty tokenizer, another family's folder, truncated weights) is refused here, with the component's name.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
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

from editor.base import EditorUnavailable

INSTALL = 'pip install "reedit[diffusion]"'
MODULES = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
INDEX = "model_index.json"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)
_WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
_PICTURE_FILES = ({"preprocessor_config.json"}, {"processor_config.json"})
_TOKENIZER_FILES = ({"tokenizer.json"}, {"vocab.json", "merges.txt"}, {"spiece.model"}, {"tokenizer.model"})
_LIBRARIES = ("diffusers", "transformers")
"""Whose classes a model may be made of; diffusers imports whatever module is named there."""
_SPARE_DISK = 1 << 30


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
    """Whether a model's name means a folder: it exists, or it is written as a path."""
    return name.startswith((".", "/", "~")) or Path(name).expanduser().is_dir()


def is_hub_id(name: str) -> bool:
    """Whether a name is written as ORG/NAME or ORG/NAME@REVISION."""
    return _HUB_ID.fullmatch(name) is not None


def class_of(name: str) -> str:
    """The pipeline class of a model by path or hub id; of the latter only the index is fetched."""
    if is_path(name):
        return pipeline_class(Path(name).expanduser())
    require_modules()
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repo, _, revision = name.partition("@")
    with hub_errors(repo):
        try:
            return pipeline_class(Path(hf_hub_download(repo, INDEX, revision=revision or None)).parent)
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            raise EditorUnavailable(
                f"{repo} on the hub has no {INDEX}; a diffusers model is needed."
            ) from None


def locate(name: str) -> Model:
    """The folder of a model: a path, or ORG/NAME[@REVISION] on the hub, downloaded when not in the cache.

    Raises EditorUnavailable that says what to do.
    """
    if is_path(name):
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise EditorUnavailable(f"There is no folder {name}.")
        return Model(name, folder)
    if not is_hub_id(name):
        raise EditorUnavailable(
            f"{name!r} is neither a folder nor a name on the hub such as Qwen/Qwen-Image-Edit-2511."
        )
    repo, _, revision = name.partition("@")
    return _from_hub(name, repo, revision or None)


def _from_hub(name: str, repo: str, revision: str | None) -> Model:
    from huggingface_hub import snapshot_download

    with hub_errors(repo):
        commit, size = _published(repo, revision)
        if commit is not None:
            _check_disk(repo, commit, size)
        folder = Path(
            snapshot_download(
                repo,
                revision=commit or revision,
                allow_patterns=list(_WANTED),
                local_files_only=commit is None,
            )
        )
    return Model(name, folder, folder.name)  # a snapshot's folder is called by its commit


def _published(repo: str, revision: str | None) -> tuple[str | None, int]:
    """The commit that a revision means now and its bytes; None when the hub cannot be asked and the cache must do."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=20)
    except HfHubHTTPError:
        raise  # it did answer: no such model, no access
    except Exception:  # no network, in whatever way the client's own library says so
        return None, 0
    files = info.siblings or ()
    return info.sha, sum(file.size or 0 for file in files if file.rfilename.endswith(".safetensors"))


def _check_disk(repo: str, commit: str, size: int) -> None:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    if (cache / f"models--{repo.replace('/', '--')}" / "snapshots" / commit).is_dir():
        return  # there already, or begun: the rest is smaller than the whole
    place = cache
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if size + _SPARE_DISK > free:
        raise EditorUnavailable(
            f"{repo} takes {size / 1e9:.0f} GB and {place} has {free / 1e9:.0f} GB free; set HF_HOME to a "
            "larger disk."
        )


def in_cache(repo: str, revision: str) -> bool:
    """Whether a hub model is on this disk at a commit; asks neither the hub nor its client."""
    home = Path(
        os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    )
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    return any(cache.glob(f"models--{repo.replace('/', '--')}/snapshots/{revision}/{INDEX}"))


@contextmanager
def hub_errors(
    repo: str, offline: str = "give a folder with --editor-model DIR, or download it"
) -> Iterator[None]:
    """What the hub's client raises, as EditorUnavailable with the line that helps. offline: what helps there."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise EditorUnavailable(
            f"{repo} is gated: accept its terms at https://huggingface.co/{repo}, then log in with `hf auth login` "
            "or set HF_TOKEN."
        ) from None
    except errors.RevisionNotFoundError:
        raise EditorUnavailable(f"{repo} has no such revision.") from None
    except errors.RepositoryNotFoundError:
        raise EditorUnavailable(
            f"The hub has no model {repo}, or it is private: check the name, or set HF_TOKEN."
        ) from None
    except errors.LocalEntryNotFoundError:
        raise EditorUnavailable(
            f"{repo} is not on this disk and the hub cannot be reached; {offline} where there is a network."
        ) from None
    except errors.HfHubHTTPError as error:
        raise EditorUnavailable(f"The hub failed for {repo}: {str(error).splitlines()[0]}") from None


def pipeline_class(folder: Path) -> str:
    """The pipeline class that model_index.json names. Raises EditorUnavailable."""
    return str(index(folder)["_class_name"])


def index(folder: Path) -> dict[str, Any]:
    """What model_index.json says: components, and settings of the pipeline. Raises EditorUnavailable."""
    try:
        read = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "" if folder.is_dir() else " (there is no such folder)"
        raise EditorUnavailable(
            f"{folder} has no {INDEX}{hint}; a model saved by diffusers is needed, not a single weights file."
        ) from None
    except (OSError, ValueError) as error:
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
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def check(folder: Path) -> None:
    """Look at every component's files. Raises EditorUnavailable that names the component."""
    for name, value in index(folder).items():
        if name.startswith("_") or not isinstance(value, list) or value[:1] == [None]:
            continue
        if value[0] not in _LIBRARIES:
            raise EditorUnavailable(
                f"{folder}: its component {name} would run code of {value[0]}; it is not loaded."
            )
        if not (folder / name).is_dir():
            raise EditorUnavailable(f"{folder} lacks its component {name}; download the model again.")
        kind = str(value[1])
        if "ImageProcessor" in kind:
            _check_files(folder / name, kind, _PICTURE_FILES)
        elif "Tokenizer" in kind or "Processor" in kind:
            _check_files(folder / name, kind, _TOKENIZER_FILES)
        elif "Scheduler" not in kind:
            _check_weights(folder / name)


def _check_files(folder: Path, kind: str, choices: tuple[set[str], ...]) -> None:
    present = {path.name for path in folder.iterdir() if path.stat().st_size}
    if not any(wanted <= present for wanted in choices):
        what = "tokenizer files" if choices is _TOKENIZER_FILES else "settings"
        raise EditorUnavailable(f"{folder} ({kind}) lacks its {what}; download the model again.")


def _check_weights(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise EditorUnavailable(f"{folder} lacks config.json; download the model again.")
    shards = sorted(folder.glob("*.safetensors"))
    for index in folder.glob("*.safetensors.index.json"):
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError):
            raise EditorUnavailable(f"{index} cannot be read; download the model again.") from None
        if absent := names - {path.name for path in shards}:
            raise EditorUnavailable(f"{folder} lacks {', '.join(sorted(absent))}; download the model again.")
    if not shards:
        other = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        why = "only pickled weights, which can run code; safetensors are needed" if other else "no weights"
        raise EditorUnavailable(f"{folder} holds {why}.")
    for path in shards:
        check_safetensors(path)


def check_safetensors(path: Path) -> None:
    """Compare a safetensors file's own header with its size. Raises EditorUnavailable."""
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
            end = max(
                int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            end = -1
    if 8 + length + end != size:
        raise EditorUnavailable(f"{path} is damaged or incomplete; download the model again.")


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
    given = {}
    if image_processor is not None and find_spec("torchvision") is None:
        given[image_processor] = _plain_processor(model.folder / image_processor)
    with quiet():
        try:
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
        except Exception as error:  # a boundary: the libraries raise whatever a damaged folder leads to
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise EditorUnavailable(f"{model.name} cannot be loaded: {first}") from error
    for name, part in pipe.components.items():
        if hasattr(part, "parameters") and any(p.is_meta for p in part.parameters()):
            raise EditorUnavailable(f"{model.name}: weights are missing from its component {name}.")
    pipe.set_progress_bar_config(disable=True)
    return pipe


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

    with quiet():
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
        log.set_verbosity_error()
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
