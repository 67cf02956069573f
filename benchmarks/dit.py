"""Every diffusion family at its real size with random weights: seconds, TFLOP/s and memory of steps and of edits.

    python -m benchmarks.dit --list                        sizes and counted work; needs no GPU
    python -m benchmarks.dit --family qwen-image-edit      all rows of one family, on a GPU
    python -m benchmarks.dit --tiny --device cpu           that it runs; the numbers mean nothing

Steps: the transformer alone at 1024 x 1024 with one reference picture; two passes with classifier-free guidance, one
without. Work is counted by torch's FlopCounterMode, a multiply and an add as two; the machine's rate is that of an
8192 x 8192 matrix product in the same run. `plain` is diffusers as it comes.

Edits: what `reedit apply` waits for once the model is loaded: words and photo encoded, every step, decoded, and put
back at the photo's size, the photo and the words new each time. `balanced` skips work by what is in the picture;
random weights cannot show how much, so its row says how many passes were computed and is no promise.

Rows that do not fit into --budget seconds are left out, and said so.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import editor as editors
from benchmarks import models
from editor.base import EditError, EditRequest
from editor.diffusion import caches, loading, quantize, speed, words
from editor.diffusion.base import AREA, Loaded, Options

LATENT = 64
"""Side of the packed latent at 1024 x 1024: 16 pixels a token."""
MATRIX = 8192
BUDGET = 540.0
"""Seconds after which no new row is begun."""
STEPS = ("plain", "exact", "fp8")
EDITS = ("plain", "exact", "fast", "fast fp8", "balanced", "exact fp8")
"""In the order they are measured: the others are compared with the first, and what time may cut off comes last."""
SENTENCE = "Make it a quiet evening in late autumn, with wet leaves."

Inputs = Callable[[Any, int, Any, Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Family:
    """A transformer class of diffusers with its real and its tiny size. text: tokens of a usual step."""

    transformer: str
    real: dict[str, Any]
    tiny: dict[str, Any]
    text: int
    inputs: Inputs


def _noise(device: Any, dtype: Any) -> Callable[..., Any]:
    return lambda *shape: torch.randn(*shape, device=device, dtype=dtype)


def _qwen(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    noise = _noise(device, dtype)
    return {
        "hidden_states": noise(1, 2 * LATENT**2, config.in_channels), "timestep": noise(1).abs(),
        "encoder_hidden_states": noise(1, text, config.joint_attention_dim), "encoder_hidden_states_mask": None,
        "img_shapes": [[(1, LATENT, LATENT)] * 2],
    }  # fmt: skip


def _flux(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    noise = _noise(device, dtype)
    return {
        "hidden_states": noise(1, 2 * LATENT**2, config.in_channels), "timestep": noise(1).abs(),
        "guidance": noise(1).abs(), "pooled_projections": noise(1, config.pooled_projection_dim),
        "encoder_hidden_states": noise(1, text, config.joint_attention_dim),
        "txt_ids": torch.zeros(text, 3, device=device), "img_ids": torch.zeros(2 * LATENT**2, 3, device=device),
    }  # fmt: skip


def _flux2(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    noise = _noise(device, dtype)
    return {
        "hidden_states": noise(1, 2 * LATENT**2, config.in_channels), "timestep": noise(1).abs(), "guidance": None,
        "encoder_hidden_states": noise(1, text, config.joint_attention_dim),
        "txt_ids": torch.zeros(1, text, 4, device=device), "img_ids": torch.zeros(1, 2 * LATENT**2, 4, device=device),
    }  # fmt: skip


def _zimage(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    noise = _noise(device, dtype)
    return {
        "x": [noise(config.in_channels, 1, 2 * LATENT, 2 * LATENT)], "t": noise(1).abs(),
        "cap_feats": [noise(text, config.cap_feat_dim)],
    }  # fmt: skip


def _longcat(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    inputs = _flux(config, text, device, dtype)
    del inputs["pooled_projections"]
    return inputs | {"guidance": None}


# Real sizes: transformer/config.json of the published models, which are the classes' defaults where nothing is given.
FAMILIES = {
    "qwen-image-edit": Family(
        "QwenImageTransformer2DModel",
        {"zero_cond_t": True},
        {"num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2, "joint_attention_dim": 32,
         "axes_dims_rope": (8, 4, 4)},
        256, _qwen,
    ),
    "flux-kontext": Family(
        "FluxTransformer2DModel",
        {"guidance_embeds": True},
        {"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
         "joint_attention_dim": 32, "pooled_projection_dim": 32, "guidance_embeds": True,
         "axes_dims_rope": (4, 4, 8)},
        512, _flux,
    ),
    "flux2-klein": Family(
        "Flux2Transformer2DModel",
        {"num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24, "joint_attention_dim": 7680,
         "guidance_embeds": False},
        {"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
         "joint_attention_dim": 48, "timestep_guidance_channels": 32, "guidance_embeds": False,
         "axes_dims_rope": (4, 4, 4, 4)},
        512, _flux2,
    ),
    "z-image": Family(
        "ZImageTransformer2DModel",
        {},
        {"dim": 32, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2, "cap_feat_dim": 16,
         "axes_dims": [8, 4, 4], "axes_lens": [1024, 128, 128]},
        128, _zimage,
    ),
    "longcat-image-edit": Family(
        "LongCatImageTransformer2DModel",
        {"num_layers": 10, "num_single_layers": 20},
        {"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
         "joint_attention_dim": 32, "pooled_projection_dim": 32, "axes_dims_rope": [4, 4, 8]},
        512, _longcat,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how it is measured. rate: FLOP/s of a matrix product there."""

    tiny: bool
    device: Any
    dtype: Any
    rate: float
    repeats: int


