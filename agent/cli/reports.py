"""`reedit trace report` and `reedit trace serve`: choose the runs, write or serve their pages."""

from __future__ import annotations

import contextlib
from pathlib import Path

from agent import config
from agent.cli.boundary import say
from agent.cli.render import print_json
from agent.errors import TraceError, UsageError
from agent.trace import Run, find_run
from agent.trace.index import Filter, rows, select
from editor.photo import printable

_MARK = b'<meta name="generator" content="reedit">'


def write(
    what: str, output: str, runs: str | None, wanted: Filter, *, exact: bool, overwrite: bool, as_json: bool
) -> None:
    """Write the report of a run or of a folder, and say where it is."""
    from agent.report import write_gallery, write_page

    target = Path(output)
    _check_target(target, overwrite)
    try:
        if is_folder_of_runs(Path(what)):
            found = chosen_runs(Path(what), wanted)
            if not found:
                raise TraceError(f"There are no runs in {what} that match.")
            count = write_gallery(found, target)
        else:
            write_page(find_run(config.load({"runs": runs}).runs, what), target, exact=exact)
            count = 1
    except OSError as error:
        raise TraceError(f"Cannot write {output}: {error.strerror or error}") from error
    if as_json:
        print_json({"ok": True, "output": printable(target.absolute()), "runs": count})
    else:
        say(f"{printable(target)}: {count:,} run{'' if count == 1 else 's'}")


def is_folder_of_runs(path: Path) -> bool:
    """Whether a name means a folder of runs rather than one run."""
    return path.is_dir() and not (path / "run.json").is_file()


def chosen_runs(root: Path, wanted: Filter) -> list[Run]:
    """The runs below a folder that pass a filter, oldest first."""
    return [Run(root / row.id) for row in select(rows(root), wanted)]


def serve(folder: str | None, port: int) -> None:
    """Serve until interrupted."""
    from agent import report

    root = config.load({"runs": folder}).runs
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder.")
    server = report.serve(root, port)
    say(f"{printable(root)} at {server.url}   (Ctrl-C ends it)")
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def _check_target(target: Path, overwrite: bool) -> None:
    if overwrite or not target.exists():
        return
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file, such as {target / 'report.html'}.")
    with target.open("rb") as file:
        if _MARK not in file.read(4096):
            raise UsageError(f"{target} exists and is no report of reedit; --overwrite replaces it.")
