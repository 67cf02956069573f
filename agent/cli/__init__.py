"""The command line. The only place that turns errors into messages and exit codes."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Entry point of `reedit`; it ends the process."""
    try:
        from agent.cli import boundary

        boundary.open_streams()
    except (KeyboardInterrupt, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        # so early that what usually tells it is not there yet
        try:  # noqa: SIM105 - contextlib takes longer to load than an interrupt to come
            os.write(2, b"reedit: interrupted\n")
        except OSError:
            pass
        sys.exit(130)
    boundary.run(_main)


def _main() -> int | None:
    if sys.argv[1:] in (["--version"], ["-V"]):  # scripts ask often: answered before typer is imported
        from reedit import __version__

        print(f"reedit {__version__}")
        return 0
    gc.set_threshold(100_000, 20, 20)  # importing makes many objects and no garbage
    # Pillow keeps up to 128 MB that decoding used for encoding; fresh pages would have to be cleared
    os.environ.setdefault("PILLOW_BLOCKS_MAX", "8")
    from agent.cli.app import app, without_options

    if sys.argv[1:] in ([], ["--help"], ["-h"]):
        without_options(app)
    code: int | None = app(prog_name="reedit", standalone_mode=False)
    return code
