"""The editor that every family of diffusion models shares; a family's file says what differs.

A family is a subclass: its names and sizes as class attributes, `canvases` and `arguments` as methods. Nothing here
imports torch before the first edit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

import numpy as np

from editor import EDITORS, devices, fidelity
from editor.base import (
    DeviceLost,
    EditError,
    EditorUnavailable,
    EditRequest,
    EditResult,
    Image,
    Mask,
    Status,
    UsageError,
)
from editor.diffusion import hub, loading, lora, memory, quantize, registration, sizing, speed, words
from editor.diffusion.previews import Previews
from editor.pixels import full

AREA = 1 << 20
"""Pixels of the canvas: what every family here was trained at."""
SMALL_MODEL = 1 << 30
"""Bytes of weights up to which a CPU is used without being asked for."""
BLACK, BLANK = 2, 0.5
"""Levels of 255: a picture that is nowhere brighter than BLACK, or varies less than BLANK, is a failed one."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a user can set. model: folder or ORG/NAME[@REVISION], None = the family's own; pixels: of the canvas."""

    model: str | None = None
    device: str = "auto"
    """As editor.devices.parse takes it; of several the first."""
    memory: Literal["auto", "full", "offload", "low"] = "auto"
    quantize: quantize.Method = "none"
    speed: speed.Speed = "exact"
    loras: tuple[lora.Lora, ...] = ()
    steps: int | None = None
    guidance: float | None = None
    negative: str | None = None
    strength: float | None = None
    pixels: int = AREA


@dataclass(frozen=True, slots=True)
class Call:
    """What a family's `arguments` is given for one run of a pipeline. image, mask: PIL pictures of the canvas."""

    image: Any
    mask: Any | None
    prompt: str
    canvas: sizing.Size
    preset: speed.Preset
    steps: int
    guidance: float
    negative: str | None
    strength: float
    pipeline: str


@dataclass(slots=True)
class Loaded:
    """A pipeline in this process, its sibling for masks, and what was done to it."""

    pipe: Any
    model: loading.Model
    preset: speed.Preset
    device: Any
    level: memory.Level
    why: str
    done: list[str]
    quantized: str = ""
    inpaint: Any | None = None
    ran: bool = False
    """Whether it has made a picture: the first one waits for what is compiled."""
    running: threading.Lock = field(default_factory=threading.Lock)
    """Held while the pipeline runs: it keeps its schedule in itself, and two at once would spoil each other's. What
    comes before and after is done meanwhile by other threads."""
    notes: list[str] = field(default_factory=list)


