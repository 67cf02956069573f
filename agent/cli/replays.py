"""`reedit trace replay`: run it, then say what differs."""

from __future__ import annotations

from rich.text import Text

from agent import config
from agent.cli.progress import watch
from agent.cli.render import outcome_record, page, print_json
from agent.cli.story import comparison_record, tell_comparison
from agent.replay import Replayed, Wish, replay
from agent.trace import Run, find_run
from editor.photo import printable


def show(name: str, wish: Wish, *, as_json: bool, quiet: bool) -> int:
    """Replay and report; exit code 0 if nothing differs."""
    settings = config.load({"runs": wish.flags.get("runs")})
    run = find_run(settings.runs, name)
    with watch(settings.rounds, quiet=quiet or as_json) as notify:
        made = replay(run, wish, notify)
    if as_json:
        record = comparison_record(run, made.run, made.comparison)
        print_json(record | {"notes": made.notes, "outcome": outcome_record(made.outcome)})
    else:
        _tell(run, made)
    return 0 if made.comparison.same else 1


def _tell(run: Run, made: Replayed) -> None:
    out = page()
    out.print(Text.assemble(("a  ", "bold"), printable(run.id), ("   b  ", "bold"), printable(made.run.path)))
    for note in made.notes:
        out.print(Text(f"note  {printable(note)}", style="yellow"))
    for part in tell_comparison(made.comparison):
        out.print(part, soft_wrap=not out.is_terminal)
    if made.outcome.output is not None:
        out.print(Text(f"written to {printable(made.outcome.output)}"))
