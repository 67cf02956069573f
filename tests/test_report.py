"""Reports: self-contained, escaped, tolerant; and the live server. What a browser makes of them: test_browser.py."""

from __future__ import annotations

import base64
import hashlib
import html
import http.client
import json
import os
import re
import resource
import shutil
import socket
import struct
import tempfile
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import TraceError
from agent.report import serve, write_gallery, write_page
from agent.report.gallery import card, make_thumbnail
from agent.report.images import SMALL_FILE, Picture, change_map, data_url
from agent.report.page import Album, command, render
from agent.report.safe import file_name, script_json, visible
from agent.trace import Run, TraceWriter, list_runs
from agent.trace.index import summarize
from agent.trace.records import ImageRef
from agent.trace.thumbnail import kept
from agent.trace.view import view
from tests.conftest import scene
from tests.run_folders import HOSTILE, LONG, broken_runs, edit_json, hostile_run, make_run
from tests.test_cli import reedit  # noqa: F401 - a fixture

ALLOWED = {
    "a", "b", "bdi", "body", "button", "code", "dd", "details", "dialog", "div", "dl", "dt", "fieldset", "figcaption",
    "figure", "footer", "h1", "h2", "h3", "head", "header", "html", "img", "input", "label", "legend", "li", "link",
    "main", "meta", "noscript", "ol", "option", "output", "p", "pre", "rect", "script", "section", "select", "span",
    "style", "summary", "svg", "table", "tbody", "td", "th", "thead", "title", "tr", "ul",
}  # fmt: skip
"""Elements of our own templates."""


OWN = ("data:,", "#content")
"""Addresses of our own templates: no icon, and the link past the header."""


