"""What is happening now: one line with a spinner, steps and the editor's own counter. Silent when not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from agent.cli.boundary import heed


@contextmanager
def watch(rounds: int, *, quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Yield a function that takes `agent.loop.Stage`s, shows them on stderr when somebody looks, and heeds Ctrl-C."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage: heed()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("loading", total=None, count="")

        def notify(stage: Any) -> None:
            heed()
            known = stage.total > 0
            bar.update(
                line,
                description=_words(stage, rounds),
                total=stage.total if known else None,
                completed=stage.done,
                count=_count(stage),
            )

        yield notify


def _count(stage: Any) -> str:
    """The editor's own steps; a model's weights are downloaded and loaded before them, which takes minutes."""
    if stage.name == "edit" and stage.total == 0:
        return stage.doing or "preparing"
    return f"{stage.done}/{stage.total}" if stage.total > 1 else ""


def _words(stage: Any, rounds: int) -> str:
    words: str = stage.name
    if stage.name != "think":
        words += f"  round {stage.round + 1} of at most {rounds + 1}"
    if stage.steps > 1:
        words += f"  step {stage.step + 1} of {stage.steps}"
    text = " ".join(stage.text.split())
    return f"{words}  {text[:60]}{'…' if len(text) > 60 else ''}".rstrip()