class DiffusionEditor:
    """An Editor over one family. Raises UsageError for options that the family cannot work with."""

    name: ClassVar[str]
    abilities: ClassVar[str]
    model: ClassVar[str]
    """Hub id of the weights used when none are named."""
    revision: ClassVar[str]
    """Commit of `model` that is meant, unless another is asked for; empty while none is published."""
    pipelines: ClassVar[tuple[str, ...]]
    """Pipeline classes in model_index.json that are this family's."""
    runs: ClassVar[dict[str, str]] = {}
    """Class in the folder -> class that edits with its weights, where they differ."""
    inpaints: ClassVar[dict[str, str]] = {}
    """Class that edits -> its sibling that takes a mask."""
    presets: ClassVar[dict[speed.Speed, speed.Preset]]
    strengths: ClassVar[tuple[float, float]] = (1.0, 1.0)
    """Denoising strength without and with a mask."""
    longest: ClassVar[int] = 512
    """Tokens that the encoder takes, its own frame of the prompt included."""
    tokenizer: ClassVar[str] = "tokenizer"
    image_processor: ClassVar[str | None] = None
    """Component that reads pictures for the encoder."""
    guided_twice: ClassVar[bool] = False
    """Whether guidance above 1 takes a second pass of the transformer in each step."""
    padded: ClassVar[bool] = False
    """Whether guidance makes one batch of two lengths, and so needs a mask."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        if self.options.speed not in self.presets:
            raise UsageError(
                f"{self.name} has no speed {self.options.speed!r}; it has {', '.join(self.presets)}."
            )

    @classmethod
    def from_settings(cls, settings: Any) -> DiffusionEditor:
        """As the settings say. A folder or hub id given as the editor's name is the model, else editor_model is."""
        named = [name for name in (settings.editor, settings.editor_model) if name and name not in EDITORS]
        return cls(
            Options(
                model=named[0] if named else None,
                device=settings.device,
                memory=settings.memory,
                quantize=settings.quantize,
                speed=settings.speed,
                loras=tuple(lora.parse(text) for text in settings.lora),
                steps=settings.editor_steps,
                guidance=settings.editor_guidance,
                negative=settings.editor_negative,
                strength=settings.editor_strength,
            )
        )

    def preset(self, model: loading.Model) -> speed.Preset:
        """How these weights run at the speed asked for; families whose weights differ look into the folder."""
        return self.presets[self.options.speed]

    def canvases(self, pipeline: str) -> tuple[sizing.Size, ...]:
        """Sizes that the pipeline class leaves as they are."""
        raise NotImplementedError

    def arguments(self, call: Call) -> dict[str, Any]:
        """What the pipeline is called with, besides generator, callback and output type."""
        raise NotImplementedError

    def prepare(self, pipe: Any) -> None:
        """What a loaded pipeline needs before it can run; few do."""

    def framed(self, tokenizer: Any, text: str) -> str:
        """The text as the encoder sees it, for counting; families with a chat template override this."""
        return text

    def length(self, tokenizer: Any, text: str) -> int:
        """Tokens of a text for the encoder."""
        return len(tokenizer(self.framed(tokenizer, text)).input_ids)

    def edit(self, request: EditRequest) -> EditResult:
        """Carry out one step with the model.

        Raises EditorUnavailable when the model cannot run here, EditError when what it made is no picture; whatever
        request.progress or request.preview raises stops the run within one step.
        """
        began = time.perf_counter()
        if request.mask is not None and not request.mask.any():
            raise UsageError("The mask is empty: nothing in it is white.")
        # 1. the model, loaded once per process
        loaded = self._loaded(request.status)
        return self._edit(loaded, request, began)

    def _edit(self, loaded: Loaded, request: EditRequest, began: float) -> EditResult:
        # 2. the pipeline: the family's inpainting one for a mask, where it has one
        with loaded.running:
            pipe = loaded.pipe if request.mask is None else self._for_masks(loaded)
        kind = type(pipe).__name__
        # 3. the photo on a canvas of the family
        height, width = request.image.shape[:2]
        where = sizing.layout((width, height), self.canvases(kind))
        canvas = sizing.place(request.image, where)
        mask = None if request.mask is None else sizing.place_mask(request.mask, where)
        with loaded.running, memory.current(loaded.device):
            # 4. the words, no longer than the encoder takes
            prompt = self._fitting(pipe, request.instruction)
            # 5. denoise; out of memory falls to the next level once
            call = self._call(loaded.preset, kind, canvas, mask, prompt, where)
            previews = Previews(pipe, where, canvas, request.mask) if request.preview else None
            known = words.encoded(pipe)
            if request.status and not loaded.ran and speed.in_use((speed.COMPILED,), loaded.pipe.transformer):
                request.status("compiling the model")
            ready = time.perf_counter()
            after, level = self._with_fall_back(
                loaded, lambda: self._denoise(loaded, pipe, call, request, previews)
            )
            denoised = time.perf_counter()
            loaded.ran = True
            reused = words.encoded(pipe) == known
        # 6. a picture, not noise gone wrong
        made = _picture(after, canvas)
        # 7. the model's own shift undone; back to the photo's size with its detail; outside of a mask bit for bit
        made, moved = registration.undo(canvas, made)
        image = sizing.give_back(request.image, canvas, made, where)
        if request.mask is not None:
            image = fidelity.restore_outside(request.image, image, request.mask)
        # 8. say what was done
        details = self._details(loaded, call, where, level) | {
            "prompt": prompt,
            "undone_shift": round(moved, 2),
            "prompt_reused": reused,
            "seconds": {"prepare": round(ready - began, 3), "denoise": round(denoised - ready, 3)},
        }
        notes = self._notes(loaded, request, prompt, kind)
        if previews is not None:
            details["previews"] = previews.made
            notes += (previews.fault,) if previews.fault else ()
        return EditResult(image, request.mask, details, notes, "compositeWithTrainedAlgorithmicMedia")

    def _loaded(self, status: Status | None = None) -> Loaded:
        loading.require_modules()
        options = self.options
        key = (
            type(self), options.model, options.device, options.memory, options.quantize, options.speed,
            options.loras, options.steps if self.presets[options.speed].lora else None,
        )  # fmt: skip
        try:
            return cast("Loaded", loading.once(key, lambda: self._load(status or (lambda _: None))))
        except RuntimeError as error:
            first = next(iter(str(error).splitlines()), "")
            if memory.out_of_memory(error):
                raise EditorUnavailable(f"There is no memory to load {self.name}: {first}") from error
            if memory.lost(error):
                raise DeviceLost(f"{self.name} could not be loaded: {first}") from error
            raise

    def _load(self, status: Status) -> Loaded:
        name = self._pinned()
        with hub.asked_once():
            # what is wrong is told before a model is downloaded for nothing
            found = loading.class_of(name)
            if found not in self.pipelines:
                raise EditorUnavailable(f"{name} is a {found}; {self.name} runs {', '.join(self.pipelines)}.")
            device = _device(self.options.device, name, self.name)
            quantize.check(self.options.quantize, device)
            adapters = lora.locate(self.options.loras)
            model = loading.locate(name, status)
        loading.check(model.folder)
        preset = self.preset(model)
        if preset.lora:
            adapters += lora.locate((lora.parse(preset.lora),), merged=True)
        status("loading the model")
        with memory.current(device):
            return self._load_on(device, model, self.runs.get(found, found), preset, adapters)

    def _load_on(
        self,
        device: Any,
        model: loading.Model,
        kind: str,
        preset: speed.Preset,
        adapters: tuple[lora.Adapter, ...],
    ) -> Loaded:
        import torch

        method = self.options.quantize
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        pipe = loading.load(model, kind, dtype, image_processor=self.image_processor)
        self.prepare(pipe)
        lora.apply(pipe, adapters)
        memory.release(device)  # what a model before this one left
        quantized = quantize.apply(pipe, method, device)
        memory.release(device)
        free = memory.free_bytes(device)
        level, why = memory.choose(self.options.memory, memory.weigh(pipe), free)
        compiled = level != "low" and quantize.compiles(method, device)
        padded = self.padded and self._guidance(preset) > 0
        done = speed.apply(pipe, preset, device, compiled=compiled, padded=padded)
        settled = memory.settle(pipe, level, device)
        if settled != level:
            level, why = settled, f"out of memory at {level}"
        if level == "low":
            speed.uncompile(pipe.transformer)
        words.remember(pipe)
        loaded = Loaded(pipe, model, preset, device, level, why, done, quantized)
        if device.type == "cpu" and memory.weigh(pipe).total > SMALL_MODEL:
            loaded.notes.append(f"{self.name} ran on the CPU, where an edit takes many minutes.")
        if level != "full" and self.options.memory == "auto":
            loaded.notes.append(f"The model's weights are held at --memory {level} ({why}).")
        return loaded

    def _pinned(self) -> str:
        if not self.options.model and not self.revision:
            raise EditorUnavailable(
                f"No weights of {self.name} are published yet; give a folder of them with --editor-model DIR."
            )
        named = self.options.model or self.model
        return f"{named}@{self.revision}" if named == self.model and self.revision else named

    def _for_masks(self, loaded: Loaded) -> Any:
        sibling = self.inpaints.get(type(loaded.pipe).__name__)
        if sibling is None:
            return loaded.pipe
        if loaded.inpaint is None:
            import diffusers

            loaded.inpaint = getattr(diffusers, sibling)(**loaded.pipe.components)
            loaded.inpaint.set_progress_bar_config(disable=True)
            words.remember(loaded.inpaint)
        return loaded.inpaint

    def _fitting(self, pipe: Any, text: str) -> str:
        tokenizer = getattr(pipe, self.tokenizer)
        return words.fit(text, self.longest, lambda part: self.length(tokenizer, part))

    def _guidance(self, preset: speed.Preset) -> float:
        return preset.guidance if self.options.guidance is None else self.options.guidance

    def _call(
        self,
        preset: speed.Preset,
        kind: str,
        canvas: Image,
        mask: Mask | None,
        prompt: str,
        where: sizing.Layout,
    ) -> Call:
        from PIL import Image as PILImage

        strength = self.options.strength
        return Call(
            image=PILImage.fromarray(canvas),
            mask=PILImage.fromarray(mask) if mask is not None and kind in self.inpaints.values() else None,
            prompt=prompt,
            canvas=where.canvas,
            preset=preset,
            steps=self.options.steps or preset.steps,
            guidance=self._guidance(preset),
            negative=self.options.negative,
            strength=self.strengths[mask is not None] if strength is None else strength,
            pipeline=kind,
        )

    def _with_fall_back(self, loaded: Loaded, work: Callable[[], Any]) -> tuple[Any, memory.Level]:
        try:
            return work(), loaded.level
        except Exception as error:  # narrowed below: only memory is handled
            level = memory.lower(loaded.level)
            if level is None or not memory.out_of_memory(error):
                raise
            fallen_from = loaded.level
        # outside of the handler, whose traceback still holds the tensors of the failed run
        if level == "low":
            speed.uncompile(loaded.pipe.transformer)
        memory.apply(loaded.pipe, level, loaded.device)
        loaded.level, loaded.why = level, f"out of memory at {fallen_from}"
        loaded.notes.append(f"Out of memory at --memory {fallen_from}; the edit was run at {level} instead.")
        return work(), level

    def _denoise(
        self, loaded: Loaded, pipe: Any, call: Call, request: EditRequest, previews: Previews | None
    ) -> Any:
        """One run of the pipeline; a float array (H, W, 3) in 0..1."""
        import torch

        arguments = self.arguments(call)
        arguments["generator"] = torch.Generator("cpu").manual_seed(request.seed)
        try:
            guided = self.guided_twice and call.guidance > 1
            caching = speed.caching(pipe, call.preset, call.steps, guided=guided)
            with caching, _steps(pipe, request, previews):
                return pipe(**arguments, output_type="np").images[0]
        except (EditError, KeyboardInterrupt, MemoryError):
            raise
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            if memory.out_of_memory(error):
                if memory.lower(loaded.level) is None:
                    raise EditError(
                        f"{self.name} ran out of memory even at --memory low; a smaller model is needed."
                    ) from None
                raise
            first = next(iter(str(error).splitlines()), "")
            if memory.lost(error):
                raise DeviceLost(f"{loaded.device} failed in {self.name}: {first}") from error
            raise EditError(f"{self.name} failed: {type(error).__name__}: {first}") from error
        finally:
            loaded.pipe.maybe_free_model_hooks()  # the hooks are known to the pipeline that set them

    def _details(
        self, loaded: Loaded, call: Call, where: sizing.Layout, level: memory.Level
    ) -> dict[str, Any]:
        done = speed.in_use(loaded.done, loaded.pipe.transformer)
        return {
            "model": loaded.model.name, "revision": loaded.model.revision, "pipeline": call.pipeline,
            "device": str(loaded.device), "dtype": str(loaded.pipe.transformer.dtype).removeprefix("torch."),
            "memory": {"level": level, "why": loaded.why},
            "quantize": {"method": self.options.quantize, "done": loaded.quantized},
            "speed": {"preset": self.options.speed, **call.preset.to_dict(), "done": done},
            "steps": call.steps, "guidance": call.guidance, "strength": call.strength,
            "loras": [each.to_dict() for each in self.options.loras], "layout": where.to_dict(),
        }  # fmt: skip

    def _notes(self, loaded: Loaded, request: EditRequest, prompt: str, kind: str) -> tuple[str, ...]:
        notes = list(loaded.notes)
        if prompt != request.instruction.strip():
            end = prompt if len(prompt) <= 60 else f"…{prompt[-60:]}"
            notes.append(f"The step is longer than {self.name} reads; it was cut after “{end}”.")
        if full(request.image) != 255:
            notes.append(
                "The model works at 8 bits: what it repainted has 8-bit tones, the rest keeps all 16 bits."
            )
        if loaded.quantized:
            notes.append(f"--quantize {self.options.quantize}: {loaded.quantized}.")
        if said := loaded.preset.lossy or loaded.preset.note:
            notes.append(f"--speed {self.options.speed}: {said}.")
        if fault := speed.compilation_fault(loaded.pipe.transformer):
            notes.append(
                f"The model's blocks could not be compiled and ran as they are, which is slower: {fault}"
            )
        if request.mask is not None and kind not in self.inpaints.values():
            notes.append(
                f"{self.name} knows no masks here: it edited the whole photo, and the masked part was kept."
            )
        return tuple(notes)


