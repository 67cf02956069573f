"""An editor behind a server: POST {url}/images/edits, as vllm-omni, SGLang and OpenAI shape it.

The picture goes there as a PNG on a canvas of about one megapixel and comes back as that of a local model does;
outside of a mask not one bit changes, whatever the server does with the mask.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import (
    Check,
    EditError,
    EditorUnavailable,
    EditRequest,
    EditResult,
    Mask,
    UsageError,
)
from editor.diffusion.sizing import Layout, Size, give_back, grid_canvases, layout, place, place_mask
from editor.fidelity import restore_outside
from editor.http import Fault, NoAccess, NotHere, Reply, Server, multipart
from editor.servers import check_url, one_line, words

Api = Literal["vllm-omni", "sglang", "openai"]
Picture = NDArray[np.uint8]

KEY_VARIABLE = "REEDIT_EDITOR_API_KEY"
WHO = "The editing server"
START_LINE = "vllm serve Qwen/Qwen-Image-Edit-2511 --omni --port 8091"
PROBE_SECONDS = 10.0
STRETCH_SEEN, STRETCH_MOST = 0.005, 0.04
"""Change of aspect that is told, and refused. Servers snap to grids of up to 32 pixels: 3 % at one megapixel."""
PIXELS = 1024 * 1024
"""Of what is sent: editing models are trained at about one megapixel."""
GRID = 32
"""What the sides are multiples of: Qwen-Image-Edit snaps to 32 pixels."""
OPENAI_SIZES = ((1024, 1024), (1536, 1024), (1024, 1536))
"""What every GPT image model takes; only gpt-image-2 takes others (OpenAI's API reference, images/edits, size)."""
DARKEST, FLATTEST = 3, 2
"""Levels of 255: a picture nowhere brighter, or with no more between its extremes, is what NaN decodes to."""
MOST_PIXELS = 64_000_000
"""Of a returned picture; a decompression bomb has more."""
ABILITIES = (
    "A generative editing model behind a server. Give one plain instruction per step that says what to see in the "
    "result: it adds, removes, replaces and recolours things, and changes style, season, light, weather and "
    "background. It works at about one megapixel; fine texture may change, exact amounts, positions, colours and "
    "lettering are not certain. It cannot crop, rotate or resize the photo."
)


@dataclass(slots=True)
class RemoteEditor:
    """Editor over a server. The seed goes to the servers that take one; a hosted model may not repeat itself.

    url: ends before /images/edits, for instance http://127.0.0.1:8091/v1. api: whose form of the request; auto asks
    the server's /models. timeout: seconds for one edit with all its tries. steps, guidance, negative: sent when set.
    """

    url: str | None = None
    model: str | None = None
    api: Literal["auto"] | Api = "auto"
    timeout: float = 600.0
    steps: int | None = None
    guidance: float | None = None
    negative: str | None = None
    key: str | None = field(default=None, repr=False)
    name: str = field(default="remote", init=False)
    abilities: str = field(default=ABILITIES, init=False, repr=False)
    _server: Server | None = field(default=None, init=False, repr=False)
    _api: Api | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.url is not None:
            self.url = check_url(self.url, "--editor-url", KEY_VARIABLE)
            self._server = Server(self.url, WHO, KEY_VARIABLE, self.key, self.timeout)

    @classmethod
    def from_settings(cls, settings: Any) -> RemoteEditor:
        """As the settings say; the key comes from REEDIT_EDITOR_API_KEY only. Raises UsageError without a URL."""
        if not settings.editor_url:
            raise UsageError(
                "--editor remote needs the server's address: --editor-url http://127.0.0.1:8091/v1"
            )
        return cls(
            url=settings.editor_url, model=settings.editor_model, api=settings.editor_api,
            timeout=settings.editor_timeout, steps=settings.editor_steps, guidance=settings.editor_guidance,
            negative=settings.editor_negative, key=os.environ.get(KEY_VARIABLE),
        )  # fmt: skip

    def edit(self, request: EditRequest) -> EditResult:
        """Have the server carry out one step; the result has the request's size and dtype.

        Raises EditorUnavailable when there is no server, no access or no answer in time, and EditError when it
        refuses, or sends something that is no edit of this picture.
        """
        if self._server is None:
            raise UsageError("The remote editor needs the server's address.")
        if request.mask is not None and not request.mask.any():
            raise UsageError("The mask is empty: nothing in it is white.")

        def tick(done: int = 0) -> None:
            if request.progress:
                request.progress(done, 1)

        tick()
        deadline = self._server.deadline()
        api = self._resolve(self._server, deadline, tick)
        where = layout((request.image.shape[1], request.image.shape[0]), _canvases(api))
        sent = cast("Picture", place(request.image, where))
        fields = self._fields(request, where.canvas, api)
        files, how = _files(sent, request.mask, where, api)
        body, kind = multipart(fields, files)
        ask = self._server.ask
        found, tries = ask("images/edits", _data, deadline=deadline, body=body, kind=kind, tick=tick)
        encoded = found if isinstance(found, bytes) else ask(found, _body, deadline=deadline, tick=tick)[0]
        picture, notes = _decoded(encoded)
        _refuse_empty(picture, sent)
        picture, returned, more = _to_canvas(picture, where.canvas)
        image = give_back(request.image, sent, picture, where)
        if request.mask is not None:
            image = restore_outside(request.image, image, request.mask)
        details = {
            "model": self.model, "url": self._server.url, "api": api, "attempts": tries,
            "sent": {k: v for k, v in fields.items() if k not in ("prompt", "model")},
            "mask": how, "mapping": where.to_dict(), "returned": returned,
        }  # fmt: skip
        tick(1)
        return EditResult(
            image, request.mask, details, (*notes, *more), "compositeWithTrainedAlgorithmicMedia"
        )

    def _fields(self, request: EditRequest, canvas: Size, api: Api) -> dict[str, str]:
        """The form. What the user set is always sent: a server that does not know it shall say so."""
        fields = {
            "prompt": request.instruction, "n": "1", "size": f"{canvas[0]}x{canvas[1]}",
            "output_format": "png",
        }  # fmt: skip
        if api != "openai":  # OpenAI refuses both, and always sends base64
            fields |= {"seed": str(request.seed), "response_format": "b64_json"}
        optional = {
            "model": self.model, "num_inference_steps": self.steps, "guidance_scale": self.guidance,
            "negative_prompt": self.negative,
            # the scale of true CFG, in the families that run the negative prompt
            "true_cfg_scale": self.guidance if self.negative else None,
        }  # fmt: skip
        return fields | {name: str(value) for name, value in optional.items() if value is not None}

    def _resolve(self, server: Server, deadline: float, tick: Callable[[], None]) -> Api:
        """Whose form the server takes: as set, or by who it says owns its models; OpenAI's when it does not say."""
        if self.api != "auto":
            return self.api
        if self._api is None:
            self._api = _detect(server, min(deadline, time.monotonic() + PROBE_SECONDS), tick)
        return self._api


def _detect(server: Server, deadline: float, tick: Callable[[], None]) -> Api:
    """The form that goes with the owner of the models listed; hosted editors need not list any."""
    try:
        models, _ = server.ask("models", _models, deadline=deadline, tick=tick)
    except NoAccess:
        return "openai"
    except EditorUnavailable:
        raise
    except EditError:
        return "openai"
    return _form(models)


def _form(models: list[dict[str, Any]]) -> Api:
    """The form that goes with the owners of the models listed."""
    owners = [str(model.get("owned_by", "")).lower() for model in models]
    if any("sglang" in owner for owner in owners):
        return "sglang"
    return "vllm-omni" if any("vllm" in owner for owner in owners) else "openai"


def _models(reply: Reply) -> list[dict[str, Any]]:
    """The models listed. Raises EditError when it is no list of models."""
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        models = json.loads(reply.body)["data"]
        if isinstance(models, list) and all(isinstance(model, dict) for model in models):
            return models
    raise EditError(f"{WHO} does not list its models.")


def checks(url: str, model: str | None, key: str | None) -> Iterator[Check]:
    """Whether a server answers, and has the model; nothing is edited, so that a hosted one costs nothing."""
    try:
        server = Server(check_url(url, "--editor-url", KEY_VARIABLE), WHO, KEY_VARIABLE, key, PROBE_SECONDS)
        models, _ = server.ask("models", _models, deadline=server.deadline())
    except NotHere as error:  # hosted editors need not list any
        takes = _takes_edits(server)
        yield Check(
            "editing server", takes, f"{url} takes edits; it lists no models" if takes else str(error)
        )
        return
    except (EditorUnavailable, UsageError) as error:
        absent = not isinstance(error, NoAccess | UsageError)
        yield Check("editing server", False, str(error), START_LINE if absent else "")
        return
    except EditError as error:
        yield Check("editing server", True, f"{url} answers; {error}")
        return
    yield Check("editing server", True, f"{url}, asked in the form of {_form(models)}")
    names = [one_line(str(item.get("id", ""))) for item in models]
    if model in names:
        yield Check("editing model", True, model)
    elif model is not None:
        listed = ", ".join(names[:5]) or "none"
        yield Check("editing model", False, f"{model} is not served; served: {listed}", "--editor-model NAME")


def _takes_edits(server: Server) -> bool:
    """Whether the address for edits is there, asked with GET: it takes only POST, and says so (405)."""
    try:
        server.ask("images/edits", _body, deadline=server.deadline())
    except EditorUnavailable:
        return False
    except EditError:
        return True
    return True


def _canvases(api: Api) -> tuple[Size, ...]:
    return OPENAI_SIZES if api == "openai" else grid_canvases(GRID, PIXELS)


def _files(
    sent: Picture, mask: Mask | None, where: Layout, api: Api
) -> tuple[dict[str, tuple[str, bytes]], str | None]:
    """The pictures to send, and how the mask goes: the name of its field, or "composited" when only we apply it."""
    files = {"image": ("image/png", _png(sent))}
    if mask is None:
        return files, None
    if api == "sglang":  # it takes a mask and never uses it
        return files, "composited"
    edit = place_mask(mask, where)
    if api == "vllm-omni":  # white = edit
        return files | {"mask_image": ("image/png", _png(edit))}, "mask_image"
    # transparent = edit; white there too, for servers that look at the colour. OpenAI takes up to 4 MB
    return files | {"mask": ("image/png", _png(np.dstack([edit, edit, edit, 255 - edit])))}, "mask"


def _png(picture: Picture) -> bytes:
    """(h, w), (h, w, 3) RGB or (h, w, 4) RGBA uint8 as PNG."""
    swap = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}.get(picture.shape[-1] if picture.ndim == 3 else 0)
    good, data = cv2.imencode(".png", picture if swap is None else cv2.cvtColor(picture, swap))
    if not good:
        raise EditError(f"OpenCV could not encode a picture of {picture.shape[1]}x{picture.shape[0]} pixels.")
    return data.tobytes()


