"""Where errors become one line on stderr and an exit code."""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec

Params = ParamSpec("Params")


def guarded(command: Callable[Params, int | None]) -> Callable[Params, None]:
    """Wrap a command: it returns an exit code; what it raises is told in one line, never as a traceback."""

    @functools.wraps(command)
    def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> None:
        signal.signal(signal.SIGTERM, _terminate)
        try:
            code = command(*args, **kwargs) or 0
            sys.stdout.flush()
        except KeyboardInterrupt:
            say("interrupted")
            code = 130
        except BrokenPipeError:  # the reader of stdout went away: `reedit trace list | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 141
        except Exception as error:
            code = explain(error, as_json=bool(kwargs.get("as_json")))
        sys.exit(code)

    return wrapper


def explain(error: Exception, *, as_json: bool) -> int:
    """Tell an error, on stderr and (with --json) as an object on stdout; returns the exit code."""
    from agent.errors import ReeditError
    from editor.photo import printable

    if not isinstance(error, ReeditError):
        if isinstance(error, MemoryError):
            message, code = "out of memory; try a smaller photo or --max-megapixels", 1
        elif os.environ.get("REEDIT_TEST_TRACEBACK"):
            raise error
        else:
            where = _innermost(error)
            message = f"internal error: {type(error).__name__}: {error} ({where}); please report it"
            code = 1
    else:
        message, code = str(error), error.exit_code
    message = " ".join(printable(message).split())
    say(f"error: {message}")
    if as_json:
        print(json.dumps({"ok": False, "error": type(error).__name__, "message": message, "exit_code": code}))
    return code


def say(line: str) -> None:
    """One plain line for people on stderr; what the terminal cannot show is escaped."""
    encoding = sys.stderr.encoding or "utf-8"
    print(f"reedit: {line}".encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)


def _innermost(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"  # noqa: PTH119


def _terminate(*_: Any) -> NoReturn:
    raise KeyboardInterrupt