def _device(asked: str, model: str, name: str) -> Any:
    """The torch device for a model by path or hub id.

    Raises EditorUnavailable when there is no accelerator, or a CPU would take too long, and UsageError for a GPU that
    is not there.
    """
    import torch

    first = devices.parse(asked)[0]
    if first == "mps" and not torch.backends.mps.is_available():
        raise EditorUnavailable("torch finds no Apple GPU; give --device cpu.")
    if first.startswith("cuda"):
        devices.check((first,), torch.cuda.device_count())
    if first != "auto":
        return torch.device("cuda:0" if first == "cuda" else first)
    if torch.cuda.is_available():
        return torch.device("cuda:0")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    if loading.weights_size(model) > SMALL_MODEL:
        raise EditorUnavailable(
            f"No GPU was found, and on a CPU an edit with {name} takes many minutes: give --device cpu to do so "
            "all the same, or --editor builtin."
        )
    return torch.device("cpu")


@contextmanager
def _steps(pipe: Any, request: EditRequest, previews: Previews | None) -> Iterator[None]:
    """Tell of each denoising step: a preview, then request.progress; both may raise to stop the run.

    The scheduler's step is what every pipeline passes, also one that takes no callback, and it is given the velocity.
    """
    step, done = pipe.scheduler.step, 0

    def told(velocity: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal done
        made = step(velocity, timestep, sample, *args, **kwargs)
        done += 1
        if previews and request.preview and (picture := previews.after(done, velocity, sample)) is not None:
            request.preview(picture, done, pipe.num_timesteps)
        if request.progress:
            request.progress(done, pipe.num_timesteps)
        return made

    pipe.scheduler.step = told
    try:
        yield
    finally:
        del pipe.scheduler.step  # the class's own shows again


def _picture(made: Any, canvas: Image) -> Image:
    """The pipeline's floats as a picture. Raises EditError for NaN, black, blank, or another size than the canvas."""
    values = np.asarray(made, np.float32)
    if not np.isfinite(values).all():
        raise EditError(
            "The model returned NaN instead of a picture; other weights or --speed exact may help."
        )
    if values.shape != canvas.shape:
        raise EditError(f"The model returned {values.shape[:2]} pixels for a canvas of {canvas.shape[:2]}.")
    picture = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    was_blank = canvas.max() <= BLACK or canvas.std() < BLANK
    if not was_blank and (picture.max() <= BLACK or picture.std() < BLANK):
        raise EditError("The model returned a blank picture; it is not delivered.")
    return picture
