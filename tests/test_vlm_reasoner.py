"""What is asked of the VLM, in which order, with which pictures; and what the trace keeps of it."""

from __future__ import annotations

import base64
import gc
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

import reedit
from agent.errors import BadReply, ConfigError
from agent.loop import Loop, LoopOptions
from agent.trace import NullTrace, Run, TraceWriter
from agent.trace.records import Called
from agent.types import Task
from tests import fake_vlm as fake
from tests.conftest import scene

pytest.importorskip("openai")
pytest.importorskip("jinja2")

from agent.vlm import VlmReasoner
from agent.vlm.checks import checks
from agent.vlm.images import Encoder, encode
from prompts.templates import VARIABLES, TemplateError, load_templates
from tests.test_vlm_faults import Brighten


@pytest.fixture
def server() -> Iterator[fake.FakeVlm]:
    with fake.FakeVlm(fake.answer_by_call()) as made:
        yield made


def run(
    server: fake.FakeVlm, tmp_path: Path, words: str = "make it dramatic", rounds: int = 2, **options: Any
) -> Run:
    trace = TraceWriter(tmp_path / "runs", {})
    reasoner = VlmReasoner(url=server.url, trace=trace, **options)
    Loop(reasoner, Brighten(), trace, LoopOptions(rounds)).run(Task(scene(), words, "It can do contrast."))
    reasoner.close()
    trace.close("delivered")
    return Run(trace.path)


def calls(run: Run) -> list[Called]:
    return [event for event in run.events if isinstance(event, Called)]


@pytest.mark.parametrize("words", ["make it dramatic", "更有戏剧感"])
def test_calls_that_see_the_source_begin_with_the_same_bytes(
    server: fake.FakeVlm, tmp_path: Path, words: str
) -> None:
    server.script = fake.answer_by_call(conclude="<#Think>no<#Failed>")
    run(server, tmp_path, words)
    sees_source = [body for body in server.bodies if fake.which_call(body) != "score"]
    assert {fake.which_call(body) for body in sees_source} == {"think", "describe", "conclude", "judge"}
    sent = [json.dumps(body["messages"], ensure_ascii=False) for body in sees_source]
    source = json.dumps(sees_source[0]["messages"][1]["content"][0])
    prefix = sent[0][: sent[0].index(source) + len(source)]
    assert all(text.startswith(prefix) for text in sent)
    (score, *_) = (body for body in server.bodies if fake.which_call(body) == "score")
    pictures = [part for part in score["messages"][1]["content"] if part["type"] == "image_url"]
    assert len(pictures) == 1
    assert json.dumps(pictures[0]) != source


def test_each_question_has_its_pictures_and_its_facts(server: fake.FakeVlm, tmp_path: Path) -> None:
    server.script = fake.answer_by_call(conclude="<#Think>no<#Failed>")
    run(server, tmp_path, rounds=1)
    order = [fake.which_call(body) for body in server.bodies]
    assert order[0] == "think"
    assert order.count("describe") == 1
    assert [call for call in order if call != "describe"] == [
        "think", "score", "conclude", "score", "conclude", "judge", "judge",
    ]  # fmt: skip
    counts = {"think": 1, "describe": 1, "score": 1, "conclude": 2, "judge": 2}
    for body in server.bodies:
        call = fake.which_call(body)
        content = body["messages"][1]["content"]
        assert sum(part["type"] == "image_url" for part in content) == counts[call]
        assert content[-1]["type"] == "text"
        assert ("Mean lightness" in content[-1]["text"]) == (call in ("score", "conclude", "judge"))
        assert "make it dramatic" in content[-1]["text"]
        assert ("It can do contrast." in content[-1]["text"]) == (call == "think")
        assert ("response_format" in body) == (call in ("think", "score", "judge"))
        assert ("structured_outputs" in body) == (call in ("describe", "conclude"))


