"""Where errors become one line on stderr and an exit code, and where the standard streams are made safe to use."""

from __future__ import annotations

import _thread
import codecs
import functools
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn, ParamSpec, TextIO

Params = ParamSpec("Params")

INTERRUPTED = 130
"""128 + SIGINT, as a shell has it."""
AGAIN_SECONDS = 0.01
PIPE_CLOSED = 141
"""128 + SIGPIPE: the reader of stdout went away."""


_DRAWN = str.maketrans({"←": "<-", "…": "...", "“": '"', "”": '"', "█": "#"} | dict.fromkeys("▏▎▍▌▋▊▉", "|"))
"""What reedit itself writes beyond ASCII, for terminals that have no more."""


def open_streams() -> None:
    """Make stdout and stderr usable whatever the shell gave: closed ones swallow, what they cannot encode is escaped.

    A closed descriptor is filled first, or the next file that is opened, such as the photo, would become stdout.
    """
    codecs.register_error("reedit", _escaped)
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="reedit")


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """A codec's error handler: a plain sign where there is one, else an escape."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_DRAWN)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def run(program: Callable[[], int | None]) -> NoReturn:
    """Run the whole command line and exit; for what happens outside of a command, such as wrong usage."""
    try:
        code = program() or 0
        sys.stdout.flush()
        if code == INTERRUPTED:  # typer's own answer to Ctrl-C while it reads the options
            raise KeyboardInterrupt
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        code = conclude(error, as_json="--json" in sys.argv)
    finally:
        # all is told: what comes now could only make the exit code wrong
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.freeze()  # or the interpreter's last collection walks through all of torch, for three seconds
    sys.exit(code)


def guarded(command: Callable[Params, int | None]) -> Callable[Params, None]:
    """Wrap a command: it returns an exit code; what it raises is told in one line, never as a traceback."""

    @functools.wraps(command)
    def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> None:
        _listen()
        try:
            code = command(*args, **kwargs) or 0
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            code = conclude(error, as_json=bool(kwargs.get("as_json")))
        sys.exit(code)

    return wrapper


def conclude(error: BaseException, *, as_json: bool) -> int:
    """Tell what ended a command, on stderr and (with --json) as an object on stdout; returns the exit code."""
    if isinstance(error, BrokenPipeError):  # `reedit trace list | head`
        _abandon(sys.stdout)
        return PIPE_CLOSED
    if _interrupted(error):
        name, message, code = "Interrupted", "interrupted", INTERRUPTED
        say(message)
    elif hasattr(error, "show") and hasattr(error, "format_message"):
        # typer's: wrong usage
        name, message, code = "UsageError", error.format_message(), error.exit_code  # type: ignore[attr-defined]
        with suppress(OSError):
            error.show()
    else:
        message, code = _explained(error)
        name = type(error).__name__
        say(f"error: {message}")
    if as_json:
        record = {"ok": False, "error": name, "message": message, "exit_code": code}
        try:
            print(json.dumps(record), flush=True)
        except OSError:
            _abandon(sys.stdout)
    return code


def _interrupted(error: BaseException) -> bool:
    """Whether it is Ctrl-C, or came of one: Python 3.11 wraps what is raised while a class is being made."""
    chain: BaseException | None = error
    seen: set[int] = set()
    while chain is not None and id(chain) not in seen:
        if isinstance(chain, KeyboardInterrupt):
            return True
        seen.add(id(chain))
        chain = chain.__cause__ or chain.__context__
    return False


def _explained(error: BaseException) -> tuple[str, int]:
    """The message for an error, on one line, and the exit code."""
    from agent.errors import ReeditError
    from editor.photo import printable

    code = error.exit_code if isinstance(error, ReeditError) else 1
    if isinstance(error, ReeditError):
        message = str(error)
    elif isinstance(error, MemoryError):
        message = "out of memory; try a smaller photo or --max-megapixels"
    elif os.environ.get("REEDIT_TEST_TRACEBACK"):
        raise error
    elif isinstance(error, FileNotFoundError) and error.filename is None:  # nothing was named: os.getcwd
        message = "the current folder is gone; change to another one"
    elif isinstance(error, OSError) and error.strerror:  # the machine, not reedit: a full disk behind stdout
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror}"
        if error.filename is None:
            _abandon(sys.stdout)
    else:
        message = f"internal error: {type(error).__name__}: {error} ({_innermost(error)}); please report it"
    return " ".join(printable(message).split()), code


def say(line: str) -> None:
    """One plain line for people on stderr."""
    tell(f"reedit: {line}")


def tell(line: str) -> None:
    """A line on stderr as it is. When stderr takes no more, what is told is lost, and nothing else."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _abandon(sys.stderr)


def _abandon(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere, or Python would complain of it at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"  # noqa: PTH119


_signalled = False
_later: threading.Timer | None = None
"""Raises an interrupt that came at the import locks."""


def _listen() -> None:
    """SIGTERM ends a command as Ctrl-C does. Python's own handler is replaced by one that remembers."""
    global _signalled
    _signalled = False
    signal.signal(signal.SIGTERM, _interrupt)
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # not when a script started us without it
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; a moment later when Python is at its import locks.

    There it can swallow what is raised and keep the lock, and whoever imports in another thread waits for ever.
    """
    global _signalled, _later
    _signalled = True
    if frame is None or not frame.f_code.co_filename.startswith("<frozen importlib"):
        raise KeyboardInterrupt
    _later = threading.Timer(AGAIN_SECONDS, _thread.interrupt_main, (number,))
    _later.start()


def heed() -> None:
    """Raise KeyboardInterrupt if one was raised before: compiled modules swallow those that come while they load."""
    if _signalled:
        if _later is not None:  # or it would come twice, and the second one while the trace is closed
            _later.cancel()
            _later.join()
        raise KeyboardInterrupt
