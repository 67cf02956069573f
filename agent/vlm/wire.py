"""The connection to an OpenAI-compatible server: one retry layer, a total deadline, and patience with a restart.

The openai client does the wire format; its own retries are off. Everything it and its transport raise is turned into
reedit's errors here, and the key is cut out of whatever the server says before anyone else sees it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.util
import json
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from agent.errors import ReasonerError, ReasonerUnavailable
from editor.servers import (
    BUSY,
    CONNECT_SECONDS,
    MOST_FAULTS,
    check_key,
    check_url,
    is_final,
    is_loopback,
    may_pass,
    one_line,
    pause,
    retry_after,
    words,
)

KEY_VARIABLE = "REEDIT_VLM_API_KEY"
START = " Start one with:  "
START_LINE = "reedit serve --model Qwen/Qwen2.5-VL-7B-Instruct"
HEALTH_SECONDS = 5.0
HEALTH_PAUSE = 0.5
CLOSE_SECONDS = 2.0
LONGEST_BODY = 4_000_000
LONGEST_TEXT = 40_000
"""Bytes of a reply's body and characters of its text; more is not a reply to anything asked here."""

Value = TypeVar("Value")


class Rejected(ReasonerError):
    """The server understood the request and will not have it: status 400, 413 or 422, and its own words."""

    def __init__(self, status: int, words: str) -> None:
        self.words = words
        super().__init__(f"The VLM server refused the request ({status}): {words}{_advice(words)}")


class NotFound(ReasonerUnavailable):
    """Status 404: no such model, or no such address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion as received. text is "" when there was none."""

    text: str
    finish_reason: str | None = None
    refusal: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(slots=True)
class Tally:
    """Counts what one call took, also when it ends with an error."""

    attempts: int = 0


class _Fault(Exception):
    """One try failed in a way that another may not. after: seconds the server asks to wait."""

    def __init__(self, why: str, *, busy: bool = False, after: float | None = None) -> None:
        super().__init__(why)
        self.busy = busy
        self.after = after


