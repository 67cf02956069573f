"""Reports in a real headless Chromium: no error, nothing leaves, mouse, keyboard, accessibility, hostile traces.

Needs Debian's chromium (or CHROMIUM=path) and `pip install "reedit[browser]"`. axe-core comes with it, or AXE names
its axe.min.js (`npm pack axe-core`); without either the checks of our own are what is left.
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.report import serve, write_gallery, write_page
from agent.trace import list_runs
from editor.base import EditRequest, EditResult
from tests.run_folders import HOSTILE, Brighten, broken_runs, edit_json, hostile_run, make_run
from tests.test_previews import Stepper, stepped

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason='pip install "reedit[browser]"')
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no Chromium: apt install chromium, or set CHROMIUM", allow_module_level=True)


def find_axe() -> Path | None:
    if "AXE" in os.environ:
        return Path(os.environ["AXE"])
    package = importlib.util.find_spec("axe_playwright_python")
    found = (
        [] if package is None or package.origin is None else Path(package.origin).parent.rglob("axe.min.js")
    )
    return next(iter(found), None)


AXE = find_axe()
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


class Watch:
    """A page whose every complaint and request is kept."""

    def __init__(self, browser: Any, **context: Any) -> None:
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | context))
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, target: Path | str) -> Any:
        self.page.goto(target if isinstance(target, str) else target.as_uri())
        self.page.wait_for_load_state("load")
        return self.page

    def close(self, *allowed: str) -> None:
        """No complaint, and no request but to the places allowed."""
        self.context.close()
        assert self.complaints == []
        away = [url for url in self.requests if not url.startswith(("data:", "blob:", *allowed))]
        assert away == []


@pytest.fixture
def watch(browser: Any) -> Watch:
    return Watch(browser)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    write_page(make_run(folder / "runs"), folder / "r.html")
    return folder / "r.html"


@pytest.fixture(scope="module")
def previews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("previews")
    write_page(stepped(folder / "runs"), folder / "r.html")
    write_page(stepped(folder / "runs", editor=Stepper(stop_at=2)), folder / "unfinished.html")
    return folder / "r.html"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(6):
        run = make_run(folder / "runs", f"request number {number}")
        if number % 3 == 0:
            edit_json(run.path / "result.json", tag="Failed", score=1.0 + number)
    write_gallery(list_runs(folder / "runs"), folder / "g.html")
    return folder / "g.html"


def at(page: Any) -> float:
    return float(
        page.evaluate("parseFloat(document.querySelector('.compare').style.getPropertyValue('--at'))")
    )


def test_the_slider_works_by_mouse_and_keyboard(watch: Watch, report: Path) -> None:
    page = watch.open(report)
    slider = page.locator(".reveal").first
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert at(page) == pytest.approx(25, abs=1.5)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert at(page) == pytest.approx(26, abs=1.5)
    page.keyboard.press("End")
    assert at(page) == 100
    page.keyboard.press("Home")
    assert at(page) == 0
    assert "0 % before" in slider.get_attribute("aria-valuetext")
    watch.close("file:")


def test_a_result_of_another_shape_is_not_stretched(watch: Watch, tmp_path: Path) -> None:
    class Crop(Brighten):
        def edit(self, request: EditRequest) -> EditResult:
            side = min(request.image.shape[:2])
            return EditResult(np.ascontiguousarray(request.image[:side, :side]))

    write_page(make_run(tmp_path / "runs", editor=Crop()), tmp_path / "r.html")  # 96 x 64 to 64 x 64
    page = watch.open(tmp_path / "r.html")
    page.locator(".reveal").first.press("Home")  # nothing but the result
    with Image.open(io.BytesIO(page.locator(".stage").first.screenshot())) as shot:
        seen = np.asarray(shot.convert("RGB"))
    rows = seen[seen.shape[0] // 4 : seen.shape[0] // 2]  # clear of the label
    half, empty = (rows[:, round(share * seen.shape[1])] for share in (0.5, 0.9))
    assert len(np.unique(half, axis=0)) > 1
    assert len(np.unique(empty, axis=0)) == 1  # a sixth of the stage on either side
    watch.close("file:")


def test_overlays_and_the_close_look(watch: Watch, report: Path) -> None:
    page = watch.open(report)
    figure = page.locator(".compare").first
    button = figure.get_by_role("button", name="What changed")
    overlay = figure.locator("[data-overlay=map]")
    assert overlay.is_hidden()
    button.focus()
    page.keyboard.press("Enter")
    assert overlay.is_visible()
    assert button.get_attribute("aria-pressed") == "true"
    figure.get_by_role("button", name="Look closely").click()
    dialog = page.get_by_role("dialog")
    assert dialog.is_visible()
    page.keyboard.press("0")
    before = dialog.locator("output").inner_text()
    page.keyboard.press("+")
    assert dialog.locator("output").inner_text() != before
    moved = page.locator("#pane-after").evaluate("e => e.style.transform")
    page.keyboard.press("ArrowRight")
    assert page.locator("#pane-after").evaluate("e => e.style.transform") != moved
    dialog.get_by_role("button", name="Pixels").click()
    assert dialog.locator("output").inner_text() == "800 %"
    assert page.locator("#pane-before").evaluate("e => e.naturalWidth") == 96
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    watch.close("file:")


def test_every_picture_of_a_report_is_there(watch: Watch, report: Path) -> None:
    page = watch.open(report)
    sizes = page.eval_on_selector_all("main img", "all => all.map(img => img.naturalWidth)")
    assert len(sizes) > 8
    assert all(size > 0 for size in sizes)
    watch.close("file:")


def test_previews_stand_in_a_row_that_scrolls_by_keyboard(watch: Watch, previews: Path) -> None:
    page = watch.open(previews)
    row = page.get_by_role("region", name="Previews of step 1 of round 2")
    assert row.locator("img").count() == 3
    row.scroll_into_view_if_needed()
    playwright.expect(row.locator("img").last).to_have_js_property("naturalWidth", 48)
    row.evaluate("e => { e.style.width = '6rem' }")
    row.focus()
    page.keyboard.press("ArrowRight")
    playwright.expect(row).not_to_have_js_property("scrollLeft", 0)
    page = watch.open(previews.with_name("unfinished.html"))
    assert page.get_by_role("heading", name="Round 1, step 1").is_visible()
    assert page.get_by_role("img", name="Preview after denoising step 2 of 3").count() == 1
    watch.close("file:")


def test_the_command_can_be_copied(watch: Watch, report: Path) -> None:
    page = watch.open(report)
    button = page.locator("#copy")
    button.click()
    playwright.expect(button).to_have_text(re.compile("Copied|Selected"))
    watch.close("file:")


def test_gallery_filters_and_sorting(watch: Watch, gallery: Path) -> None:
    page = watch.open(gallery)
    cards = page.locator(".card")
    assert cards.count() == 6
    page.get_by_role("button", name="Failed 2").press("Enter")
    playwright.expect(cards).to_have_count(2)
    page.get_by_label("Sort by").select_option("score-")
    playwright.expect(cards.first).to_contain_text("number 3")
    page.get_by_role("button", name="Reset").click()
    playwright.expect(cards).to_have_count(6)
    page.get_by_label("Request or photo").fill("NUMBER 4")
    playwright.expect(cards).to_have_count(1)
    playwright.expect(page.get_by_role("status")).to_have_text("1 of 6 runs")
    watch.close("file:")


def test_gallery_pictures_charts_and_pages(watch: Watch, gallery: Path) -> None:
    page = watch.open(gallery)
    page.wait_for_function("[...document.querySelectorAll('.card img')].every(img => img.naturalWidth > 0)")
    charts = page.locator("#charts svg[role=img]")
    assert charts.count() == 3
    assert "round 1: 6 Reflection" in charts.first.get_attribute("aria-label")
    assert "mean 5.0" in charts.nth(1).get_attribute("aria-label")
    page.locator(".card a").first.click()
    page.wait_for_load_state("load")
    assert page.locator("h1").inner_text() == "request number 5"
    sizes = page.eval_on_selector_all("main img", "all => all.map(img => img.naturalWidth)")
    assert all(size > 0 for size in sizes)
    page.get_by_role("link", name="All runs").click()
    page.wait_for_load_state("load")
    assert page.locator("h1").inner_text() == "Runs"
    watch.close("file:")


def test_nothing_runs_and_nothing_leaves_for_hostile_traces(watch: Watch, tmp_path: Path) -> None:
    for text in HOSTILE:
        run = hostile_run(tmp_path / "runs", text)
        write_page(run, tmp_path / "r.html")
        page = watch.open(tmp_path / "r.html")
        assert page.locator("main script, main iframe, main svg [onload], img[onerror]").count() == 0
    broken_runs(tmp_path / "runs")
    write_gallery(list_runs(tmp_path / "runs"), tmp_path / "g.html")
    page = watch.open(tmp_path / "g.html")
    assert page.locator(".card").count() > len(HOSTILE)
    watch.close("file:")


def test_the_policy_stops_what_escaping_would_miss(browser: Any, report: Path, tmp_path: Path) -> None:
    """Markup planted into a finished page neither runs nor loads anything."""
    planted = (
        '<img src="http://127.0.0.1:9/x.png" onerror="document.title=1"><script>document.title="ran"</script>'
    )
    target = tmp_path / "planted.html"
    target.write_text(report.read_text().replace("<main", f"{planted}<main", 1))
    watch = Watch(browser)
    page = watch.open(target)
    assert page.title() not in ("ran", "1")
    assert watch.complaints
    assert all("Content Security Policy" in complaint for complaint in watch.complaints)
    watch.context.close()


def test_the_live_page_grows(watch: Watch, tmp_path: Path) -> None:
    make_run(tmp_path / "runs")
    server = serve(tmp_path / "runs")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        page = watch.open(server.url)
        assert page.locator(".card").count() == 1
        make_run(tmp_path / "runs", "<b>newer</b>")
        playwright.expect(page.locator(".card")).to_have_count(2, timeout=8000)
        page.get_by_role("link", name="<b>newer</b>").click()
        page.wait_for_load_state("load")
        assert page.locator("h1").inner_text() == "<b>newer</b>"
        watch.close(server.url)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


LAYOUTS = [
    {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["desktop-light", "phone-dark"])
@pytest.mark.parametrize("name", ["report", "previews", "gallery"])
def test_it_fits_and_is_accessible(browser: Any, request: Any, name: str, layout: dict[str, Any]) -> None:
    watch = Watch(browser, **layout)
    page = watch.open(request.getfixturevalue(name))
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= layout["viewport"]["width"]
    check_names(page)
    if AXE:
        check_axe(page)
    watch.close("file:")


def check_names(page: Any) -> None:
    """One h1, headings without a gap, a language, a name for every control and picture, enough contrast of text."""
    assert page.locator("h1").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    levels = page.eval_on_selector_all("h1,h2,h3", "all => all.map(one => Number(one.tagName[1]))")
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    nameless = page.eval_on_selector_all(
        "button, input, select, img, a",
        """all => all.filter(one => !(one.getAttribute('aria-label') || one.alt || one.innerText.trim()
           || one.textContent.trim() || one.querySelector('img[alt]')
           || (one.labels && one.labels.length))).map(one => one.outerHTML)""",
    )
    assert nameless == []


def check_axe(page: Any) -> None:
    """axe-core finds nothing serious."""
    assert AXE is not None
    page.evaluate(AXE.read_text())  # by the debugger: the page's own policy forbids scripts
    found = page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))"
    )
    serious = [
        (one["id"], [node["html"][:120] for node in one["nodes"]][:4])
        for one in json.loads(found)
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
