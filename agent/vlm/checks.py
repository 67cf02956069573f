"""Whether a VLM server is fit for the reasoner, one finding after another."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from agent.errors import ReasonerError, ReeditError
from agent.vlm.asking import Form
from agent.vlm.images import encode
from agent.vlm.replies import CONCLUSION_REGEX, JudgeReply, Unusable, conclusion, parse_json, without_thinking
from agent.vlm.wire import START, Wire
from editor.base import Check

SECONDS = 30.0
"""For each question."""


def checks(url: str, model: str | None, key: str | None) -> Iterator[Check]:
    """Server, model, eyes, two pictures at once, structured output. Ends with the first that makes the rest moot."""
    try:
        wire = Wire(url, key, timeout=SECONDS, wait=0.0)
    except ReeditError as error:
        yield Check("VLM client", False, str(error))
        return
    try:
        yield from _all(wire, model)
    finally:
        wire.close()


def _all(wire: Wire, model: str | None) -> Iterator[Check]:
    try:
        names = wire.models()
    except ReasonerError as error:
        message, _, fix = str(error).partition(START)
        yield Check("VLM server", False, message, fix)
        return
    yield Check("VLM server", True, wire.url)
    listed = ", ".join(names[:5]) or "none"
    model = model or (names[0] if names else None)
    if model is None or (names and model not in names):
        yield Check(
            "VLM model", False, f"{model or 'no model'} is not served; served: {listed}", "--vlm-model NAME"
        )
        return
    yield Check("VLM model", True, model)
    yield _sees(wire, model)
    yield _structured(wire, model, Form.json("quality", JudgeReply), "JSON schema")
    yield _structured(wire, model, Form.regex(CONCLUSION_REGEX), "regular expression")


def _sees(wire: Wire, model: str) -> Check:
    """A picture that is half red, half blue, twice: the limit of pictures in a prompt is found as well."""
    picture = np.zeros((112, 112, 3), np.uint8)
    picture[:, :56, 0] = picture[:, 56:, 2] = 230
    part = encode(picture, picture.size).part()
    question = "Both pictures are the same. Which two colours do they have? Answer with two words."
    content = [part, part, {"type": "text", "text": question}]
    began = time.perf_counter()
    try:
        answer = wire.chat(_body(model, content, 400))
    except ReasonerError as error:
        return Check(
            "VLM vision", False, str(error), "serve a vision-language model with two images a prompt"
        )
    taken = time.perf_counter() - began
    try:
        said = without_thinking(answer.text).lower()
    except Unusable:
        said = answer.text.lower()
    if "red" in said and "blue" in said:
        return Check("VLM vision", True, f"sees pictures; {taken:.1f} s for a short answer")
    fix = "try Qwen/Qwen2.5-VL-7B-Instruct"
    return Check(
        "VLM vision", False, "takes pictures, but did not name the colours of a red and blue one", fix
    )


def _structured(wire: Wire, model: str, form: Form, kind: str) -> Check:
    """Whether the form of a reply is kept even when the prompt says nothing about it."""
    name = f"VLM {kind}"
    without = f"the server does not enforce a {kind}; replies are checked and asked again instead"
    try:
        answer = wire.chat(_body(model, [{"type": "text", "text": "Say hello."}], 1_500) | form.fields)
        if form.kind == "json":
            parse_json(answer.text, JudgeReply)
        else:
            conclusion(answer.text, "")
    except Unusable:
        return Check(name, False, without, "vLLM 0.12 or later enforces both")
    except ReasonerError as error:
        return Check(name, False, f"{without} ({error})", "vLLM 0.12 or later enforces both")
    return Check(name, True, "enforced")


def _body(model: str, content: list[dict[str, object]], budget: int) -> dict[str, object]:
    return {
        "model": model, "messages": [{"role": "user", "content": content}], "max_completion_tokens": budget,
        "temperature": 0.0, "seed": 0,
    }  # fmt: skip