@dataclass(eq=False)
class Wire:
    """A server at `url` (ends in /v1). Methods may be called from any thread, and are interrupted by Ctrl-C.

    key: sent as a bearer token. timeout: seconds one call may take with all its tries.
    wait: seconds to wait, besides, for a server that was there and went away.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    timeout: float = 120.0
    wait: float = 120.0
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)
    _client: Any = field(default=None, init=False, repr=False)
    _reached: bool = field(default=False, init=False, repr=False)
    _end: Callable[[], object] | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.url = check_url(self.url, "--vlm-url", KEY_VARIABLE)
        self.key = check_key(self.key, KEY_VARIABLE)
        if importlib.util.find_spec("openai") is None:
            raise ReasonerUnavailable('The vlm reasoner needs an extra: pip install "reedit[vlm]"')
        # importing the client takes as long as loading a photo, and can happen meanwhile
        threading.Thread(
            target=_open_early, args=(weakref.ref(self),), name="reedit-vlm", daemon=True
        ).start()

    def models(self, tally: Tally | None = None) -> list[str]:
        """The names of the models that the server serves."""
        return self._run(self._persist(self._get_models, tally or Tally()))

    def chat(self, body: dict[str, Any], tally: Tally | None = None) -> Answer:
        """One chat completion. body: keyword arguments of the openai client.

        Raises Rejected, or ReasonerUnavailable when there is no server, no access or no answer in time.
        """
        return self._run(self._persist(lambda: self._post_chat(body), tally or Tally()))

    def close(self) -> None:
        """Close the connections. The wire opens them again when it is used again."""
        with self._lock:
            self._loop = None
        if self._end is not None:
            self._end()

    # --- one try ------------------------------------------------------------------------------------------------

    async def _post_chat(self, body: dict[str, Any]) -> Answer:
        create = self._client.chat.completions.with_streaming_response.create
        answer = _answer(await self._fetch(lambda: create(**body)))
        # again after decoding: in JSON the key can be spelled with escapes
        refusal = None if answer.refusal is None else self._scrub(answer.refusal)
        return replace(answer, text=self._scrub(answer.text), refusal=refusal)

    async def _get_models(self) -> list[str]:
        body = await self._fetch(self._client.models.with_streaming_response.list)
        data = body.get("data")
        names = [item.get("id") for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        return [name for name in names if isinstance(name, str)]

    async def _fetch(self, request: Callable[[], Any]) -> dict[str, Any]:
        """The JSON object a request brings. Raises _Fault, Rejected or ReasonerUnavailable."""
        import openai

        failure: Exception | None = None
        text = ""
        try:
            async with request() as response:
                text = self._scrub(await _read(response))
        except openai.APIStatusError as error:
            failure = self._status_error(error)
        except openai.APIConnectionError as error:
            failure = _Fault(f"the connection failed ({_reason(error)})")
        if failure is not None:
            raise failure  # out here: as its __context__ the client's error would carry the server's unscrubbed words
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            raise _Fault(f"it answered with something that is not JSON: {one_line(text)}") from None
        if not isinstance(body, dict):
            raise _Fault("it answered with JSON that is not an object")
        return body

    def _status_error(self, error: Any) -> Exception:
        status = int(error.status_code)
        said = one_line(self._scrub(words(error.response.content)))
        if status in (401, 403):
            return ReasonerUnavailable(
                f"The VLM server at {self.url} denies access ({status}); set {KEY_VARIABLE} to a key it knows."
            )
        if status == 404:
            return NotFound(
                f"The VLM server has no such model, or {self.url} is not an OpenAI-compatible address (404): {said}"
            )
        if may_pass(status) and is_final(error.response.headers, error.response.content):
            return ReasonerUnavailable(
                f"The VLM server at {self.url} takes no more requests ({status}): {said}"
            )
        if may_pass(status):
            after = retry_after(error.response.headers.get("retry-after"))
            asks = "" if after is None else f" (it asks to wait {after:g} s)"
            return _Fault(f"it answered {status}: {said}{asks}", busy=status in BUSY, after=after)
        if status < 400:
            return ReasonerUnavailable(
                f"{self.url} redirects elsewhere ({status}); give the address itself as --vlm-url."
            )
        return Rejected(status, said)

    def _scrub(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text

    # --- patience -----------------------------------------------------------------------------------------------

    async def _persist(self, attempt: Callable[[], Awaitable[Value]], tally: Tally) -> Value:
        """Try until it works, the faults are too many, or the time is up. Waiting for a restart is not counted."""
        deadline = time.monotonic() + self.timeout
        faults = 0
        while True:
            tally.attempts += 1
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    value = await attempt()
            except TimeoutError:
                raise ReasonerUnavailable(
                    f"The VLM server at {self.url} gave no whole answer within {self.timeout:g} s."
                ) from None
            except _Fault as fault:
                if not fault.busy:
                    faults += 1
                    deadline += await self._until_back(fault)
                seconds = pause(tally.attempts, fault.after)
                if faults >= MOST_FAULTS or time.monotonic() + seconds >= deadline:
                    tries = f"{tally.attempts} {'try' if tally.attempts == 1 else 'tries'}"
                    raise ReasonerUnavailable(
                        f"The VLM server at {self.url} failed after {tries}: {fault}."
                    ) from None
                await asyncio.sleep(seconds)
            else:
                self._reached = True
                return value

    async def _until_back(self, fault: _Fault) -> float:
        """Seconds waited until the server was healthy. Raises ReasonerUnavailable if it never was, or stays away."""
        began = time.monotonic()
        healthy = await self._healthy()
        if not healthy and not self._reached:
            raise ReasonerUnavailable(f"No VLM server answers at {self.url}: {fault}.{START}{START_LINE}")
        while not healthy:
            if time.monotonic() - began >= self.wait:
                raise ReasonerUnavailable(
                    f"The VLM server at {self.url} went away and did not come back within {self.wait:g} s: {fault}."
                )
            await asyncio.sleep(HEALTH_PAUSE)
            healthy = await self._healthy()
        return time.monotonic() - began

    async def _healthy(self) -> bool:
        """Whether /health answers; a server that does not know the path is up all the same."""
        import openai

        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await self._client.get(self.url.removesuffix("/v1") + "/health", cast_to=str)
        except openai.APIStatusError as error:
            return int(error.status_code) < 500
        except (openai.OpenAIError, TimeoutError):
            return False
        return True

    # --- the thread the client lives in -------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Run in the wire's own event loop: only there can a deadline end a reply that drips byte by byte."""
        future: concurrent.futures.Future[Value] = asyncio.run_coroutine_threadsafe(work, self._started())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._client = _client(self.url, self.key)
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_live, args=(self._loop,), name="reedit-vlm", daemon=True)
                thread.start()
                self._end = weakref.finalize(self, _shut, self._loop, thread, self._client)
            return self._loop


