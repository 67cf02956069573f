"""Options shared by the commands. Defaults are None: what is not given comes from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from agent.config import Settings

_RUN = "The run"
_WHERE = "Where to edit"
_VLM = "The vlm reasoner"
_DIFFUSION = "Diffusion models of your own"
_EDITOR = "The editing model, local or behind a server"

Photo = Annotated[
    str, typer.Argument(metavar="IMAGE", help="The photo. JPEG, PNG, WebP, TIFF, AVIF or HEIC.")
]
Instruction = Annotated[
    str,
    typer.Argument(
        metavar="INSTRUCTION",
        help="What to do, in English or Chinese: “make it look like autumn”, “把天空变蓝”.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also facts and operations of each round.")]
Mask = Annotated[
    str | None,
    typer.Option(help="Edit only here: a picture of the photo's size, white = edit.", rich_help_panel=_WHERE),
]
Region = Annotated[
    str | None,
    typer.Option(
        help='Edit only here: X,Y,W,H in pixels, or words such as "the sky".', rich_help_panel=_WHERE
    ),
]
Frame = Annotated[int | None, typer.Option(help="Which picture of an animation or multi-page file, from 0.")]
Reasoner = Annotated[
    str | None, typer.Option(help="Who thinks and reflects: builtin or vlm.", rich_help_panel=_RUN)
]
Editor = Annotated[
    str | None,
    typer.Option(
        help="Who edits: one that `reedit editors` lists, or the folder or hub name of a diffusers model.",
        rich_help_panel=_RUN,
    ),
]
EditorUrl = Annotated[
    str | None,
    typer.Option(
        help="Server with POST /images/edits, such as http://127.0.0.1:8091/v1.", rich_help_panel=_EDITOR
    ),
]
EditorUrls = Annotated[
    list[str] | None,
    typer.Option(
        "--editor-url", help="Editing server; repeated: one edit at a time on each.", rich_help_panel=_EDITOR
    ),
]
EditorModel = Annotated[
    str | None,
    typer.Option(
        help="Model for what is not exact; with --editor-url the one to ask for.", rich_help_panel=_EDITOR
    ),
]
EditorApi = Annotated[
    Literal["auto", "vllm-omni", "sglang", "openai"] | None,
    typer.Option(help="Whose form of the request the server takes. [default: auto]", rich_help_panel=_EDITOR),
]
EditorTimeout = Annotated[
    float | None,
    typer.Option(help="Seconds one edit by the server may take. [default: 600]", rich_help_panel=_EDITOR),
]
Rounds = Annotated[
    int | None,
    typer.Option(min=0, max=10, help="Reflection rounds after the first edit, at most. [default: 2]"),
]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of the run. [default: 0]", rich_help_panel=_RUN)]
Steps = Annotated[
    Literal["sequential", "composite"] | None,
    typer.Option(help="sequential: one edit per step; composite: all steps as one.", rich_help_panel=_RUN),
]
Preserve = Annotated[
    Literal["auto", "strict", "off"] | None,
    typer.Option(
        help="Put back from the original: what is outside the mask (auto), all that is not visibly edited (strict), "
        "nothing (off).",
        rich_help_panel=_RUN,
    ),
]
Runs = Annotated[
    str | None, typer.Option(help="Folder of the run folders. [default: runs]", rich_help_panel=_RUN)
]
Keep = Annotated[
    Literal["scaled", "full"] | None,
    typer.Option(help="Pictures above 2 MP in the run folder: scaled or full.", rich_help_panel=_RUN),
]
MaxMegapixels = Annotated[float | None, typer.Option(help="Refuse larger photos. [default: 250]")]
Salvage = Annotated[
    bool, typer.Option("--salvage", help="Accept a truncated photo; what is missing stays grey.")
]
VlmUrl = Annotated[str | None, typer.Option(help="OpenAI-compatible server.", rich_help_panel=_VLM)]
VlmUrls = Annotated[
    list[str] | None,
    typer.Option(
        "--vlm-url",
        help="OpenAI-compatible server; repeated: the least busy one is asked.",
        rich_help_panel=_VLM,
    ),
]
VlmModel = Annotated[
    str | None, typer.Option(help="Its model. [default: what it serves]", rich_help_panel=_VLM)
]
VlmMaxPixels = Annotated[
    int | None, typer.Option(help="Pixels per picture sent to it. [default: 627200]", rich_help_panel=_VLM)
]
VlmWait = Annotated[
    float | None, typer.Option(help="Seconds to wait for a server that went away.", rich_help_panel=_VLM)
]
Reflection = Annotated[
    Literal["cascade", "fused"] | None,
    typer.Option(help="Score and conclude in two calls (cascade) or one (fused).", rich_help_panel=_VLM),
]
Prompts = Annotated[
    str | None, typer.Option(help="Folder with your own prompt templates.", rich_help_panel=_VLM)
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where it runs: auto (a GPU, or a CPU for small models), cpu, mps, cuda, cuda:N. [default: auto]",
        rich_help_panel=_DIFFUSION,
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Where editors run, one on each: auto (every GPU), cuda:1, cuda:0,cuda:1, cpu, mps.",
        rich_help_panel=_DIFFUSION,
    ),
]
Memory = Annotated[
    Literal["auto", "full", "offload", "low"] | None,
    typer.Option(
        help="Weights all on the GPU (full), one component at a time (offload), block by block (low), or the first "
        "of these that fits (auto). [default: auto]",
        rich_help_panel=_DIFFUSION,
    ),
]
Quantize = Annotated[
    Literal["none", "fp8", "4bit"] | None,
    typer.Option(
        help="Weights in fewer bits, LOSSY: fp8 halves them, 4bit leaves a third. [default: none]",
        rich_help_panel=_DIFFUSION,
    ),
]
Speed = Annotated[
    Literal["exact", "balanced", "fast"] | None,
    typer.Option(
        help="exact: compiled, nothing lost; balanced: a cache skips work, LOSSY; fast: few distilled steps, LOSSY. "
        "[default: exact]",
        rich_help_panel=_DIFFUSION,
    ),
]
Lora = Annotated[
    list[str] | None,
    typer.Option(
        help="PATH_OR_ID[:weight] of a LoRA adapter; repeat for several.", rich_help_panel=_DIFFUSION
    ),
]
Previews = Annotated[
    bool | None,
    typer.Option(
        "--previews/--no-previews",
        help="Keep a small picture of every denoising step in the run folder, for about 1 % more work; "
        "`reedit trace report` shows them. [default: no-previews]",
        show_default=False,
        rich_help_panel=_DIFFUSION,
    ),
]
EditorSteps = Annotated[
    int | None,
    typer.Option(min=1, help="Denoising steps. [default: the model's own]", rich_help_panel=_EDITOR),
]
EditorStrength = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="How far z-image and inpainting go from the photo, above 0. [default: 1; z-image without a mask 0.6]",
        rich_help_panel=_DIFFUSION,
    ),
]


def settings(given: dict[str, Any]) -> Settings:
    """The settings in force, with those arguments of a command that are settings and were given."""
    from agent import config

    known = config.Settings.model_fields
    return config.load({name: value for name, value in given.items() if name in known and value != []})