def test_the_trace_tells_every_exchange_without_the_pictures_bytes(
    server: fake.FakeVlm, tmp_path: Path
) -> None:
    made = run(server, tmp_path)
    events = calls(made)
    assert sorted(event.call for event in events) == ["conclude", "describe", "score", "think"]
    for event, template in ((event, load_templates()[event.call]) for event in events):
        assert event.model == "tiny"
        assert (event.template, event.template_sha256) == (template.label, template.sha256)
        assert (event.prompt_tokens, event.completion_tokens, event.finish_reason) == (11, 7, "stop")
        assert event.raw
        assert event.parsed is not None
        assert event.seconds > 0
        assert event.prompt[0]["role"] == "system"
        reference = event.prompt[1]["content"][0]
        assert reference["image"] == ("result" if event.call == "score" else "source")
        assert (reference["width"], reference["height"]) == (96, 64)
    assert "base64" not in (made.path / "events.jsonl").read_text()
    sent = server.bodies[0]["messages"][1]["content"][0]["image_url"]["url"]
    think = next(event for event in events if event.call == "think")
    digest = hashlib.sha256(base64.b64decode(sent.partition(",")[2])).hexdigest()
    assert think.prompt[1]["content"][0]["sha256"] == digest
    assert think.prompt[1]["content"][1]["text"] == server.bodies[0]["messages"][1]["content"][1]["text"]


def test_fused_reflection_takes_one_call_a_round(server: fake.FakeVlm, tmp_path: Path) -> None:
    fields = json.loads(fake.SCORE) | {"reasoning": "nearly"}
    server.script = fake.answer_by_call(reflect=[
        json.dumps(fields | {"tag": "Reflection", "instruction": "Darken the sky"}),
        json.dumps(fields | {"tag": "Success", "instruction": ""}),
    ])  # fmt: skip
    made = run(server, tmp_path, reflection="fused")
    assert sorted(fake.which_call(body) for body in server.bodies) == [
        "describe",
        "reflect",
        "reflect",
        "think",
    ]
    verdicts = [event.verdict.tag for event in made.events if event.event == "verdict"]
    assert verdicts == ["Reflection", "Success"]


@pytest.mark.parametrize(
    "conclusion",
    [{"tag": "Reflection", "instruction": "Make it dramatic."}, {"tag": "Reflection", "instruction": ""}],
)
def test_a_fused_reply_with_a_bad_conclusion_keeps_its_score(
    server: fake.FakeVlm, tmp_path: Path, conclusion: dict[str, str]
) -> None:
    reply = json.dumps(json.loads(fake.SCORE) | {"reasoning": "r"} | conclusion)
    server.script = fake.answer_by_call(reflect=reply)
    made = run(server, tmp_path, reflection="fused", rounds=0)
    kinds = {event.event: event for event in made.events}
    assert kinds["score"].consistency.score == 9.5
    assert kinds["verdict"].verdict.tag == "unknown"
    assert sum(fake.which_call(body) == "reflect" for body in server.bodies) == 2


def test_settings_and_the_key_variable(
    monkeypatch: pytest.MonkeyPatch, server: fake.FakeVlm, tmp_path: Path
) -> None:
    from agent import config

    monkeypatch.setenv("REEDIT_VLM_API_KEY", " sk-from-environment \n")
    settings = config.load({"vlm_url": server.url, "vlm_model": "other"})
    reasoner = VlmReasoner.from_settings(settings, NullTrace())
    reasoner.think(Task(scene(), "make it dramatic"))
    reasoner.close()
    assert server.bodies[0]["model"] == "other"
    assert server.headers[0]["authorization"] == "Bearer sk-from-environment"


def test_a_plan_that_is_refused_leaves_no_connection(server: fake.FakeVlm, photo: Path) -> None:
    def threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "reedit-vlm"}

    server.script = fake.answer_by_call(think="no plan")
    before = threads()
    with pytest.raises(BadReply) as _kept:  # which holds the frames it came through
        reedit.plan(photo, "make it dramatic", reasoner="vlm", vlm_url=server.url)
    assert threads() <= before