def _open_early(wire: weakref.ref[Wire]) -> None:
    if (opened := wire()) is not None:
        with suppress(Exception):  # told when the wire is used
            opened._started()


def _client(url: str, key: str | None) -> Any:
    """An openai client that takes nothing from OPENAI_* variables, and no proxy for a server on this machine."""
    import openai

    transport = openai.DefaultAsyncHttpxClient(
        trust_env=not is_loopback(url),
        follow_redirects=False,
        verify=url.startswith("https"),  # loading certificates takes 0.2 s, for nothing where there is no TLS
    )
    return openai.AsyncOpenAI(
        base_url=url,
        api_key=key or "none",  # the client insists on one; open servers ignore it
        max_retries=0,
        timeout=openai.Timeout(None, connect=CONNECT_SECONDS),
        default_headers={"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()},
        http_client=transport,
    )


def _live(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _shut(loop: asyncio.AbstractEventLoop, thread: threading.Thread, client: Any) -> None:
    """End what is under way, the connections and the thread."""

    async def end() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()
        loop.stop()

    asyncio.run_coroutine_threadsafe(end(), loop)
    if threading.current_thread() is not thread:
        thread.join(CLOSE_SECONDS)


async def _read(response: Any) -> str:
    """The body of a reply. Raises _Fault when it breaks off."""
    data = bytearray()
    try:
        async for chunk in response.iter_bytes():
            data += chunk
            if len(data) > LONGEST_BODY:
                break
    except Exception as error:  # openai lets through whatever its transport raises here
        raise _Fault(f"the connection failed ({_reason(error)})") from None
    if len(data) > LONGEST_BODY:
        raise ReasonerError(f"The VLM server sent more than {LONGEST_BODY:,} bytes for one reply.")
    return data.decode("utf-8", "replace")


def _reason(error: BaseException) -> str:
    cause = error.__cause__ or error
    return one_line(str(cause)) or type(cause).__name__


def _answer(body: dict[str, Any]) -> Answer:
    """What a completion says. Raises _Fault when it is not one."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _Fault("its reply has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise _Fault("its reply has no message")
    text = _text(message.get("content"))
    if len(text) > LONGEST_TEXT:
        raise ReasonerError(f"The VLM wrote {len(text):,} characters; at most {LONGEST_TEXT:,} are taken.")
    reason, refusal = choices[0].get("finish_reason"), message.get("refusal")
    raw_usage = body.get("usage")
    usage = raw_usage if isinstance(raw_usage, dict) else {}
    return Answer(
        text=text,
        finish_reason=reason if isinstance(reason, str) else None,
        refusal=refusal if isinstance(refusal, str) and refusal else None,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
    )


def _text(content: Any) -> str:
    """The text of a message: a string, or a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


_ADVICE = (
    (("context length", "context window", "max_model_len", "too many tokens", "too long"),
     " The prompt with its pictures does not fit: lower --vlm-max-pixels, or start the server with a larger "
     "--max-model-len."),
    (("image", "multimodal", "multi-modal", "vision"),
     " The model must see pictures, at least two in one prompt: try another model, or `reedit doctor`."),
)  # fmt: skip


def _advice(words: str) -> str:
    """A hint beside the server's words; it decides nothing."""
    lower = words.lower()
    return next((hint for needles, hint in _ADVICE if any(needle in lower for needle in needles)), "")
