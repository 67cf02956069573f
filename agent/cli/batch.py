"""`reedit batch`: many photos from one manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli import options as o
from agent.cli.boundary import guarded, say

if TYPE_CHECKING:
    from agent.batch import BatchOptions, Engine
    from agent.batch.store import Store

_ENGINE = "The engine"


@guarded
def batch(
    jobs: Annotated[
        str,
        typer.Argument(
            metavar="JOBS", help="A .csv, .jsonl or .yaml manifest, a folder of photos, or - for JSONL on stdin."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="Output folder, made if it is not there; or s3://BUCKET/PREFIX, gs://..."
        ),
    ],
    instruction: Annotated[
        str | None, typer.Option(help="What to do, for jobs without an instruction of their own.")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="Name of the outputs, from $id, $stem and $slug. [default: $id]")
    ] = None,
    show_status: Annotated[
        bool, typer.Option("--status", help="Only show what is done, what would run, and why.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also run jobs again that failed for good.")
    ] = False,
    max_failures: Annotated[
        int | None, typer.Option(min=1, help="Stop when so many jobs have failed.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file again, instead of going by size and time.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that this batch did not make.")
    ] = False,
    jobs_in_flight: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, rich_help_panel=_ENGINE,
            help="Jobs at the same time, over all editors. [default: one per processor; 6 per GPU or server]",
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster.", rich_help_panel=_ENGINE)
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(help="Ray cluster to join. [default: a Ray of this machine]", rich_help_panel=_ENGINE),
    ] = None,
    ray_editors: Annotated[
        int | None,
        typer.Option(
            min=1, rich_help_panel=_ENGINE, help="Editors. [default: one per GPU or processor of the cluster]"
        ),
    ] = None,
    reasoner: o.Reasoner = None,
    editor: o.Editor = None,
    rounds: o.Rounds = None,
    seed: o.Seed = None,
    steps: o.Steps = None,
    preserve: o.Preserve = None,
    max_megapixels: o.MaxMegapixels = None,
    runs: Annotated[str | None, typer.Option(help="Folder of the run folders. [default: OUT/runs]")] = None,
    keep: o.Keep = None,
    editor_url: o.EditorUrls = None,
    editor_model: o.EditorModel = None,
    editor_api: o.EditorApi = None,
    editor_timeout: o.EditorTimeout = None,
    device: o.Devices = None,
    memory: o.Memory = None,
    quantize: o.Quantize = None,
    speed: o.Speed = None,
    lora: o.Lora = None,
    editor_steps: o.EditorSteps = None,
    editor_strength: o.EditorStrength = None,
    previews: o.Previews = None,
    vlm_url: o.VlmUrls = None,
    vlm_model: o.VlmModel = None,
    vlm_max_pixels: o.VlmMaxPixels = None,
    vlm_wait: o.VlmWait = None,
    reflection: o.Reflection = None,
    prompts: o.Prompts = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout per event.")] = False,
    quiet: o.Quiet = False,
) -> int:  # fmt: skip
    """Edit many photos. Interrupted at any moment, the same command goes on where it was.

    A manifest has the columns image and instruction, and optionally id, output, seed, mask, region and more.
    results.jsonl in the output folder tells what came of each job. Exit codes: 0 all delivered and judged a success;
    3 all delivered, some not judged a success; 1 some failed; 2 wrong usage; 130 interrupted.

    Example:  reedit batch jobs.csv -o out/
    """
    from agent.batch import BatchOptions, ManifestError, read_manifest, run_batch, status
    from agent.cli import batch_view

    folder, run_folders, store = _destination(output, runs)
    settings = o.settings(locals() | {
        "runs": run_folders, "vlm_url": vlm_url[0] if vlm_url else None,
        "editor_url": editor_url[0] if editor_url else None,
    })  # fmt: skip
    try:
        found = read_manifest(jobs, folder, settings, instruction=instruction, template=template)
    except ManifestError as error:
        return _faults(jobs, error.faults, as_json=as_json)
    options = BatchOptions(
        folder, settings, retry_failed=retry_failed, verify=verify, overwrite=overwrite,
        max_failures=max_failures, vlm_urls=tuple(vlm_url or ()) if len(vlm_url or ()) > 1 else (),
        store=store,
    )  # fmt: skip
    if show_status:
        return batch_view.standings(status(found, options), store, as_json=as_json)

    def make_engine(count: int) -> Engine:
        urls = tuple(editor_url or ())
        if engine == "ray":
            return _ray_engine(options, ray_address, ray_editors, jobs_in_flight, urls)
        return _local_engine(options, count, jobs_in_flight, urls)

    with batch_view.watch(as_json=as_json, quiet=quiet) as listener:
        summary = run_batch(found, options, make_engine, listener)
    batch_view.summary(summary, store, as_json=as_json, quiet=quiet)
    for warning in summary.warnings:
        say(f"warning: {warning}.")
    if summary.stopped:
        again = f"{summary.pending} jobs are left; the same command goes on with them."
        say(f"error: {summary.stopped}. {again}")
    return summary.exit_code


def _faults(source: str, faults: list[str], *, as_json: bool) -> int:
    """All that is wrong with a manifest, a line each."""
    from agent.cli.render import print_json_line

    for fault in faults:
        say(f"error: {source}: {fault}")
    if as_json:
        print_json_line({"event": "error", "error": "ManifestError", "faults": faults, "exit_code": 2})
    return 2


def _destination(output: str, runs: str | None) -> tuple[Path, Path, Store]:
    """The folder where jobs are made, the one for their run folders, and where the results live."""
    from agent.batch.store import LocalStore
    from agent.batch.store_objects import check_url
    from agent.batch.store_remote import RemoteStore
    from agent.errors import UsageError
    from agent.trace.places import is_url

    if runs is not None and is_url(runs) != is_url(output):
        raise UsageError("--runs and -o: either both are folders, or both are URLs.")
    if is_url(output):
        remote = RemoteStore(check_url(output), check_url(runs) if runs else None)
        return remote.scratch, remote.scratch / "runs", remote
    folder = Path(output)
    run_folders = Path(runs) if runs else folder.absolute() / "runs"
    return folder, run_folders, LocalStore(folder, run_folders)


def _local_engine(
    options: BatchOptions, count: int, in_flight: int | None, editor_urls: tuple[str, ...]
) -> Engine:
    """On this machine: in worker processes, or in threads around editing servers."""
    from agent.batch import engines
    from agent.session import make_reasoner, release
    from agent.trace import NullTrace

    # one that cannot be made is one error now, rather than one for every job
    release(make_reasoner(options.settings, NullTrace()))
    return engines.local(
        options.folder, options.settings, count, in_flight=in_flight, editor_urls=editor_urls,
        waits=options.place.results_are_sent,
    )  # fmt: skip


def _ray_engine(
    options: BatchOptions,
    address: str | None,
    editors: int | None,
    in_flight: int | None,
    editor_urls: tuple[str, ...],
) -> Engine:
    from agent.batch.engine_ray import RayEngine

    return RayEngine(
        options.folder, options.settings, address=address, editors=editors, in_flight=in_flight,
        editor_urls=editor_urls, shared=not options.place.results_are_sent,
    )  # fmt: skip