# --- pictures ------------------------------------------------------------------------------------------------------


def decoded(url: str) -> PILImage.Image:
    return PILImage.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_photos_go_as_jpeg_and_graphics_as_png() -> None:
    assert encode(scene(320, 240), 627_200).format == "jpeg"
    flat = np.full((240, 320, 3), 255, np.uint8)
    flat[50:100, 50:200] = (200, 0, 0)
    made = encode(flat, 627_200)
    assert made.format == "png"
    assert np.array_equal(np.asarray(decoded(made.url)), flat)


@pytest.mark.parametrize(
    ("shape", "limit"), [((2000, 3000), 627_200), ((300, 300), 50_000), ((3, 5), 627_200)]
)
def test_pictures_fit_the_limits(shape: tuple[int, int], limit: int) -> None:
    made = encode(scene(shape[1], shape[0]), limit)
    assert made.width * made.height <= limit
    assert min(made.width, made.height) >= 56
    assert decoded(made.url).size == (made.width, made.height)
    assert made.width / made.height == pytest.approx(shape[1] / shape[0], rel=0.03)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_what_is_transparent_becomes_white(kind: type) -> None:
    image = np.full((120, 160, 3), (200, 0, 0), np.uint8)
    alpha = np.zeros((120, 160), kind)
    alpha[:, 80:] = np.iinfo(kind).max
    alpha[:40, 80:] = np.iinfo(kind).max // 2
    seen = np.asarray(decoded(encode(image, 627_200, alpha).url).convert("RGB")).astype(int)
    assert (seen[:, :80] == 255).all()
    assert (seen[40:, 80:] == (200, 0, 0)).all()
    assert np.abs(seen[:40, 80:] - (227, 128, 128)).max() <= 1
    assert encode(image, 627_200, alpha[:50]) == encode(image, 627_200)


def test_sixteen_bits_become_eight() -> None:
    image = scene(64, 64)
    wide = image.astype(np.uint16) * 257
    assert encode(wide, 627_200) == encode(image, 627_200)


def test_each_picture_is_encoded_once_and_forgotten_with_its_array() -> None:
    encoder = Encoder(627_200)
    image = scene()
    assert encoder(image) is encoder(image)
    assert len(encoder._known) == 1
    del image
    gc.collect()
    assert len(encoder._known) == 0


# --- templates -----------------------------------------------------------------------------------------------------


def test_every_template_renders_in_both_languages() -> None:
    values = {
        "instruction": "I-1", "abilities": "A-1", "max_steps": 3, "description": "D-1", "facts": ["F-1", "F-2"],
        "error": "E-1", "consistency": {"score": 7.0, "meets_instruction": "partial", "reason": "R-1"},
    }  # fmt: skip
    for name, template in load_templates().items():
        given = {key: values[key] for key in VARIABLES[name]}
        for language in ("en", "zh"):
            text = template.render(language, **given)
            for variable in VARIABLES[name] - {"max_steps", "facts", "consistency"}:
                assert str(values[variable]) in text
            if "facts" in VARIABLES[name]:
                assert "- F-1\n- F-2\n" in text
            assert "{{" not in text


