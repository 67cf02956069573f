"""What works on this machine, what is missing, and the line that fixes it."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from agent.cli.render import page, print_json
from agent.config import FILE, Settings, user_file
from editor import EDITORS
from editor.base import Check

EXTRAS = {
    "vlm": ("openai", "jinja2"),
    "diffusion": ("torch", "diffusers", "transformers"),
    "quantize": ("bitsandbytes",),
    "vllm": ("vllm",),
    "ray": ("ray",),
    "s3": ("s3fs",),
    "gs": ("gcsfs",),
    "heic": ("pillow_heif",),
    "c2pa": ("c2pa",),
}
"""extra -> the modules it brings."""


def show(settings: Settings, *, as_json: bool) -> int:
    """Print all checks; exit code 1 when something the configured run needs is missing."""
    checks = list(run_checks(settings))
    bad = [check for check in checks if check.needed and not check.ok]
    if as_json:
        print_json({"ok": not bad, "checks": [asdict(check) for check in checks]})
    else:
        _print(checks)
    return 1 if bad else 0


def _print(checks: list[Check]) -> None:
    """A line each; the line that mends it whole on one of its own, to be copied."""
    out = page()
    wide = max(len(check.name) for check in checks)
    indent = " " * (len("missing") + wide + 4)
    for check in checks:
        mark, style = ("ok", "green") if check.ok else ("missing", "red" if check.needed else "yellow")
        room = max(20, out.width - len(indent)) if out.is_terminal else 10_000
        first, *more = textwrap.wrap(check.message, room, break_on_hyphens=False) or [""]
        out.print(
            Text.assemble((f"{mark:<9}", style), (f"{check.name:<{wide}}  ", "bold"), first), soft_wrap=True
        )
        for line in more:
            out.print(Text(indent + line), soft_wrap=True)
        if check.fix:
            out.print(Text(indent + check.fix, "cyan"), soft_wrap=True)


def run_checks(settings: Settings) -> Iterator[Check]:
    """All checks, cheap ones first. Nothing heavy is imported, nothing is loaded onto a GPU."""
    yield Check("python", sys.version_info >= (3, 11), platform.python_version(), needed=True)
    files = [str(path) for path in (user_file(), Path.cwd() / FILE) if path.is_file()]
    yield Check("settings", True, ", ".join(files) or "defaults (no reedit.yaml)")
    writable = _writable(settings.runs)
    yield Check(
        "run folders", writable, str(settings.runs), "" if writable else "choose --runs DIR", needed=True
    )
    yield from _pictures()
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        needed = extra == "vlm" and settings.reasoner == "vlm"
        message = f"missing {', '.join(missing)}" if missing else "installed"
        yield Check(
            f"extra {extra}",
            not missing,
            message,
            f'pip install "reedit[{extra}]"' if missing else "",
            needed,
        )
    yield from _vlm(settings)
    if settings.editor_url:
        from editor import remote

        for check in remote.checks(
            settings.editor_url, settings.editor_model, os.environ.get(remote.KEY_VARIABLE)
        ):
            yield replace(check, needed=True)
    yield _gpu()


def _pictures() -> Iterator[Check]:
    from PIL import features

    for name, codec in (
        ("JPEG", "jpg"),
        ("WebP", "webp"),
        ("AVIF", "avif"),
        ("TIFF", "libtiff"),
        ("ICC", "littlecms2"),
    ):
        good = bool(features.check(codec))
        yield Check(
            name, good, "supported" if good else "this Pillow was built without it", needed=name == "JPEG"
        )
    from editor.base import CannotDo
    from editor.builtin.ops import text

    try:
        path, _ = text.font_for("汉")
        yield Check("Chinese glyphs", True, path)
    except CannotDo as error:
        yield Check("Chinese glyphs", False, str(error), "apt install fonts-noto-cjk   (or any CJK font)")


def _vlm(settings: Settings) -> Iterator[Check]:
    """The server of the vlm reasoner: address, model, eyes, structured output."""
    if any(importlib.util.find_spec(name) is None for name in EXTRAS["vlm"]):
        return
    from agent.vlm.checks import checks
    from agent.vlm.wire import KEY_VARIABLE

    needed = settings.reasoner == "vlm"
    for check in checks(settings.vlm_url, settings.vlm_model, os.environ.get(KEY_VARIABLE)):
        # a server that does not enforce the form of a reply can be used
        optional = check.name in ("VLM JSON schema", "VLM regular expression")
        yield replace(check, needed=needed and not optional)


def _gpu() -> Check:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Check("GPU", False, "no NVIDIA driver found; the built-in editor needs none")
    import subprocess

    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Check("GPU", False, f"nvidia-smi failed: {error}")
    return Check("GPU", bool(said.strip()), "; ".join(said.strip().splitlines()) or "none")


def _writable(folder: Path) -> bool:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK)


@dataclass(frozen=True, slots=True)
class EditorRow:
    """One line of `reedit editors`.

    family: what it runs. mask: exact, or how the model is limited to it before the rest is put back bit for bit.
    sizes: any, or what is repainted at once, whatever the photo's size.
    """

    name: str
    family: str
    mask: str
    sizes: str
    ready: bool
    status: str
    fix: str
    abilities: str


def show_editors(*, as_json: bool) -> None:
    """The editors by name: what they run, what is missing, and the line that brings it."""
    rows = list(editor_rows())
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    out = page()
    tables = (_editor_table(rows, family) for family in (str, _without_owner))
    unlimited = out.options.update(width=1000)
    fitting = (table for table in tables if out.measure(table, options=unlimited).maximum <= out.width)
    out.print(next(fitting, None) or _editor_table(rows, None))
    fixes: dict[str, list[str]] = {}
    for row in rows:
        if row.fix:
            fixes.setdefault(row.fix, []).append(row.name)
    for fix, names in fixes.items():
        out.print(Text.assemble(f"\n{', '.join(names)}:\n    ", (fix, "cyan")), soft_wrap=True)
    if line := _quantize_line():
        out.print(Text("\n--quantize 4bit:\n    "), Text(line, "cyan"), sep="")
    out.print("\nThe folder of a diffusers model, or its name on the hub, is an editor too: --editor DIR")


def _editor_table(rows: list[EditorRow], family: Callable[[str], str] | None) -> Table:
    """One line an editor. family: how its family is written; None leaves it out."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "mask", "sizes", "status", *(("family",) if family else ())):
        table.add_column(column, no_wrap=True)
    for row in rows:
        status = Text(row.status, "green" if row.ready else "yellow")
        table.add_row(row.name, row.mask, row.sizes, status, *((family(row.family),) if family else ()))
    return table


