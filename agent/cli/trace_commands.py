"""`reedit trace ...`: the commands that read run folders."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from agent.cli import options as o
from agent.cli.boundary import guarded
from agent.cli.sections import Sections

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Read the run folders: what was thought, edited and judged.",
)

RunName = Annotated[
    str, typer.Argument(help="Id of a run (its beginning or end is enough), a folder, or last.")
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        help="Only runs with this verdict: Success, Reflection, Failed or unknown; give it again for more.",
    ),
]
ByEditor = Annotated[str | None, typer.Option("--editor", help="Only runs with this editor.")]
ByReasoner = Annotated[str | None, typer.Option("--reasoner", help="Only runs with this reasoner.")]
ByText = Annotated[str | None, typer.Option("--text", help="Only runs whose instruction contains this.")]
Since = Annotated[
    str | None, typer.Option(help="Only runs begun since then: 2026-11-21, or an age: 90m, 12h, 3d, 2w.")
]
Until = Annotated[str | None, typer.Option(help="Only runs begun before then.")]
MinScore = Annotated[float | None, typer.Option(help="Only runs with at least this score.")]


@app.command("list")
@guarded
def list_(
    tag: Tags = None,
    editor: ByEditor = None,
    reasoner: ByReasoner = None,
    text: ByText = None,
    since: Since = None,
    until: Until = None,
    min_score: MinScore = None,
    sort: Annotated[
        Literal["time", "score", "seconds", "rounds"], typer.Option(help="What to sort by.")
    ] = "time",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many: the last of the list.")] = None,
    runs: o.Runs = None,
    as_json: o.Json = False,
) -> int:
    """List the runs, oldest first.

    Example:  reedit trace list --tag Success --since 7d --sort score --limit 20
    """
    from agent import config
    from agent.cli import listing
    from agent.errors import UsageError
    from agent.trace.index import Filter, rows, select

    root = config.load({"runs": runs}).runs
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is not a folder.")
    wanted = Filter(
        listing.tags(tag), editor, reasoner, text, listing.moment(since), listing.moment(until), min_score
    )
    found = select(rows(root), wanted, sort, reverse=reverse)
    if limit is not None:
        found = found[len(found) - min(limit, len(found)) :]
    listing.show(found, root, as_json=as_json, filtered=wanted != Filter())
    return 0


@app.command()
@guarded
def show(
    run: RunName = "last",
    raw: Annotated[
        str | None,
        typer.Option(metavar="EVENT", help="Print this event whole, as JSON: its number, or its type."),
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Pictures, where the terminal can show them.")
    ] = True,
    protocol: Annotated[
        Literal["kitty", "iterm2", "sixel", "blocks"] | None,
        typer.Option(help="How to show pictures. [default: what the terminal says it can]"),
    ] = None,
    runs: o.Runs = None,
    as_json: o.Json = False,
) -> int:
    """Tell one run as a story: plan, rounds, scores, verdicts, times."""
    from agent import config
    from agent.cli import story
    from agent.trace import find_run

    found = find_run(config.load({"runs": runs}).runs, run)
    if raw is not None:
        story.show_event(found, story.raw_number(found.salvage()[0], raw))
    else:
        story.show_run(found, protocol=protocol if pictures else "none", as_json=as_json)
    return 0


@app.command()
@guarded
def diff(a: RunName, b: RunName, runs: o.Runs = None, as_json: o.Json = False) -> int:
    """Tell what differs between two runs, down to the pixels.

    Exit code 0 if nothing differs, else 1.
    """
    from agent import config
    from agent.cli import story
    from agent.trace import find_run
    from agent.trace.compare import compare
    from agent.trace.view import view

    root = config.load({"runs": runs}).runs
    first, second = find_run(root, a), find_run(root, b)
    found = compare(view(first), view(second))
    story.show_comparison(first, second, found, as_json=as_json)
    return 0 if found.same else 1


@app.command()
@guarded
def report(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|DIR", help="A run (id, its beginning or end, last), or a folder of runs."
        ),
    ] = "last",
    output: Annotated[str, typer.Option("--output", "-o", help="The page to write.")] = "report.html",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file even if it is no report of reedit.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Pictures bit for bit, as PNG; large ones are JPEG otherwise.")
    ] = False,
    tag: Tags = None,
    text: ByText = None,
    since: Since = None,
    until: Until = None,
    runs: o.Runs = None,
    as_json: o.Json = False,
) -> int:
    """Make a page for the browser: of one run, or a gallery of a folder.

    One run becomes one self-contained file. A folder becomes a page with thumbnails and a page per run in
    NAME.files beside it. Both work from disk, without a network.

    Example:  reedit trace report runs/ -o report.html
    """
    from agent.cli import listing, reports
    from agent.trace.index import Filter

    wanted = Filter(listing.tags(tag), text=text, since=listing.moment(since), until=listing.moment(until))
    reports.write(what, output, runs, wanted, exact=exact, overwrite=overwrite, as_json=as_json)
    return 0


@app.command()
@guarded
def serve(
    folder: Annotated[str | None, typer.Argument(help="Folder of runs. [default: runs]")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 = a free one.")] = 8765,
) -> int:
    """Show a growing folder of runs live in the browser.

    On 127.0.0.1 only, until Ctrl-C.
    """
    from agent.cli import reports

    reports.serve(folder, port)
    return 0


@app.command(cls=Sections)
@guarded
def replay(
    run: RunName = "last",
    reasoner: Annotated[
        str | None,
        typer.Option(help="recorded: the replies of the trace; or builtin, vlm. [default: as it was]"),
    ] = None,
    editor: Annotated[str | None, typer.Option(help="Another editor. [default: as it was]")] = None,
    from_round: Annotated[
        int | None,
        typer.Option(min=1, help="Take what came before this round from the trace; 1 keeps the plan."),
    ] = None,
    prompts: o.Prompts = None,
    rounds: o.Rounds = None,
    seed: o.Seed = None,
    photo: Annotated[str | None, typer.Option(help="The photo, if it is not where it was.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Also write the picture. [default: only the trace]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
    runs: o.Runs = None,
    keep: o.Keep = None,
    vlm_url: o.VlmUrl = None,
    vlm_model: o.VlmModel = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Do a run again, and tell what came out differently.

    As it was, or with something changed. Exit code 0 if nothing differs, else 1.

    Example:  reedit trace replay last --reasoner recorded
    """
    from agent.cli import replays
    from agent.replay import Wish

    flags = {
        "reasoner": reasoner, "editor": editor, "prompts": prompts, "rounds": rounds, "seed": seed, "runs": runs,
        "keep": keep, "vlm_url": vlm_url, "vlm_model": vlm_model,
    }  # fmt: skip
    wish = Wish(flags, photo, output, overwrite, from_round)
    return replays.show(run, wish, as_json=as_json, quiet=quiet)