class Page(HTMLParser):
    """Elements, addresses and scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style"):
            self.inside.append((self._open, data))

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    @property
    def addresses(self) -> list[str]:
        return [
            v or ""
            for _, a in self.elements
            for k, v in a.items()
            if k in ("src", "href", "srcset", "action")
        ]


def check_page(text: str) -> Page:
    """Only our own elements, no event or style attributes, every script and style allowed by its hash."""
    page = Page(text)
    assert {tag for tag, _ in page.elements} <= ALLOWED
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    json_blocks = [a for tag, a in page.elements if tag == "script" and a.get("type") == "application/json"]
    hashes = 0
    for _, body in page.inside:
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        hashes += f"'sha256-{digest}'" in policy
    assert hashes == len(page.inside) - len(json_blocks)
    return page


def test_one_run_is_one_file_without_a_network(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    write_page(run, tmp_path / "r.html")
    page = check_page((tmp_path / "r.html").read_text())
    assert all(address.startswith("data:image/") or address in OWN for address in page.addresses)
    # source and two results in all, each once
    assert sum(address.startswith("data:image/png") for address in page.addresses) >= 3
    assert len(set(page.addresses)) == len(page.addresses)


@pytest.mark.parametrize("text", [*HOSTILE, LONG], ids=range(len(HOSTILE) + 1))
def test_hostile_text_never_becomes_markup(tmp_path: Path, text: str) -> None:
    run = hostile_run(tmp_path / "runs", text)
    clean = make_run(tmp_path / "other")
    for one in (run, clean):
        write_page(one, tmp_path / f"{one.id}.html")
    written = (tmp_path / f"{run.id}.html").read_text()
    page, expected = check_page(written), check_page((tmp_path / f"{clean.id}.html").read_text())
    assert [a for a in page.addresses if not a.startswith("data:image/")] == list(OWN)
    scripts = [body for tag, body in page.inside if tag == "script"]
    assert scripts == [body for tag, body in expected.inside if tag == "script"]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", written)
    assert len(written) < 8_000_000


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_a_gallery_stays_data(tmp_path: Path, text: str) -> None:
    run = hostile_run(tmp_path / "runs", text)
    assert write_gallery([run], tmp_path / "g.html") == 1
    written = (tmp_path / "g.html").read_text()
    check_page(written)
    data = json.loads(re.search(r'id="data">(.*?)</script>', written)[1])
    assert data["cards"][0]["request"] == visible(text)
    assert "<" not in re.search(r'id="data">(.*?)</script>', written)[1]
    check_page((tmp_path / "g.files" / "runs" / f"{data['cards'][0]['name']}.html").read_text())


def test_damaged_runs_give_pages_or_are_left_out(tmp_path: Path) -> None:
    paths = broken_runs(tmp_path / "runs")
    runs = list_runs(tmp_path / "runs")
    assert write_gallery(runs, tmp_path / "g.html") == len(paths) - 2  # newer, and run.json torn
    for run in runs:
        if not run.id.endswith(("newer", "headless")):
            write_page(run, tmp_path / "r.html")
            text = (tmp_path / "r.html").read_text()
            check_page(text)
            assert "root:" not in text
            if run.id.endswith("garbage"):
                assert "Damaged" in text


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("sound"))


VALUES = st.sampled_from([None, True, -1, 1e308, float("nan"), 10**40, "x", "\ud800", [], [[]], {}, {"a": 1}])


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_anywhere_gives_a_page_or_one_error(sound: Run, data: st.DataObject) -> None:
    """Every value of a run replaced by something else, one at a time: a page, or a TraceError."""
    name = data.draw(st.sampled_from(["run.json", "result.json", "events.jsonl"]))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / sound.id
        shutil.copytree(sound.path, target)
        records = [json.loads(line) for line in _records((target / name).read_text(), name)]
        place: Any = data.draw(st.sampled_from(records))
        while True:
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
                break
            place = place[key]
        place[key] = data.draw(VALUES)
        (target / name).write_text("".join(json.dumps(record) + "\n" for record in records))
        try:
            shown = view(Run(target))
        except TraceError:
            return
        check_page(render(shown, Album(Run(target))))
        script_json(card(shown))
        summarize(Run(target))


def _records(text: str, name: str) -> list[str]:
    return text.splitlines() if name == "events.jsonl" else [text]


def test_pictures_outside_of_a_run_are_not_taken(tmp_path: Path) -> None:
    broken_runs(tmp_path / "runs")
    runs = [run for run in list_runs(tmp_path / "runs") if run.id.endswith(("escaping", "link"))]
    write_gallery(runs, tmp_path / "g.html")
    for path in (tmp_path / "g.files").rglob("*"):
        assert not path.is_symlink()
        assert path.is_dir() or b"root:" not in path.read_bytes()


def test_a_gallery_names_its_files_itself(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    odd = run.path.rename(run.path.with_name('x"><script>.run'))
    write_gallery(list_runs(tmp_path / "runs"), tmp_path / "g.html")
    names = [path.name for path in (tmp_path / "g.files").rglob("*") if path.is_file()]
    assert names
    assert all(re.fullmatch(r"[0-9a-z.-]+", name) for name in names)
    assert odd.name not in (tmp_path / "g.html").read_text()


def test_a_gallery_of_any_name_finds_its_pages(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    target = tmp_path / os.fsdecode(b"a b\xff#%.html")
    write_gallery([run], target)
    data = json.loads(re.search(r'id="data">(.*?)</script>', target.read_text())[1])
    folder = tmp_path / os.fsdecode(unquote_to_bytes(data["folder"]))
    page = (folder / "runs" / f"{data['cards'][0]['name']}.html").read_text()
    back = re.search(r'href="\.\./\.\./([^"]*)"', page)[1]
    assert folder.parent / os.fsdecode(unquote_to_bytes(back)) == target


def test_a_gallery_is_not_made_twice(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    write_gallery([run], tmp_path / "g.html")
    page = tmp_path / "g.files" / "runs" / f"{run.id}.html"
    page.write_text("kept")
    write_gallery([run], tmp_path / "g.html")
    assert page.read_text() == "kept"
    (run.path / "result.json").touch()
    write_gallery([run], tmp_path / "g.html")
    assert page.read_text() != "kept"


@pytest.mark.parametrize("what", ["page", "picture"])
def test_a_gallery_that_filled_the_disk_is_made_whole_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise OSError("this file system has no links")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    run = make_run(tmp_path / "runs")
    if what == "picture":  # larger than all else
        with run.image(view(run).started.image).open("ab") as file:
            file.write(bytes(200_000))
    (tmp_path / "whole").mkdir()
    write_gallery([run], tmp_path / "whole" / "g.html")
    files = [path for path in (tmp_path / "whole" / "g.files").rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    assert largest.suffix == {"page": ".html", "picture": ".png"}[what]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest.stat().st_size - 1, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_gallery([run], tmp_path / "g.html")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    write_gallery([run], tmp_path / "g.html")
    assert (tmp_path / largest.relative_to(tmp_path / "whole")).read_bytes() == largest.read_bytes()


def test_a_gallery_shows_the_thumbnail_that_was_kept_with_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    small = kept(run)
    assert small is not None
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR).shape == (240, 360, 3)
    for picture in (run.path / "images").glob("*.png"):  # they are not needed for it
        picture.write_bytes(b"")
    write_gallery([run], tmp_path / "g.html")
    assert (tmp_path / "g.files" / "thumbs" / f"{run.id}.jpg").read_bytes() == small


@pytest.mark.parametrize("damage", ["older", "missing", "other", "outside", "none", "pipe"])
def test_without_a_sound_thumbnail_the_pictures_are_read(tmp_path: Path, damage: str) -> None:
    run = make_run(tmp_path / "runs")
    small, path = kept(run), run.path / run.result["thumbnail"]
    if damage == "older":
        record = {key: value for key, value in run.result.items() if key != "thumbnail"}
        (run.path / "result.json").write_text(json.dumps(record))
    elif damage == "other":
        path.write_bytes(b"<script>alert(1)</script>")
    elif damage in ("missing", "pipe"):
        path.unlink()
        if damage == "pipe":
            os.mkfifo(path)
    else:
        secret = tmp_path / "0123456789abcdef.jpg"
        secret.write_bytes(b"secret")
        edit_json(run.path / "result.json", thumbnail=f"../../{secret.name}" if damage == "outside" else [1])
    again = Run(run.path)
    assert kept(again) is None
    assert make_thumbnail(view(again)) == small  # of a picture this small


def test_large_pictures_become_jpeg_unless_exact_ones_are_wanted(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (500, 700, 3), np.uint8)
    trace = TraceWriter(tmp_path, {})
    trace.event("started", image=trace.image(noise))
    trace.close("delivered")
    run = list_runs(tmp_path)[0]
    ref = run.events[0].image
    assert run.image(ref).stat().st_size > SMALL_FILE
    assert data_url(Picture(run, ref), exact=False).startswith("data:image/jpeg")
    exact = data_url(Picture(run, ref), exact=True)
    assert base64.b64decode(exact.partition(",")[2]) == run.image(ref).read_bytes()


def test_the_change_map_shows_where_it_changed() -> None:
    import cv2

    before = scene()
    after = before.copy()
    after[:20, :30] = 255 - after[:20, :30]
    data = base64.b64decode(change_map(before, after).partition(",")[2])
    alpha = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., 3]
    assert (alpha[:20, :30] > 0).mean() > 0.9
    assert (alpha[25:] == 0).all()


def test_the_command_is_quoted_or_not_given(tmp_path: Path) -> None:
    import shlex

    for text in HOSTILE:
        run = make_run(tmp_path, text)
        line = command(view(run))
        if line is not None:
            assert shlex.split(line)[-2:] == ["photo.jpg", text]
            assert shlex.split(line)[:2] == ["reedit", "apply"]
    assert command(view(make_run(tmp_path, "x\x1b[2J"))) is None
    assert command(view(make_run(tmp_path, "a\nb"))) is None
    plain = command(view(make_run(tmp_path, "--help")))
    assert plain.endswith("-- photo.jpg --help")
    replayed = make_run(tmp_path)
    edit_json(replayed.path / "run.json", settings={"reasoner": "recorded"})
    assert command(view(Run(replayed.path))) is None


def test_names_and_json_are_safe() -> None:
    assert file_name("20261121-131924-d2ac35") == "20261121-131924-d2ac35"
    for odd in ("..", "a/b", "", "x" * 99, "é", "-x"):
        assert re.fullmatch(r"run-[0-9a-f]{16}", file_name(odd))
    assert json.loads(script_json({"a": HOSTILE})) == {"a": list(HOSTILE)}
    assert not set("<>&") & set(script_json({"a": HOSTILE}))


def test_a_picture_that_is_none_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.path / "images" / "x.png").write_bytes(b"<svg onload=alert(1)>")
    for path in ("images/x.png", "images", "nothing", "../run.json", "images/\0.png"):
        assert data_url(Picture(run, ImageRef(path=path, width=1, height=1)), exact=True) is None


def test_the_command_line_writes_reports(reedit, tmp_path: Path) -> None:  # noqa: F811
    run = make_run(tmp_path / "runs")
    assert reedit("trace", "report", "last", "-o", "r.html").code == 0
    assert reedit("trace", "report", "last", "-o", "r.html").code == 0
    record = reedit("trace", "report", "runs", "-o", "g.html", "--json").json
    assert record == {"ok": True, "output": str(tmp_path / "g.html"), "runs": 1}
    (tmp_path / "mine.html").write_text("mine")
    said = reedit("trace", "report", run.id, "-o", "mine.html")
    assert (said.code, (tmp_path / "mine.html").read_text()) == (2, "mine")
    assert reedit("trace", "report", run.id, "-o", "mine.html", "--overwrite").code == 0
    assert reedit("trace", "report", "runs", "--tag", "Failed").code == 1
    assert reedit("trace", "report", run.id, "-o", "no/such/folder/r.html").code == 1


@pytest.fixture
def server(tmp_path: Path):
    make_run(tmp_path / "runs")
    running = serve(tmp_path / "runs")
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def get(server, path: str, host: str | None = None) -> tuple[int, bytes]:
    address = server.server_address
    connection = http.client.HTTPConnection(*address, timeout=20)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{address[1]}"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_the_server_shows_a_growing_folder(server, tmp_path: Path) -> None:
    assert server.server_address[0] == "127.0.0.1"
    status, body = get(server, "/")
    assert status == 200
    assert "connect-src &#39;self&#39;" in body.decode()
    assert len(json.loads(get(server, "/cards.json")[1])) == 1
    new = make_run(tmp_path / "runs", "a second one")
    assert [card["request"] for card in json.loads(get(server, "/cards.json")[1])] == [
        "brighten it",
        "a second one",
    ]
    status, body = get(server, f"/runs/{new.id}.html")
    assert status == 200
    check_page(body.decode())
    assert get(server, f"/thumbs/{new.id}.jpg")[1].startswith(b"\xff\xd8")
    edit_json(new.path / "result.json", tag="Failed!")
    assert json.loads(get(server, "/cards.json")[1])[1]["tag"] == "Failed!"


@pytest.mark.parametrize(
    "path", ["/x", "/runs/../../etc/passwd", "/thumbs/%2e%2e%2f", "/runs/", "/runs/%00.html"]
)
def test_the_server_gives_nothing_else(server, path: str) -> None:
    assert get(server, path)[0] == 404


def test_the_server_answers_to_its_own_name_only(server) -> None:
    assert get(server, "/", host="evil.example:80")[0] == 403
    assert get(server, "/", host="localhost")[0] == 200  # how browsers name port 80


def test_a_browser_that_goes_away_is_no_error(server, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(server.server_address) as browser:
        # reset at once, while the page is made
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
    assert get(server, "/cards.json")[0] == 200
    time.sleep(0.3)
    assert capfd.readouterr().err == ""