def _without_owner(family: str) -> str:
    return re.sub(r"^[\w.-]+/", "", family)


def _quantize_line() -> str:
    """What installs bitsandbytes where diffusion models can run, "" when it is there."""
    from editor.diffusion import loading, quantize

    absent = importlib.util.find_spec("bitsandbytes") is None
    return quantize.INSTALL if absent and not loading.missing_modules() else ""


def editor_rows() -> Iterator[EditorRow]:
    """Every editor in the table. Nothing heavy is imported and nothing is asked of a network."""
    from editor import families, make

    diffusion = {family.name: family for family in families()}
    for name in EDITORS:
        if name in diffusion:
            yield _diffusion_row(diffusion[name])
            continue
        family, mask, sizes, fix = _OTHER_EDITORS[name]
        status = "ready" if not fix else "no address"
        yield EditorRow(name, family, mask, sizes, not fix, status, fix, make(name).abilities)


_OTHER_EDITORS = {
    "builtin": ("classical operations", "exact", "any", ""),
    "auto": ("builtin, else a model", "exact", "any", ""),
    "remote": ("POST /v1/images/edits", "inpaint", "1 MP", "--editor-url URL"),
}
"""name -> family, mask, sizes, and the option without which it does nothing."""


def _diffusion_row(family: Any) -> EditorRow:
    from editor.diffusion import hub, loading

    mask = "inpaint" if family.inpaints else "composite"
    missing = loading.missing_modules()
    held = hub.in_cache(family.model, family.revision, loading.INDEX)
    if missing:
        status, fix = "not installed", loading.INSTALL
    elif not family.revision:
        status, fix = "no weights", "none are published yet; a folder of them goes to --editor-model"
    elif not held:
        status, fix = "no weights", hub.download(family.model, family.revision)
    else:
        status, fix = "ready", ""
    return EditorRow(
        family.name,
        family.model,
        mask,
        "1 MP",
        not fix,
        status,
        fix,
        family.abilities,
    )
