"""`reedit trace verify`, `sign` and `prune`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from agent import config, provenance
from agent.cli.boundary import say
from agent.cli.listing import moment
from agent.cli.render import print_json
from agent.errors import TraceError, UsageError
from agent.trace import prune as pruning
from editor.photo import printable

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?))?B?", re.IGNORECASE)


def verify(output: str, runs: str | None, *, as_json: bool) -> int:
    """Print what is known of a file; exit code 0 if it is unchanged."""
    found = provenance.verify(Path(output), config.load({"runs": runs}).runs)
    if as_json:
        print_json({
            "ok": found.state == "unchanged", "state": found.state, "message": found.message,
            "run": None if found.run is None else found.run.id, "difference": found.difference,
        })  # fmt: skip
    else:
        more = "" if found.difference is None else f" (mean difference {found.difference:g} of 255)"
        print(f"{found.state}: {printable(found.message)}{more}")
    return 0 if found.state == "unchanged" else 1


def sign(image: str, output: str, cert: str, key: str, tsa: str | None, runs: str | None) -> None:
    """Sign a file that a run wrote."""
    found = provenance.verify(Path(image), config.load({"runs": runs}).runs)
    if found.run is None:
        raise TraceError(found.message)
    provenance.sign(Path(image), Path(output), found.run, Path(cert), Path(key), tsa=tsa)
    say(f"{printable(output)}: signed, made by run {printable(found.run.id)}")


def prune(
    runs: str | None,
    older_than: str | None,
    max_size: str | None,
    *,
    best_only: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Say what would go, ask, and delete it. Exit code 1 when the answer is no."""
    if older_than is None and max_size is None and not best_only:
        raise UsageError("Say what to delete: --older-than, --max-size or --images best.")
    root = config.load({"runs": runs}).runs
    limit = None if max_size is None else _bytes(max_size)
    found = pruning.plan(root, before=moment(older_than), max_bytes=limit, best_only=best_only)
    whole = [one for one in found if one.whole]
    size = sum(one.size for one in found)
    words = f"{len(whole):,} runs and {len(found) - len(whole):,} pictures, {size / 1e6:,.1f} MB"
    done = bool(found) and not dry_run
    if done and not yes:
        done = _agreed(f"Delete {words} in {printable(root)}?")
    freed = pruning.remove(root, found) if done else 0
    if as_json:
        removed = [printable(one.path) for one in found]
        print_json({"ok": True, "deleted": done, "found": removed, "bytes": size, "freed": freed})
    else:
        say(f"{'deleted' if done else 'would delete' if found else 'nothing to delete:'} {words}")
    return 0 if done or dry_run or not found else 1


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("Not asked, because there is no terminal; --yes deletes without asking.")
    print(f"reedit: {question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"Not a size: {text!r}. Write 500MB or 10GB.")
    power = "KMGT".index(found[2].upper()) + 1 if found[2] else 0
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)
