"""Training data and benchmark folders: loadable, without duplicates, leaks between the parts, or paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from agent.errors import UsageError
from agent.evaluation import export_eval, place, safe
from agent.export import bare_png, export, scrub
from agent.trace import Run, list_runs
from agent.trace.view import view
from tests.run_folders import HOSTILE, broken_runs, edit_json, hostile_run, make_run
from tests.test_cli import reedit  # noqa: F401 - a fixture


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_thinking_pairs(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", "把它变亮")
    made = export([run], "thinking-pairs", tmp_path / "d", test_share=0)
    assert (made.train, made.test, made.images) == (1, 0, 1)
    (record,) = lines(tmp_path / "d" / "train.jsonl")
    assert record["instruction"] == "把它变亮"
    assert record["steps"] == ["brighten the photo"]
    assert record["language"] == "zh"
    assert record["tag"] == "Success"
    assert record["completion"][0]["content"][0]["text"] == "brighten the photo"
    stored = np.asarray(PILImage.open(tmp_path / "d" / record["images"][0]))
    assert np.array_equal(stored, np.asarray(PILImage.open(run.image(view(run).started.image))))


def test_reflection_triples_lead_from_one_picture_to_the_next(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    assert export([run], "reflection-triples", tmp_path / "d", test_share=0).train == 2
    first, second = lines(tmp_path / "d" / "train.jsonl")
    assert first["images"][0] == second["images"][0]
    assert first["target_image"] == second["target_image"] == second["images"][1]
    assert first["images"][1] != second["images"][1]
    assert (first["verdict"], first["correction"]) == ("Reflection", "brighten it more")
    assert first["consistency"]["score"] == 5.0
    text = first["completion"][0]["content"][0]["text"]
    assert text.startswith("<#Think>")
    assert text.endswith("<#Reflection> brighten it more")
    assert second["completion"][0]["content"][0]["text"].endswith("<#Success>")
    assert len(list((tmp_path / "d" / "images").iterdir())) == 3


def test_without_success_there_is_no_target(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    edit_json(run.path / "result.json", tag="Failed")
    export([Run(run.path)], "reflection-triples", tmp_path / "d")
    assert all(
        one["target_image"] is None
        for name in ("train", "test")
        for one in lines(tmp_path / "d" / f"{name}.jsonl")
    )


def test_duplicates_are_dropped_and_a_photo_is_in_one_part_only(tmp_path: Path) -> None:
    for number in range(8):
        make_run(tmp_path / "runs", f"request {number % 4}")
    made = export(list_runs(tmp_path / "runs"), "thinking-pairs", tmp_path / "d", test_share=0.5)
    assert made.duplicates == 4
    assert made.train + made.test == 4
    assert 0 in (made.train, made.test)  # one photo: all of it on one side


def test_sharegpt_has_a_mark_for_every_picture(tmp_path: Path) -> None:
    hostile = hostile_run(tmp_path / "runs", "an <image> in the text")
    export([make_run(tmp_path / "runs"), hostile], "sharegpt", tmp_path / "d", test_share=0)
    records = lines(tmp_path / "d" / "train.jsonl")
    assert {one["kind"] for one in records} == {"thinking", "reflection"}
    for one in records:
        said = "".join(turn["value"] for turn in one["conversations"])
        assert said.count("<image>") == len(one["images"])
    info = json.loads((tmp_path / "d" / "dataset_info.json").read_text())
    assert info["reedit_train"]["formatting"] == "sharegpt"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["thinking-pairs", "reflection-triples", "sharegpt"])
def test_the_datasets_library_loads_it(tmp_path: Path, form: Any) -> None:
    datasets = pytest.importorskip("datasets", reason='pip install "reedit[datasets]"')
    for text in ("brighten it", "变亮", *HOSTILE[:3]):
        make_run(tmp_path / "runs", text)
    made = export(list_runs(tmp_path / "runs"), form, tmp_path / "d", test_share=0)
    folder = tmp_path / "d"
    loaded = datasets.load_dataset(
        "json", data_files=str(folder / "train.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(loaded) == made.train > 0
    loaded = loaded.map(lambda one: {"images": [str(folder / name) for name in one["images"]]})
    loaded = loaded.cast_column("images", datasets.Sequence(datasets.Image()))
    assert all(picture.size == (96, 64) for picture in loaded[0]["images"])
    if form != "sharegpt":
        asked = loaded[0]["prompt"][0]["content"]
        assert [part["type"] for part in asked] == ["image"] * len(loaded[0]["images"]) + ["text"]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("see /home/ann/photos/x.jpg, please", "see <path>, please"),
        (r"C:\Users\Ann\x.jpg and \\server\share\x", "<path> and <path>"),
        ("file:///Users/ann/x y", "<path> y"),
        ("~/secret/x.png", "<path>"),
        ("either/or 1/2 and a/b", "either/or 1/2 and a/b"),
        ("把 /home/ann/图.jpg 变亮", "把 <path> 变亮"),
    ],
)
def test_paths_are_taken_out(text: str, clean: str) -> None:
    assert scrub(text) == clean


def test_no_path_of_the_machine_is_exported(tmp_path: Path) -> None:
    secret = "/home/ann/photos/holiday.jpg"
    run = hostile_run(tmp_path / "runs", f"brighten {secret}")
    picture = run.image(view(run).started.image)
    notes = PngInfo()
    notes.add_text("Comment", secret)
    PILImage.open(picture).save(picture, pnginfo=notes)
    for form in ("thinking-pairs", "reflection-triples", "sharegpt"):
        export([run], form, tmp_path / form)
        for path in (tmp_path / form).rglob("*"):
            assert path.is_dir() or b"ann" not in path.read_bytes(), path


def test_a_bare_png_has_the_same_pixels(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    PILImage.fromarray(pixels).save(path, dpi=(300, 300))
    bare = bare_png(path.read_bytes())
    assert b"pHYs" not in bare
    (tmp_path / "y.png").write_bytes(bare)
    assert np.array_equal(np.asarray(PILImage.open(tmp_path / "y.png")), pixels)
    assert bare_png(path.read_bytes()[:-5]) is None


def test_damaged_and_hostile_runs_are_left_out_or_stay_text(tmp_path: Path) -> None:
    broken_runs(tmp_path / "runs")
    for text in HOSTILE:
        hostile_run(tmp_path / "runs", text)
    runs = list_runs(tmp_path / "runs")
    made = export(runs, "reflection-triples", tmp_path / "d")
    assert made.skipped["not readable"] == 2
    assert made.train + made.test >= len(HOSTILE)
    for name in ("train", "test"):
        assert all(set(one) >= {"id", "images", "prompt"} for one in lines(tmp_path / "d" / f"{name}.jsonl"))
    written = export_eval(runs, "imgedit", tmp_path / "e", "m")
    assert written.written > 0
    inside = [path.relative_to(tmp_path / "e") for path in (tmp_path / "e").rglob("*") if path.is_file()]
    assert all(len(path.parts) == 2 and path.parts[0] == "m" for path in inside)


def test_benchmark_layouts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", "make it bright")
    manifest = tmp_path / "m.jsonl"
    row = {"image": "photo.jpg", "instruction": "make it bright", "key": "k1", "task_type": "color_alter",
           "instruction_language": "en", "category": "physics"}  # fmt: skip
    manifest.write_text(json.dumps(row) + "\n")
    expected = {
        "gedit": "m/fullset/color_alter/en/k1.png", "imgedit": "m/k1.png", "kris": "m/physics/k1.jpg",
    }  # fmt: skip
    for layout, name in expected.items():
        assert export_eval([run], layout, tmp_path / layout, "m", manifest=manifest).written == 1
        assert (tmp_path / layout / name).is_file()
    delivered = np.asarray(PILImage.open(run.image(view(run).best.edits[-1].image)))
    assert np.array_equal(np.asarray(PILImage.open(tmp_path / "gedit" / expected["gedit"])), delivered)
    guessed = export_eval([run], "gedit", tmp_path / "guessed", "m")
    assert guessed.written == 1
    assert (tmp_path / "guessed" / "m/fullset/unknown/en/photo.png").is_file()
    odd = make_run(tmp_path / "runs", "make it\u2028bright")
    row |= {"instruction": "make it\u2028bright", "key": "叶" * 100}
    manifest.write_text("\ufeff" + json.dumps(row, ensure_ascii=False) + "\n", "utf-8")
    assert export_eval([odd], "imgedit", tmp_path / "odd", "m", manifest=manifest).written == 1
    other = make_run(tmp_path / "runs", "not listed")
    assert export_eval([other], "kris", tmp_path / "none", "m", manifest=manifest).notes


def test_names_of_a_manifest_stay_below_the_folder() -> None:
    for evil in ("../../etc/passwd", "/abs", "..", "a/b", "\0", "."):
        assert "/" not in safe(evil)
        assert not safe(evil).startswith(".")
    assert place("kris", {"category": "../x", "key": "../../y"}) == Path("_x", "_.._y.jpg")
    with pytest.raises(UsageError, match="lacks task_type"):
        place("gedit", {"key": "1"})


def test_the_command_line_exports(reedit, tmp_path: Path) -> None:  # noqa: F811
    for number in range(3):
        make_run(tmp_path / "runs", f"request {number}")
    said = reedit("trace", "export", "runs", "--format", "reflection-triples", "-o", "d", "--json")
    assert said.json["train"] + said.json["test"] == 6
    assert reedit("trace", "export", "runs", "--format", "sharegpt", "-o", "d").code == 2
    assert reedit("trace", "export", "runs", "--format", "sharegpt", "-o", "d", "--overwrite").code == 0
    assert reedit("trace", "export", "runs", "--tag", "Failed", "-o", "d2").code == 1
    assert reedit("trace", "export", "last", "--format", "eval", "--layout", "kris", "-o", "e").code == 0
    assert (tmp_path / "e" / "reedit" / "unknown" / "photo.jpg").is_file()
    (tmp_path / "bad.jsonl").write_text("[]\n")
    assert (
        reedit("trace", "export", "last", "--format", "eval", "--manifest", "bad.jsonl", "-o", "f").code == 2
    )