def test_own_templates_replace_shipped_ones_and_the_trace_says_so(
    server: fake.FakeVlm, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    text = 'Own words for {{ instruction }}. Reply {"steps": [...]}'
    (own / "think.yaml").write_text(f"version: 7\nmax_tokens: 99\nen: '{text}'\nzh: '{text}'\n")
    made = run(server, tmp_path, prompts_dir=own)
    think, *others = sorted(calls(made), key=lambda event: event.call != "think")
    assert think.template == f"think 7 ({own / 'think.yaml'})"
    assert think.prompt[1]["content"][1]["text"].startswith("Own words for make it dramatic.")
    assert server.bodies[0]["max_completion_tokens"] == 99
    assert all("(shipped)" in event.template for event in others)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("thinl.yaml", "version: 1", "Did you mean 'think'"),
        ("think.yaml", "version: 1\nen: a\nzh: b", "'max_tokens' is missing"),
        ("think.yaml", "version: 1\nmax_tokens: 0\nen: a\nzh: b", "whole number above 0"),
        (
            "think.yaml",
            "version: 1\nmax_tokens: 9\nen: '{{ instructions }}'\nzh: b",
            "Did you mean 'instruction'",
        ),
        ("think.yaml", "version: 1\nmax_tokens: 9\nen: '{% if %}'\nzh: b", "line 1"),
        ("think.yaml", "version: 1\nmax_tokens: 9\nen: a\nzh: b\nfr: c", "unknown key 'fr'"),
        ("think.yaml", "- a", "must be a mapping"),
        ("think.yaml", "a: [", "not valid YAML"),
        ("readme.txt", "", "no prompt templates"),
    ],
)
def test_a_wrong_template_fails_at_load(tmp_path: Path, name: str, content: str, why: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TemplateError, match=why):
        load_templates(tmp_path)
    with pytest.raises(ConfigError, match=why):
        VlmReasoner(url="http://127.0.0.1:1/v1", trace=NullTrace(), prompts_dir=tmp_path)


def test_a_template_cannot_reach_into_python(tmp_path: Path) -> None:
    text = "{{ instruction.__class__.__mro__ }}"
    (tmp_path / "think.yaml").write_text(f"version: 1\nmax_tokens: 9\nen: '{text}'\nzh: '{text}'\n")
    with pytest.raises(TemplateError):
        load_templates(tmp_path)["think"].render("en", instruction="x")


# --- doctor --------------------------------------------------------------------------------------------------------


def doctor_script(request: dict[str, Any]) -> Any:
    if "response_format" in request:
        return fake.QUALITY
    return fake.SUCCESS if "structured_outputs" in request else "Red and blue."


def findings(server: fake.FakeVlm, model: str | None = None) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.ok, check.message) for check in checks(server.url, model, None)}


def test_a_fit_server_passes_all_checks(server: fake.FakeVlm) -> None:
    server.script = doctor_script
    found = findings(server)
    assert list(found) == [
        "VLM server",
        "VLM model",
        "VLM vision",
        "VLM JSON schema",
        "VLM regular expression",
    ]
    assert all(ok for ok, _ in found.values())


def test_a_blind_server_without_structured_output_is_found_out(server: fake.FakeVlm) -> None:
    server.script = lambda request: "I cannot see pictures."
    found = findings(server)
    assert [ok for ok, _ in found.values()] == [True, True, False, False, False]
    assert "did not name the colours" in found["VLM vision"][1]


def test_a_text_model_is_told_in_the_servers_words(server: fake.FakeVlm) -> None:
    server.script = [fake.status(400, "tiny is not a multimodal model")]
    assert "not a multimodal model" in findings(server)["VLM vision"][1]


def test_a_server_that_is_not_there_is_told_once_with_the_line_that_starts_one() -> None:
    (found,) = checks("http://127.0.0.1:9/v1", None, None)
    assert (found.ok, found.fix) == (False, "reedit serve --model Qwen/Qwen2.5-VL-7B-Instruct")
    assert "reedit serve" not in found.message


def test_a_model_that_is_not_served_ends_the_checks(server: fake.FakeVlm) -> None:
    assert findings(server, "huge") == {
        "VLM server": (True, server.url), "VLM model": (False, "huge is not served; served: tiny"),
    }  # fmt: skip


def test_the_critical_path_is_shorter_than_the_public_orders() -> None:
    from benchmarks.loop_calls import GOAL, ours, public

    task = Task(scene(), "make it dramatic")
    yard, serial = public(task)
    taken, count = ours(task, "cascade", succeeds=True)
    assert (serial, count) == (15, 8)
    assert taken <= GOAL * yard
