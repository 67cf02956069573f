"""The commands and their options; the work is done elsewhere and imported when a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli import options as o
from agent.cli import trace_commands
from agent.cli.batch import batch
from agent.cli.boundary import guarded
from agent.cli.sections import Sections

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: rich would double the start-up time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An agentic photo editor: it thinks before it edits and checks its own work.\n\n"
    'Try:  reedit apply photo.jpg "make it more dramatic with a vintage feel"\n\n'
    "Exit codes: 0 delivered and judged a success; 3 delivered, not judged a success; 1 nothing delivered; "
    "2 wrong usage; 130 interrupted.",
)


@app.callback(invoke_without_command=True)
def top(version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False) -> None:
    """Handle options that stand before any command."""
    if version:
        from reedit import __version__

        print(f"reedit {__version__}")
        raise typer.Exit


@app.command("apply", cls=Sections)
@guarded
def apply_(
    image: o.Photo,
    instruction: o.Instruction,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Output file. [default: NAME.reedit.EXT next to the photo]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
    reasoner: o.Reasoner = None,
    editor: o.Editor = None,
    rounds: o.Rounds = None,
    seed: o.Seed = None,
    steps: o.Steps = None,
    mask: o.Mask = None,
    region: o.Region = None,
    preserve: o.Preserve = None,
    frame: o.Frame = None,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="JPEG, WebP or AVIF quality. [default: as the input]")
    ] = None,
    max_megapixels: o.MaxMegapixels = None,
    salvage: o.Salvage = False,
    runs: o.Runs = None,
    keep: o.Keep = None,
    editor_url: o.EditorUrl = None,
    editor_model: o.EditorModel = None,
    editor_api: o.EditorApi = None,
    editor_timeout: o.EditorTimeout = None,
    device: o.Device = None,
    memory: o.Memory = None,
    quantize: o.Quantize = None,
    speed: o.Speed = None,
    lora: o.Lora = None,
    editor_steps: o.EditorSteps = None,
    editor_strength: o.EditorStrength = None,
    previews: o.Previews = None,
    vlm_url: o.VlmUrl = None,
    vlm_model: o.VlmModel = None,
    vlm_max_pixels: o.VlmMaxPixels = None,
    vlm_wait: o.VlmWait = None,
    reflection: o.Reflection = None,
    prompts: o.Prompts = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> int:
    """Edit one photo and write the best round next to it.

    Example:  reedit apply leaf.jpg "make the leaf show potassium deficiency" -o out.jpg
    """
    from agent import session
    from agent.cli.progress import watch

    settings = o.settings(locals())
    job = session.Job(
        photo=image, instruction=instruction, output="auto" if output is None else output, overwrite=overwrite,
        mask=mask, region=region, frame=frame, salvage=salvage, quality=quality,
    )  # fmt: skip
    with watch(settings.rounds, quiet=quiet or as_json) as notify:
        outcome = session.run(job, settings, notify)
    from agent.cli import render

    render.outcome(outcome, as_json=as_json, quiet=quiet, verbose=verbose)
    return outcome.exit_code


@app.command(cls=Sections)
@guarded
def plan(
    image: o.Photo,
    instruction: o.Instruction,
    reasoner: o.Reasoner = None,
    editor: o.Editor = None,
    mask: o.Mask = None,
    region: o.Region = None,
    frame: o.Frame = None,
    editor_url: o.EditorUrl = None,
    editor_model: o.EditorModel = None,
    vlm_url: o.VlmUrl = None,
    vlm_model: o.VlmModel = None,
    prompts: o.Prompts = None,
    as_json: o.Json = False,
) -> int:
    """Think only: show the concrete steps a request would become."""
    from agent import session
    from agent.cli import render

    settings = o.settings(locals())
    job = session.Job(photo=image, instruction=instruction, mask=mask, region=region, frame=frame)
    render.plan(session.think(job, settings), as_json=as_json)
    return 0


@app.command(cls=Sections)
@guarded
def reflect(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="The photo before the edit.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The photo after it, by whoever edited it.")],
    instruction: o.Instruction,
    reasoner: o.Reasoner = None,
    mask: o.Mask = None,
    region: o.Region = None,
    vlm_url: o.VlmUrl = None,
    vlm_model: o.VlmModel = None,
    reflection: o.Reflection = None,
    prompts: o.Prompts = None,
    as_json: o.Json = False,
) -> int:
    """Judge an existing edit against the instruction. Exit code 0 for a success, 3 otherwise."""
    from agent import session
    from agent.cli import render

    settings = o.settings(locals())
    job = session.Job(photo=before, instruction=instruction, mask=mask, region=region)
    verdict = session.reflect(job, after, settings)
    render.reflection(verdict, as_json=as_json)
    return 0 if verdict.verdict.tag == "Success" else 3


@app.command()
@guarded
def editors(as_json: o.Json = False) -> int:
    """List the editors: what can run here, and what is missing."""
    from agent.cli import doctor

    doctor.show_editors(as_json=as_json)
    return 0


@app.command("serve")
@guarded
def serve_(
    model: Annotated[str, typer.Option(help="Name on the hub, or a folder, of a vision-language model.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 8000,
    name: Annotated[str | None, typer.Option(help="Name to serve it under. [default: the model's]")] = None,
    share: Annotated[
        float | None,
        typer.Option(help="Part of the GPU's memory to take; 0.35 leaves room for a diffusion editor."),
    ] = None,
    max_model_len: Annotated[int, typer.Option(min=2048, help="Tokens of prompt and reply together.")] = 8192,
    python: Annotated[str | None, typer.Option(help="Interpreter that has vLLM, if not this one.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds until it must answer.")] = 1800.0,
    extra: Annotated[
        list[str] | None, typer.Argument(metavar="[-- VLLM FLAGS]", help="More flags for vLLM.")
    ] = None,
) -> int:
    """Serve a model with vLLM for `--reasoner vlm`, until Ctrl-C.

    Example:  reedit serve --model Qwen/Qwen2.5-VL-7B-Instruct --share 0.35
    """
    from agent.cli.boundary import say
    from agent.vlm.serve import ServeOptions, serve

    options = ServeOptions(model, port, name, share, max_model_len, python, wait, tuple(extra or ()))
    return serve(options, say)


@app.command("doctor", cls=Sections)
@guarded
def doctor_(
    vlm_url: o.VlmUrl = None,
    vlm_model: o.VlmModel = None,
    editor_url: o.EditorUrl = None,
    editor_model: o.EditorModel = None,
    as_json: o.Json = False,
) -> int:
    """Check what works on this machine, and say what mends the rest."""
    from agent import config
    from agent.cli import doctor

    flags = {
        "vlm_url": vlm_url, "vlm_model": vlm_model, "editor_url": editor_url, "editor_model": editor_model,
    }  # fmt: skip
    if vlm_url or vlm_model:  # asking about a server means that it is needed
        flags["reasoner"] = "vlm"
    return doctor.show(config.load(flags), as_json=as_json)


app.command(cls=Sections)(batch)
app.add_typer(trace_commands.app, name="trace")


def without_options(group: typer.Typer) -> None:
    """Leave only names and texts of the commands: their list needs none of the options, which take time to build."""
    for command in group.registered_commands:
        text = command.callback.__doc__

        def bare() -> None: ...

        bare.__doc__, bare.__name__ = text, getattr(command.callback, "__name__", "")
        command.callback = bare
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            without_options(inner.typer_instance)