def build(family: Family, *, tiny: bool, device: Any, dtype: Any) -> Any:
    """The transformer with random weights, made on the device itself."""
    import diffusers

    with models.born_on(device, dtype):
        return getattr(diffusers, family.transformer)(**(family.tiny if tiny else family.real)).eval()


def forward(transformer: Any, family: Family, device: Any, dtype: Any) -> Callable[[], Any]:
    """One forward pass, ready to be called."""
    inputs = family.inputs(transformer.config, family.text, device, dtype)
    return lambda: transformer(**inputs, return_dict=False)


def count(run: Callable[[], Any]) -> int:
    """Floating point operations of one call."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def seconds(run: Callable[[], Any], device: Any, repeats: int) -> float:
    """The median of several calls, after two that compile and warm up."""
    times = []
    with torch.no_grad():
        for _ in range(repeats + 2):
            _wait(device)
            began = time.perf_counter()
            run()
            _wait(device)
            times.append(time.perf_counter() - began)
    return sorted(times[2:])[repeats // 2]


def matmul_rate(device: Any, dtype: Any, size: int) -> float:
    """FLOP/s of a square matrix product on this machine."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: a @ b, device, 10)


def step_row(name: str, kind: str, here: Setting, plain: float | None) -> tuple[list[str], float]:
    """Cells of the table of steps for one of STEPS, and the seconds of a step. plain: those of the row `plain`."""
    family, exact = FAMILIES[name], family_of(name).presets["exact"]
    transformer = build(family, tiny=here.tiny, device=here.device, dtype=here.dtype)
    run = forward(transformer, family, here.device, here.dtype)
    work = count(run)
    done = _prepare(transformer, kind, here.device)
    _forget_peak(here.device)
    passes = 2 if family_of(name).guided_twice and exact.guidance > 1 else 1
    step = passes * seconds(run, here.device, here.repeats)
    achieved = passes * work / step
    faster = "" if plain is None else f"{plain / step:.2f}"
    cells = [
        name, kind, f"{step:.4f}", str(passes), f"{achieved / 1e12:.1f}", f"{achieved / here.rate:.0%}", faster,
        _peak(here.device), _said(done, transformer),
    ]  # fmt: skip
    return cells, step


STEP_HEAD = (
    "family", "preset", "s a step", "passes", "TFLOP/s", "of matmul", "x plain", "peak GiB", "switched on",
)  # fmt: skip


def _prepare(transformer: Any, kind: str, device: Any) -> list[str]:
    """Do to a transformer what the editor would; says what."""
    if kind == "plain":
        transformer.set_attention_backend("native")  # what another row chose holds for the whole process
        return []
    done, method = [], _method(kind)
    if method != "none":
        done.append(quantize.convert(transformer, method, device))
    if device.type == "cuda":
        done += speed.accelerate(transformer, device, compiled=quantize.compiles(method, device))
    return done


def _said(done: Iterable[str], transformer: Any) -> str:
    """What was switched on and held to the end, and why blocks could not be compiled."""
    fault = speed.compilation_fault(transformer)
    held = (*speed.in_use(done, transformer), fault and f"NOT COMPILED: {fault[:200]}")
    return ", ".join(filter(None, held)) or "nothing"


