"""Settings: flags > REEDIT_* > ./reedit.yaml > the user's config file > defaults.

The user's file is $XDG_CONFIG_HOME/reedit/reedit.yaml (~/.config/reedit/reedit.yaml). Keys are the field names below,
written with "_" or "-"; an unknown key is an error that names the nearest valid one, and an empty variable counts as
not set. Paths in a file are relative to it. Keys of servers are never settings: they come from the environment only
(REEDIT_VLM_API_KEY, REEDIT_EDITOR_API_KEY).
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from agent.errors import ConfigError
from agent.trace.places import refuse_url
from editor import devices

FILE = "reedit.yaml"
PREFIX = "REEDIT_"
_WEEK = 604_800.0
"""Seconds; sockets take no time without end."""
SECRETS = frozenset({"REEDIT_VLM_API_KEY", "REEDIT_EDITOR_API_KEY"})
_PATHS = frozenset({"runs", "prompts"})
_MODELS = frozenset({"editor", "editor_model", "lora"})
"""Settings that may name a folder: one that begins with ./, ../ or ~ is meant as a path."""


class Settings(BaseModel):
    """Everything that can be set, with its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reasoner: str = Field("builtin", description="who thinks and reflects: builtin or vlm")
    editor: str = Field(
        "builtin", description="who edits: `reedit editors` lists them; auto once editor_url or editor_model is set"
    )  # fmt: skip
    rounds: int = Field(2, ge=0, le=10, description="reflection rounds after the first edit")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the run; every step derives its own from it")
    steps: Literal["sequential", "composite"] = Field(
        "sequential", description="one edit per step, or all steps as one instruction"
    )
    preserve: Literal["auto", "strict", "off"] = Field(
        "auto", description="put back what must not change: outside of a mask (auto), all that is not visibly edited "
        "(strict), nothing (off)"
    )  # fmt: skip
    runs: Path = Field(Path("runs"), description="where run folders go")
    previews: bool = Field(
        False, description="keep a small picture of every denoising step of a diffusion editor in the run folder"
    )  # fmt: skip
    keep: Literal["scaled", "full"] = Field(
        "scaled", description="pictures above 2 MP in the run folder: scaled down, or in full"
    )
    max_megapixels: float = Field(250.0, gt=0, description="refuse larger photos")
    vlm_url: str = Field(
        "http://127.0.0.1:8000/v1", description="OpenAI-compatible server of the vlm reasoner"
    )
    vlm_model: str | None = Field(None, description="its model; default: the one the server names")
    vlm_max_pixels: int = Field(627_200, ge=3136, description="pixels of a picture sent to the VLM, at most")
    vlm_timeout: float = Field(
        120.0, gt=0, le=_WEEK, description="seconds one call to the VLM may take in all"
    )
    vlm_wait: float = Field(
        120.0, ge=0, le=_WEEK, description="seconds to wait for a VLM server that went away"
    )
    reflection: Literal["cascade", "fused"] = Field(
        "cascade", description="score and conclude in two calls, or in one (faster)"
    )
    prompts: Path | None = Field(
        None, description="folder with prompt templates to use instead of the shipped ones"
    )
    editor_url: str | None = Field(
        None, description="server with POST /images/edits, for instance http://127.0.0.1:8091/v1"
    )
    editor_model: str | None = Field(
        None, description="the model for what is not exact (--editor auto); with editor_url the one to ask it for"
    )  # fmt: skip
    editor_api: Literal["auto", "vllm-omni", "sglang", "openai"] = Field(
        "auto", description="whose form of the request editor_url takes; auto asks the server"
    )
    editor_timeout: float = Field(
        600.0, gt=0, le=_WEEK, description="seconds one edit by a server may take in all"
    )
    editor_steps: int | None = Field(
        None, ge=1, le=1000, description="denoising steps; default: the model's own"
    )
    editor_guidance: float | None = Field(
        None, ge=0, le=100, description="guidance scale; default: the model's own"
    )
    editor_negative: str | None = Field(
        None,
        max_length=2000,
        description="negative prompt; a space switches true CFG on where a model has it",
    )
    editor_strength: float | None = Field(
        None,
        gt=0,
        le=1,
        description="how far z-image and inpainting go from the photo; default: the model's own",
    )
    device: str = Field(
        "auto", description="where a diffusion editor runs: auto, cpu, mps, cuda, cuda:N, or a list separated by "
        "commas; auto and cuda are every GPU in a batch, else the first; auto uses a CPU for small models only"
    )  # fmt: skip
    memory: Literal["auto", "full", "offload", "low"] = Field(
        "auto", description="how a diffusion editor holds its weights: all on the GPU (full), one component at a "
        "time (offload), block by block (low)"
    )  # fmt: skip
    quantize: Literal["none", "fp8", "4bit"] = Field(
        "none", description="a diffusion editor's weights in fewer bits, which changes the result: fp8 halves them, "
        "4bit (bitsandbytes) leaves a third"
    )  # fmt: skip
    speed: Literal["exact", "balanced", "fast"] = Field(
        "exact",
        description="a diffusion editor's preset; balanced (caches) and fast (few steps) change the result",
    )
    lora: tuple[str, ...] = Field((), description="LoRA adapters of a diffusion editor: PATH_OR_ID[:weight]")

    @field_validator("runs", mode="before")
    @classmethod
    def _a_folder(cls, value: Any) -> Any:
        if isinstance(value, str):
            refuse_url(value)
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML's yes and true are no numbers."""
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation is not bool:
            raise ValueError("Input should not be yes or no")
        return value

    @field_validator("runs", "prompts")
    @classmethod
    def _at_home(cls, value: Path | None) -> Path | None:
        return value and _expanded(value)

    @field_validator("lora", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        """In the environment they are separated by commas."""
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        return ",".join(devices.parse(value))

    @model_validator(mode="before")
    @classmethod
    def _auto_editor(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Who configures a generative editor wants it used."""
        if values.get("editor") is None and (values.get("editor_url") or values.get("editor_model")):
            return values | {"editor": "auto"}
        return values


def user_file() -> Path:
    """Where the user's own settings live."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - there may be no home
    return Path(base) / "reedit" / FILE


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings in force. flags: values given by the caller; None means not given.

    Raises ConfigError that names the source of a wrong key or value.
    """
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for source, values in (
        *_files(folder or Path.cwd()),
        *_environment(os.environ if environ is None else environ),
        ("the options", {k: v for k, v in (flags or {}).items() if v is not None}),
    ):
        for key, value in values.items():
            name = key.replace("-", "_")
            if name not in Settings.model_fields:
                raise ConfigError(f"{source}: unknown setting {key!r}.{_nearest(name)}")
            merged[name], origin[name] = value, source
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        raise ConfigError(
            f"{origin.get(name, 'settings')}: {name}: {first['msg'].removeprefix('Value error, ')} "
            f"(got {first['input']!r})."
        ) from None


def _files(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in (user_file(), folder / FILE):
        values = _read(path)
        for key, value in values.items():
            name = key.replace("-", "_")
            try:
                if name in _PATHS and isinstance(value, str) and "://" not in value:
                    values[key] = path.parent / _expanded(Path(value))
                elif name in _MODELS:
                    values[key] = _model(value, path.parent)
            except ValueError as error:
                raise ConfigError(f"{path}: {name}: {error} (got {value!r}).") from None
        found.append((str(path), values))
    return found


def _model(value: Any, folder: Path) -> Any:
    """A model, or several, of a settings file: a path is relative to the file."""
    if isinstance(value, list):
        return [_model(one, folder) for one in value]
    if isinstance(value, str) and value.startswith(("./", "../", "~")):
        return str(folder / _expanded(Path(value)))
    return value


def _expanded(path: Path) -> Path:
    """With ~ as the home folder. Raises ValueError when there is no such home, or no such path can be."""
    if "\0" in str(path):
        raise ValueError("no path holds a NUL character")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("there is no such home folder") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError("it is not a file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {path}: {error}") from None
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # 2026-13-01 is a ValueError
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if isinstance(node, yaml.MappingNode):  # YAML takes the last of two in silence
        names = Counter(str(key.value).replace("-", "_") for key, _ in node.value)
        for name in (name for name, count in names.items() if count > 1):
            raise ConfigError(f"{path}: {name!r} stands there more than once.")
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path} must be a mapping of settings, such as `rounds: 1`.")
    return values


def _environment(environ: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, value in environ.items():
        # an empty one counts as not set; REEDIT_TEST_*: knobs of the test suite
        if (
            value
            and name.startswith(PREFIX)
            and name not in SECRETS
            and not name.startswith(f"{PREFIX}TEST_")
        ):
            found.append((f"the environment ({name})", {name.removeprefix(PREFIX).lower(): value}))
    return found


def _nearest(name: str) -> str:
    if name.endswith("key"):
        return f" Keys of servers come from the environment only: {', '.join(sorted(SECRETS))}."
    near = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" Settings are: {', '.join(Settings.model_fields)}."
