"""Every way a VLM server can fail, over real sockets: what the user is told, and what the trace keeps."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.errors import BadReply, ReasonerError, ReasonerUnavailable, Refused, UsageError
from agent.loop import Loop, LoopOptions
from agent.trace import Run, TraceWriter
from agent.trace.records import Called
from agent.types import LoopResult, Task
from editor.base import EditRequest, EditResult
from tests import fake_vlm as fake
from tests.conftest import scene

pytest.importorskip("openai")
pytest.importorskip("jinja2")

from agent.vlm import VlmReasoner
from agent.vlm import wire as wires
from agent.vlm.wire import Rejected, Wire


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "pause", lambda tries, after: max(0.01, after or 0))
    monkeypatch.setattr(wires, "HEALTH_PAUSE", 0.02)
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID"):
        monkeypatch.setenv(name, f"leak-of-{name}")


class Brighten:
    """An editor that adds 10 to every value."""

    name = "brighten"
    abilities = "brightens"

    def edit(self, request: EditRequest) -> EditResult:
        return EditResult(np.minimum(request.image, 245) + np.uint8(10))


class Bench:
    """A reasoner, its server and its trace."""

    def __init__(self, server: fake.FakeVlm, root: Path, **options: Any) -> None:
        self.server = server
        self.closed = False
        self.trace = TraceWriter(root, {})
        defaults = {"url": server.url, "timeout": 5.0, "wait": 3.0}
        self.reasoner = VlmReasoner(trace=self.trace, **(defaults | options))
        self.task = Task(scene(), "make it dramatic", "contrast")

    def loop(self, rounds: int = 2, editor: Any = None) -> LoopResult:
        return Loop(self.reasoner, editor or Brighten(), self.trace, LoopOptions(rounds)).run(self.task)

    def calls(self) -> list[Called]:
        self.trace.flush()
        return [event for event in Run(self.trace.path).events if isinstance(event, Called)]

    def close(self) -> None:
        self.reasoner.close()
        if not self.closed:
            self.trace.close("delivered")
        self.closed = True


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(script: Any, **options: Any) -> Bench:
        made.append(Bench(fake.FakeVlm(script), tmp_path / "runs", **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.server.stop()


def flat(error: pytest.ExceptionInfo[BaseException]) -> str:
    return " ".join(str(error.value).split())


# --- faults that another try mends ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        fake.status(429, retry_after="0.01"),
        fake.status(503),
        fake.status(500),
        fake.reset,
        fake.half,
        fake.body("<html>Bad gateway</html>"),
        fake.body('{"choices": [', "application/json"),
        fake.body("[1]", "application/json"),
        {"choices": []},
        {"choices": [{"finish_reason": "stop", "message": None}]},
    ],
)
def test_a_passing_fault_is_survived_and_counted(bench: Callable[..., Bench], fault: Any) -> None:
    one = bench([fault, fault, fake.PLAN])
    assert one.reasoner.think(one.task).steps == ("Increase the contrast",)
    (call,) = one.calls()
    assert call.attempts == 3
    assert call.error is None


def test_a_lasting_fault_ends_with_what_was_seen(bench: Callable[..., Bench]) -> None:
    one = bench([fake.body("<html>Welcome to nginx</html>")])
    with pytest.raises(ReasonerUnavailable) as error:
        one.reasoner.think(one.task)
    assert "failed after 4 tries" in flat(error)
    assert "Welcome to nginx" in flat(error)
    assert len(one.server.bodies) == 4
    assert one.calls()[0].error == str(error.value)


def test_the_deadline_is_total(bench: Callable[..., Bench]) -> None:
    one = bench([fake.drip], timeout=0.5)
    began = time.perf_counter()
    with pytest.raises(ReasonerUnavailable, match=r"within 0\.5 s"):
        one.reasoner.think(one.task)
    assert time.perf_counter() - began < 2


def test_a_server_that_asks_for_more_time_than_there_is_is_not_waited_for(
    bench: Callable[..., Bench],
) -> None:
    one = bench([fake.status(429, "slow down", retry_after="3600")])
    with pytest.raises(ReasonerUnavailable, match=r"slow down.*wait 3600 s"):
        one.reasoner.think(one.task)
    assert len(one.server.bodies) == 1


def test_an_account_that_is_used_up_is_not_asked_again(bench: Callable[..., Bench]) -> None:
    said = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    one = bench([lambda to: fake.reply_json(to, said, 429)])
    with pytest.raises(ReasonerUnavailable, match=r"no more requests \(429\): You exceeded your quota"):
        one.reasoner.think(one.task)
    assert len(one.server.bodies) == 1


# --- the server is not there ---------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_no_server_at_the_start_says_how_to_start_one(bench: Callable[..., Bench]) -> None:
    one = bench([], url=f"http://127.0.0.1:{free_port()}/v1")
    began = time.perf_counter()
    with pytest.raises(ReasonerUnavailable) as error:
        one.reasoner.think(one.task)
    assert "reedit serve --model Qwen/Qwen2.5-VL-7B-Instruct" in flat(error)
    assert time.perf_counter() - began < 3


def test_a_restart_in_the_middle_is_waited_for(bench: Callable[..., Bench]) -> None:
    one = bench([fake.PLAN], timeout=1.0, wait=10.0)
    one.reasoner.think(one.task)
    port = one.server.port
    one.server.stop()
    started = threading.Timer(1.5, lambda: setattr(one, "server", fake.FakeVlm([fake.PLAN], port)))
    started.start()
    assert one.reasoner.think(one.task).steps
    started.join()
    assert one.calls()[-1].seconds > 1.0  # longer than the timeout: waiting does not count against it


def test_a_server_that_stays_away_costs_no_more_than_wait(bench: Callable[..., Bench]) -> None:
    one = bench([fake.PLAN], wait=0.3)
    one.reasoner.think(one.task)
    one.server.stop()
    with pytest.raises(ReasonerUnavailable, match=r"did not come back within 0\.3 s"):
        one.reasoner.think(one.task)
    one.server = fake.FakeVlm([])  # something for the fixture to stop


def test_the_best_picture_survives_a_server_that_dies(bench: Callable[..., Bench]) -> None:
    def die(to: Any) -> None:
        one.server.health = 503
        fake.reset(to)

    script = fake.answer_by_call(conclude=["<#Think>almost<#Reflection>Darken the sky", die])
    one = bench(script, wait=0.2)
    result = one.loop()
    assert [this.verdict.tag for this in result.rounds] == ["Reflection", "unknown"]
    assert result.round.image is not None
    one.trace.flush()
    kinds = [event.event for event in Run(one.trace.path).events]
    assert kinds.count("error") >= 1


# --- requests that the server will not have ------------------------------------------------------------------------


def test_a_wrong_model_name_lists_those_served(bench: Callable[..., Bench]) -> None:
    one = bench([fake.status(404, "The model `tinny` does not exist.")], model="tinny")
    one.server.models = ["tiny", "huge"]
    with pytest.raises(ReasonerUnavailable) as error:
        one.reasoner.think(one.task)
    assert "does not serve 'tinny'; --vlm-model can be: tiny, huge. Did you mean 'tiny'?" in flat(error)


def test_a_wrong_address_is_told(bench: Callable[..., Bench]) -> None:
    one = bench([fake.PLAN])
    other = Wire(one.server.url + "/oops")
    with pytest.raises(ReasonerUnavailable, match="not an OpenAI-compatible address"):
        other.models()
    other.close()


@pytest.mark.parametrize("code", [401, 403])
def test_a_denied_key_names_the_variable(bench: Callable[..., Bench], code: int) -> None:
    one = bench([fake.status(code)])
    with pytest.raises(ReasonerUnavailable, match="REEDIT_VLM_API_KEY"):
        one.reasoner.think(one.task)
    assert len(one.server.bodies) == 1


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("This model's maximum context length is 4096 tokens.", "--vlm-max-pixels"),
        ("At most 1 image(s) may be provided in one prompt.", "must see pictures"),
        ("Invalid temperature", ""),
    ],
)
def test_a_rejection_is_told_in_the_servers_words(bench: Callable[..., Bench], words: str, hint: str) -> None:
    one = bench([fake.status(400, words)])
    with pytest.raises(Rejected) as error:
        one.reasoner.think(one.task)
    assert words in flat(error)
    assert hint in flat(error)
    assert [call.error is not None for call in one.calls()] == [True, True, True]  # each level of the ladder


def test_a_server_without_structured_output_is_asked_without(bench: Callable[..., Bench]) -> None:
    def picky(request: dict[str, Any]) -> Any:
        if "response_format" in request or "structured_outputs" in request:
            return fake.status(400, "unknown field")
        return fake.answer_by_call()(request)

    one = bench(picky)
    result = one.loop()
    assert result.round.verdict.tag == "Success"
    rejected = [call for call in one.calls() if call.error]
    assert sorted(call.call for call in rejected) == ["describe", "think"]  # learned once per form


def test_a_server_that_fixes_the_sampling_is_asked_without(bench: Callable[..., Bench]) -> None:
    one = bench(lambda request: fake.status(400, "temperature") if "temperature" in request else fake.PLAN)
    assert one.reasoner.think(one.task).steps
    assert set(one.server.bodies[-1]) == {"model", "messages", "max_completion_tokens"}


# --- replies that are no answer ------------------------------------------------------------------------------------


def test_a_reply_cut_off_gets_twice_the_room_once(bench: Callable[..., Bench]) -> None:
    one = bench([fake.completion(fake.PLAN, "length"), fake.PLAN])
    assert one.reasoner.think(one.task).steps
    first, second = (request["max_completion_tokens"] for request in one.server.bodies)
    assert second == 2 * first
    assert "cut off" in (one.calls()[0].error or "")


def test_a_reply_cut_off_twice_is_not_parsed(bench: Callable[..., Bench]) -> None:
    one = bench([fake.completion(fake.PLAN, "length")])
    with pytest.raises(BadReply, match="cut off"):
        one.reasoner.think(one.task)
    assert len(one.server.bodies) == 2


def test_a_refusal_is_final(bench: Callable[..., Bench]) -> None:
    one = bench([fake.completion(None, refusal="I will not.")])
    with pytest.raises(Refused, match="I will not"):
        one.reasoner.think(one.task)
    assert len(one.server.bodies) == 1
    assert one.calls()[0].raw == "I will not."


@pytest.mark.parametrize(
    "text",
    [
        "", None, "I'm sorry, but I can't help with that.", '{"steps": []}',
        '{"steps": ["a1", "b1", "c1", "d1"]}', json.dumps({"steps": [f"step {n}" for n in range(10)]}),
        '{"steps": ["' + "x" * 301 + '"]}', '{"steps": [" "]}', '{"steps": ["a"]} {"steps": ["b"]}',
        "<think>hm" + fake.PLAN, '{"steps": "a"}', '{"steps": NaN}', "{" * 50_000,
    ],
)  # fmt: skip
def test_an_unusable_plan_is_asked_again_once_with_the_reason(
    bench: Callable[..., Bench], text: str | None
) -> None:
    one = bench([fake.completion(text)])
    with pytest.raises(ReasonerError):
        one.reasoner.think(one.task)
    if text is None or len(text) < wires.LONGEST_TEXT:
        again = one.server.bodies[1]["messages"]
        assert [message["role"] for message in again] == ["system", "user", "assistant", "user"]
        assert again[3]["content"].startswith("That reply cannot be used: ")
    assert len(one.server.bodies) <= 2
    assert all(call.error for call in one.calls())


def test_the_second_reply_is_taken(bench: Callable[..., Bench]) -> None:
    one = bench(["no idea", "```json\n" + fake.PLAN + "\n```"])
    assert one.reasoner.think(one.task).steps == ("Increase the contrast",)
    assert [bool(call.error) for call in one.calls()] == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        "All good!", "<#success>", "<#SUCCESS>", "<#Success> or <#Failed>", "<#Success><#Success>",
        "```\n<#Think>fine<#Success>\n```", "`<#Success>`", "<think><#Success>", "Success", "<Success>",
        "<#Think>the sign says <#Success>, but <#Failed>", "<#Reflection>", "<#Reflection> Make it DRAMATIC!",
        "<#Reflection>" + "x" * 400, "<# Success >", "",
    ],
)  # fmt: skip
def test_no_doubtful_conclusion_is_a_success(bench: Callable[..., Bench], text: str) -> None:
    one = bench(fake.answer_by_call(conclude=text))
    result = one.loop(rounds=1)
    assert [this.verdict.tag for this in result.rounds] == ["unknown", "unknown"]
    assert result.round.image.shape == one.task.source.shape
    concluded = [call for call in one.calls() if call.call == "conclude"]
    assert len(concluded) == 4  # each asked again once
    assert all(call.error for call in concluded)


def test_a_refused_conclusion_is_unknown(bench: Callable[..., Bench]) -> None:
    one = bench(fake.answer_by_call(conclude=fake.completion(None, "content_filter")))
    assert one.loop(rounds=0).round.verdict.tag == "unknown"


def test_an_unusable_score_loses_nothing(bench: Callable[..., Bench]) -> None:
    one = bench(fake.answer_by_call(score='{"raw_score": 99}'))
    result = one.loop()
    assert len(result.rounds) == 1
    assert result.round.verdict.tag == "unknown"


def test_an_endless_reply_is_not_swallowed(bench: Callable[..., Bench]) -> None:
    one = bench([fake.body("x" * (wires.LONGEST_BODY + 1))])
    with pytest.raises(ReasonerError, match="more than"):
        one.reasoner.think(one.task)


def test_a_redirect_is_not_followed(bench: Callable[..., Bench]) -> None:
    one = bench([lambda to: fake.reply(to, b"", 307, location="http://example.invalid/")])
    with pytest.raises(ReasonerUnavailable, match="redirects"):
        one.reasoner.think(one.task)


# --- secrets -------------------------------------------------------------------------------------------------------

CANARY = "sk-canary-5f1c0d7e"


@pytest.mark.parametrize(
    "script",
    [
        fake.answer_by_call(),
        [fake.status(401, f"Incorrect API key provided: {CANARY}")],
        [fake.status(400, f"Bearer {CANARY} is bad")],
        [fake.status(500, CANARY)],
        [fake.body(f"<html>{CANARY}</html>")],
        [f"your key is {CANARY}"],
        [fake.completion("sk-canary-5f1c0d7e".replace("-", "\\u002d"), refusal=CANARY)],
    ],
)
def test_the_key_is_sent_and_never_told(
    bench: Callable[..., Bench],
    script: Any,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    one = bench(script, api_key=CANARY)
    message = ""
    try:
        one.loop()
    except ReasonerError as error:
        message = str(error) + repr(error.__context__)
    one.close()
    assert all(headers["authorization"] == f"Bearer {CANARY}" for headers in one.server.headers)
    told = [
        message,
        *capfd.readouterr(),
        caplog.text,
        repr(one.reasoner._wire).replace(f"key={CANARY!r}", ""),
    ]
    told += [path.read_text(errors="replace") for path in one.trace.path.rglob("*") if path.is_file()]
    assert [text for text in told if CANARY in text] == []


def test_without_a_key_nothing_of_the_environment_is_sent(bench: Callable[..., Bench]) -> None:
    one = bench([fake.PLAN])
    one.reasoner.think(one.task)
    (headers,) = one.server.headers
    assert headers["authorization"] == "Bearer none"
    assert not any("leak-of" in value for value in headers.values())
    assert os.environ["OPENAI_API_KEY"].startswith("leak-of")


def test_a_key_that_no_header_can_carry_is_refused_and_not_told() -> None:
    with pytest.raises(UsageError, match="REEDIT_VLM_API_KEY") as error:
        Wire("http://127.0.0.1:9/v1", f"{CANARY}é")
    assert CANARY not in str(error.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x/v1", "http://", "http://me:secret@host/v1",
                                 "http://[::1/v1", "http://h:99999/v1", "http://h/v1?key=secret"])  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as error:
        Wire(url)
    assert "secret" not in str(error.value)