def _method(kind: str) -> quantize.Method:
    return "fp8" if kind.endswith("fp8") else "none"


def edit_row(name: str, kind: str, here: Setting, plain: float | None) -> tuple[list[str], float]:
    """Cells of the table of edits for one of EDITS, and the seconds of an edit."""
    editor, loaded, passes = held_editor(name, kind, here)
    short = type(editor)(replace(editor.options, steps=2))
    requests = _requests(256 if here.tiny else 1024)
    short.edit(next(requests))  # compiles and warms up
    _forget_peak(here.device)
    passes.clear()
    steps, times = editor.options.steps or loaded.preset.steps, []
    for _ in range(3 if steps <= 10 else 1):
        began = time.perf_counter()
        editor.edit(next(requests))
        times.append(time.perf_counter() - began)
    edit = sorted(times)[len(times) // 2]
    faster = "" if plain is None else f"{plain / edit:.2f}"
    share = f"{passes['computed'] // len(times)} of {passes['asked'] // len(times)}"
    cells = [
        name, kind, f"{edit:.2f}", str(steps), share, faster, _peak(here.device),
        _said((loaded.quantized, *loaded.done), loaded.pipe.transformer),
    ]  # fmt: skip
    return cells, edit


EDIT_HEAD = (
    "family", "preset", "s an edit", "steps", "passes computed", "x plain", "peak GiB", "switched on",
)  # fmt: skip


def held_editor(name: str, kind: str, here: Setting) -> tuple[Any, Loaded, Counter[str]]:
    """The family's editor around a pipeline with random weights, prepared as a loaded one is; and its passes.

    The adapter of `fast` is merged into the weights, where it takes no work: random weights stand for both.
    """
    family, preset = family_of(name), "exact" if kind == "plain" else kind.removesuffix(" fp8")
    transformer = build(FAMILIES[name], tiny=here.tiny, device=here.device, dtype=here.dtype)
    pipe = models.pipeline(name, transformer, tiny=here.tiny, device=here.device, dtype=here.dtype)
    how, method = family.presets[preset], _method(kind)
    done, quantized = [], ""
    if kind == "plain":
        transformer.set_attention_backend("native")  # what another row chose holds for the whole process
    else:
        family().prepare(pipe)
        quantized = quantize.apply(pipe, method, here.device)
        compiled = quantize.compiles(method, here.device)
        done = speed.apply(pipe, replace(how, cache=0.0), here.device, compiled=compiled)
    passes = _counted(transformer)  # between the compiled blocks and the cache, which skips them
    if how.cache and kind != "plain":
        done.append(caches.enable(transformer, how.cache))
    words.remember(pipe)
    model = loading.Model("random weights", Path())
    loaded = Loaded(pipe, model, how, here.device, "full", "benchmark", done, quantized)
    held = type("Held", (family,), {"_loaded": lambda self, status=None: loaded})
    options = Options(speed=preset, pixels=256 * 256 if here.tiny else AREA, steps=4 if here.tiny else None)
    return held(options), loaded, passes


def _counted(transformer: Any) -> Counter[str]:
    """How often a transformer is asked from now on, and how often its last block is computed."""
    passes: Counter[str] = Counter()
    last = [part for part in transformer.children() if isinstance(part, torch.nn.ModuleList)][-1][-1]
    transformer.register_forward_pre_hook(lambda *args: passes.update(["asked"]))
    forward = last.forward

    @functools.wraps(forward)
    def counted(*args: Any, **kwargs: Any) -> Any:
        passes.update(["computed"])
        return forward(*args, **kwargs)

    last.forward = counted
    return passes


def _requests(side: int) -> Iterator[EditRequest]:
    """Edits of which no two share words or photo."""
    for number in itertools.count():
        photo = np.random.default_rng(number).integers(0, 255, (side, side, 3), np.uint8)
        yield EditRequest(photo, f"{SENTENCE} {number}", seed=number)


def family_of(name: str) -> Any:
    """The family's class, with its presets, as the editor itself has them."""
    return next(family for family in editors.families() if family.name == name)


def listing(names: Iterable[str]) -> None:
    """Parameters and work of every family at its real size, counted without weights."""
    table = [("family", "parameters", "TFLOP a pass", "PFLOP an edit, exact", "and fast")]
    for name in names:
        family = FAMILIES[name]
        transformer = build(family, tiny=False, device="meta", dtype=torch.bfloat16)
        parameters = sum(p.numel() for p in transformer.parameters())
        tera = count(forward(transformer, family, "meta", torch.bfloat16)) / 1e12
        edits = []
        for preset in (family_of(name).presets[key] for key in ("exact", "fast")):
            passes = 2 if family_of(name).guided_twice and preset.guidance > 1 else 1
            edits.append(f"{preset.steps * passes * tera / 1000:.2f}")
        table.append((name, f"{parameters / 1e9:.1f} B", f"{tera:.1f}", *edits))
    for row in table:
        print(markdown(row))
        if row is table[0]:
            print(markdown("-" * len(cell) for cell in row))


def markdown(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def machine(device: Any, dtype: Any, rate: float) -> str:
    """What the numbers were measured on."""
    import diffusers

    what = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    libraries = f"torch {torch.__version__}, diffusers {diffusers.__version__}"
    if device.type == "cuda":
        libraries += f", CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return f"{what}, {dtype}; {libraries}; matrix product {rate / 1e12:.1f} TFLOP/s"


def table(
    title: str,
    head: tuple[str, ...],
    rows: Iterable[tuple[str, str]],
    measure: Callable[[str, str, Setting, float | None], tuple[list[str], float]],
    here: Setting,
    until: float,
) -> None:
    """Measure and print row by row; a row that fails is told, and the next is measured."""
    print(f"\n{title}\n\n{markdown(head)}\n{markdown('---' for _ in head)}")
    plain: dict[str, float] = {}
    for name, kind in rows:
        if time.perf_counter() > until:
            print(markdown([name, kind, "left out: --budget is used up"]), flush=True)
            continue
        try:
            cells, took = measure(name, kind, here, plain.get(name))
        except (RuntimeError, ValueError, EditError) as error:
            cells, took = [name, kind, f"failed: {str(error).splitlines()[0][:200]}"], 0.0
        if kind == "plain" and took:
            plain[name] = took
        print(markdown(cells), flush=True)
        _release(here.device)


def _wait(device: Any) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _release(device: Any) -> None:
    import gc

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _forget_peak(device: Any) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: Any) -> str:
    return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f}" if device.type == "cuda" else ""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--list", action="store_true", help="sizes and counted work of every family")
    made.add_argument("--family", choices=FAMILIES, action="append", help="only these; repeat for several")
    made.add_argument(
        "--preset", choices=dict.fromkeys(STEPS + EDITS), action="append", help="only these rows"
    )
    made.add_argument("--steps", action="store_true", help="only the table of steps")
    made.add_argument("--edit", action="store_true", help="only the table of whole edits")
    made.add_argument("--tiny", action="store_true", help="tiny models, to see that it runs")
    made.add_argument("--device", default="cuda")
    made.add_argument("--repeats", type=int, default=5, help="of a step; the median counts")
    made.add_argument("--budget", type=float, default=BUDGET, help="seconds after which no row is begun")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    until = time.perf_counter()
    options = parser().parse_args(arguments)
    until += options.budget
    names = options.family or list(FAMILIES)
    if options.list:
        listing(names)
        return 0
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("There is no GPU here. --list counts the work; --tiny --device cpu shows that it runs.")
        return 1
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    rate = matmul_rate(device, dtype, 256 if options.tiny else MATRIX)
    here = Setting(options.tiny, device, dtype, rate, options.repeats)
    print(machine(device, dtype, rate))
    with _canvases(options.tiny):
        _tables(options, names, here, until)
    return 0


def _tables(options: argparse.Namespace, names: list[str], here: Setting, until: float) -> None:
    def rows(kinds: tuple[str, ...]) -> list[tuple[str, str]]:
        wanted = [kind for kind in kinds if not options.preset or kind in options.preset]
        return [(name, kind) for name in names for kind in wanted]

    if options.steps or not options.edit:
        table("Steps of the transformer alone", STEP_HEAD, rows(STEPS), step_row, here, until)
    if options.edit or not options.steps:
        table("Whole edits", EDIT_HEAD, rows(EDITS), edit_row, here, until)


def _canvases(tiny: bool) -> AbstractContextManager[None]:
    if not tiny:
        return nullcontext()
    from tests import tiny_diffusers

    return tiny_diffusers.small_canvas()


if __name__ == "__main__":
    raise SystemExit(main())