@app.command()
@guarded
def export(
    what: Annotated[
        str | None,
        typer.Argument(metavar="DIR|RUN", help="A folder of runs, or one run. [default: all runs]"),
    ] = None,
    form: Annotated[
        Literal["thinking-pairs", "reflection-triples", "sharegpt", "eval"],
        typer.Option("--format", help="What to make of the runs."),
    ] = "thinking-pairs",
    output: Annotated[str, typer.Option("--output", "-o", help="Folder to write.")] = "data",
    test_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the photos that go into test.jsonl.")
    ] = 0.1,
    layout: Annotated[
        Literal["gedit", "imgedit", "kris"], typer.Option(help="Folder layout of --format eval.")
    ] = "gedit",
    name: Annotated[str, typer.Option(help="Name of the model in the folders of --format eval.")] = "reedit",
    manifest: Annotated[
        str | None,
        typer.Option(help="JSONL with image, instruction and the benchmark's fields, for --format eval."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")
    ] = False,
    tag: Tags = None,
    editor: ByEditor = None,
    reasoner: ByReasoner = None,
    text: ByText = None,
    since: Since = None,
    until: Until = None,
    min_score: MinScore = None,
    runs: o.Runs = None,
    as_json: o.Json = False,
) -> int:
    """Make training data, or the output folders of a benchmark.

    Example:  reedit trace export runs/ --format reflection-triples --tag Success -o data/
    """
    from agent.cli import exports, listing
    from agent.trace.index import Filter

    wanted = Filter(
        listing.tags(tag), editor, reasoner, text, listing.moment(since), listing.moment(until), min_score
    )
    chosen = exports.runs_of(what, runs, wanted)
    if form == "eval":
        exports.evaluation(chosen, layout, output, name, manifest, overwrite=overwrite, as_json=as_json)
    else:
        exports.training(chosen, form, output, test_share, overwrite=overwrite, as_json=as_json)
    return 0


@app.command()
@guarded
def verify(
    output: Annotated[str, typer.Argument(help="A file that reedit may have written.")],
    runs: o.Runs = None,
    as_json: o.Json = False,
) -> int:
    """Say whether a file comes from a run here, unchanged. Exit code 0 if so, else 1."""
    from agent.cli import housekeeping

    return housekeeping.verify(output, runs, as_json=as_json)


@app.command()
@guarded
def sign(
    image: Annotated[str, typer.Argument(help="A file that reedit wrote, unchanged.")],
    cert: Annotated[str, typer.Option(help="PEM file with the certificate chain, the signer's own first.")],
    key: Annotated[str, typer.Option(help="PEM file with the private key (PKCS 8; P-256 or Ed25519).")],
    output: Annotated[str, typer.Option("--output", "-o", help="The signed copy.")],
    tsa: Annotated[
        str | None, typer.Option(help="URL of a time stamp server. [default: none is asked]")
    ] = None,
    runs: o.Runs = None,
) -> int:
    """Write a copy with a signed C2PA manifest of what the run did. Needs the extra c2pa."""
    from agent.cli import housekeeping

    housekeeping.sign(image, output, cert, key, tsa, runs)
    return 0


@app.command()
@guarded
def prune(
    older_than: Annotated[
        str | None, typer.Option(help="Delete runs begun before then: 2026-11-21, or an age: 12h, 30d, 8w.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(help="Delete the oldest runs until so much is left: 500MB, 10GB.")
    ] = None,
    images: Annotated[
        Literal["all", "best"],
        typer.Option(
            help="best: of the runs that stay, keep only the pictures of source and delivered round."
        ),
    ] = "all",
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs: o.Runs = None,
    as_json: o.Json = False,
) -> int:
    """Make room: delete old runs, or pictures that were not delivered. Asks first."""
    from agent.cli import housekeeping

    return housekeeping.prune(
        runs, older_than, max_size, best_only=images == "best", dry_run=dry_run, yes=yes, as_json=as_json
    )
