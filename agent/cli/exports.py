"""`reedit trace export`: choose the runs, write them, say how many."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from agent import config
from agent.cli.boundary import say
from agent.cli.render import print_json
from agent.cli.reports import chosen_runs, is_folder_of_runs
from agent.errors import TraceError
from agent.evaluation import Layout, export_eval
from agent.export import Format, export
from agent.trace import Run, find_run
from agent.trace.index import Filter
from editor.photo import printable


def runs_of(what: str | None, runs: str | None, wanted: Filter) -> list[Run]:
    """The runs that a folder or a name means; None = all. Raises TraceError when there are none."""
    root = config.load({"runs": runs}).runs
    folder = root if what is None else Path(what)
    one = what is not None and not is_folder_of_runs(folder)
    found = [find_run(root, str(what))] if one else chosen_runs(folder, wanted)
    if not found:
        raise TraceError(f"There are no runs in {folder} that match.")
    return found


def training(
    runs: list[Run], form: Format, output: str, test_share: float, *, overwrite: bool, as_json: bool
) -> None:
    """Write a dataset."""
    made = export(runs, form, Path(output), test_share=test_share, overwrite=overwrite)
    if as_json:
        print_json({"ok": True, "output": printable(output), **asdict(made)})
        return
    say(
        f"{printable(output)}: {made.train:,} for training, {made.test:,} for testing, {made.images:,} pictures"
    )
    if made.duplicates:
        say(f"{made.duplicates:,} duplicates left out")
    for why, count in made.skipped.items():
        say(f"{count:,} left out: {why}")


def evaluation(
    runs: list[Run],
    layout: Layout,
    output: str,
    name: str,
    manifest: str | None,
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the output folder of a benchmark."""
    listed = None if manifest is None else Path(manifest)
    made = export_eval(runs, layout, Path(output), name, manifest=listed, overwrite=overwrite)
    if as_json:
        print_json({"ok": True, "output": printable(output), **asdict(made)})
        return
    say(f"{printable(output)}: {made.written:,} pictures in the layout of {layout}")
    for note in made.notes:
        say(f"left out or scaled: {note}")