def _body(reply: Reply) -> bytes:
    return reply.body


def _data(reply: Reply) -> bytes | str:
    """The encoded picture of a reply, or its URL. Raises Fault when the reply is broken."""
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        start = reply.body[:4000].decode("utf-8", "replace")
        raise Fault("it answered with something that is not JSON", start) from None
    items = body.get("data") if isinstance(body, dict) else None
    if not isinstance(items, list) or not items or not isinstance(items[0], dict):
        raise _without("data", body)
    encoded, url = items[0].get("b64_json"), items[0].get("url")
    if isinstance(url, str) and url.startswith("data:"):
        encoded = url
    if isinstance(encoded, str) and encoded:
        try:
            return base64.b64decode(encoded.partition(",")[2] or encoded, validate=True)
        except (binascii.Error, ValueError):
            raise Fault("its picture is not base64") from None
    if isinstance(url, str) and url:
        return url
    raise _without("picture", items[0])


def _without(what: str, body: Any) -> Fault:
    """The fault of a reply of success that lacks something; hosted editors may put a refusal there instead."""
    if isinstance(body, dict) and body.get("error"):
        return Fault("200", words(json.dumps(body).encode()), final=True)
    return Fault(f"its reply has no {what}")


def _decoded(data: bytes) -> tuple[Picture, tuple[str, ...]]:
    """The picture as (h, w, 3) uint8, and what to tell of it. Raises EditError when it is none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(action="ignore"):  # of a large size, which is checked next
            opened = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP"))
        with opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise EditError(
                    f"{WHO} sent a picture of {opened.width}x{opened.height} pixels, which is too large."
                )
            opened.load()
            if not opened.has_transparency_data:
                return np.array(opened.convert("RGB")), ()
            rgba = opened.convert("RGBA")
    except UnidentifiedImageError:
        raise EditError(f"{WHO} sent a picture that is no PNG, JPEG or WebP.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise EditError(f"{WHO} sent a picture that cannot be read ({one_line(str(error))}).") from None
    if rgba.getchannel("A").getextrema()[0] == 255:
        return np.array(rgba.convert("RGB")), ()
    white = Image.new("RGBA", rgba.size, "white")
    note = "The server sent a partly transparent picture; it was laid on white."
    return np.array(Image.alpha_composite(white, rgba).convert("RGB")), (note,)


def _refuse_empty(picture: Picture, sent: Picture) -> None:
    """Raise EditError for a black or blank picture (what NaN in a model decodes to), unless what was sent was one."""
    for what, empty in (("black", _black), ("blank", _blank)):
        if empty(picture) and not empty(sent):
            raise EditError(
                f"{WHO} sent a {what} picture: its numbers probably overflowed. Nothing of it was kept."
            )


def _black(picture: Picture) -> bool:
    return int(picture.max()) <= DARKEST


def _blank(picture: Picture) -> bool:
    return bool((np.ptp(picture.reshape(-1, 3), axis=0) <= FLATTEST).all())


def _to_canvas(picture: Picture, canvas: Size) -> tuple[Picture, dict[str, Any], tuple[str, ...]]:
    """The returned picture at the canvas's size, what was returned, and what to tell of it.

    Raises EditError when its aspect is another: it was cropped or stretched, and nobody can tell which.
    """
    height, width = picture.shape[:2]
    wide, high = canvas
    stretch = abs((width / height) / (wide / high) - 1)
    facts = {"size": [width, height], "stretch_percent": round(100 * stretch, 3)}
    if (width, height) == canvas:
        return picture, facts, ()
    if stretch > STRETCH_MOST:
        raise EditError(
            f"{WHO} sent {width}x{height} pixels where {wide}x{high} were asked for: cropped or stretched, which "
            "cannot be undone. Try another --editor-api or model."
        )
    way = cv2.INTER_AREA if width * height > wide * high else cv2.INTER_CUBIC
    note = (
        f"The server made {width}x{height} for {wide}x{high} pixels; the stretch of {stretch:.1%} was undone."
    )
    fitted = cast("Picture", cv2.resize(picture, canvas, interpolation=way))
    return fitted, facts, ((note,) if stretch > STRETCH_SEEN else ())
