"""The command line as a user meets it: the issue's shows, wrong inputs, exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from agent.cli import main
from agent.errors import PhotoError, UsageError
from editor import EDITORS
from tests.conftest import EXAMPLES, ROOT, scene

Process = subprocess.CompletedProcess[str]


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def reedit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run the command line in this process, in tmp_path."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["reedit", *map(str, args)])
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with pytest.raises(SystemExit) as stop:
                main()
        finally:  # a command that is done ignores Ctrl-C, and so would all that this process starts
            for number, handler in before.items():
                signal.signal(number, handler)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(int(stop.value.code or 0), said.out, said.err)

    return run


def listing(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its content."""
    return {
        os.fsdecode(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def small_leaf(folder: Path) -> Path:
    with PILImage.open(EXAMPLES / "leaf.jpg") as leaf:
        leaf.resize((800, 600), PILImage.Resampling.BOX).save(folder / "leaf.jpg", quality=92)
    return folder / "leaf.jpg"


# the shows ------------------------------------------------------------------------------------------


def test_the_leaf_shows_potassium_deficiency(reedit: Callable[..., Said], tmp_path: Path) -> None:
    leaf = small_leaf(tmp_path)
    before = leaf.read_bytes()
    said = reedit("apply", leaf, "make the leaf show potassium deficiency")
    assert said.code == 0, said.err
    assert said.out == ""
    assert "<#Success>" in said.err
    assert leaf.read_bytes() == before
    with PILImage.open(tmp_path / "leaf.reedit.jpg") as result:
        assert result.size == (800, 600)
    shown = reedit("trace", "show", "last")
    assert shown.code == 0
    assert "potassium" in shown.out
    assert "<#Success>" in shown.out


def test_the_leaf_in_chinese_as_json(reedit: Callable[..., Said], tmp_path: Path) -> None:
    said = reedit("apply", small_leaf(tmp_path), "这片叶子缺钾的症状", "-o", "out.jpg", "--json")
    assert said.code == 0, said.err
    assert said.err == ""
    record = said.json
    assert record["ok"] is True
    assert record["tag"] == "Success"
    assert Path(record["output"]) == tmp_path / "out.jpg"
    assert all("叶" in step for step in record["plan"]["steps"])
    assert record["rounds"][0]["facts"]["outside_changed"] == 0


def test_dramatic_and_vintage_become_three_steps(reedit: Callable[..., Said], photo: Path) -> None:
    said = reedit("apply", photo, "make it more dramatic with a vintage feel", "--json")
    steps = said.json["plan"]["steps"]
    assert len(steps) == 3
    operations = [s["operations"][0]["operation"] for s in said.json["rounds"][0]["steps"]]
    assert operations == ["contrast", "sepia", "vignette"]


@pytest.mark.parametrize(
    "request_", ["add a dog", "加一只狗", "make her smile", "replace the cup with a bottle"]
)
def test_what_it_cannot_do_is_refused_in_one_line_and_nothing_is_written(
    reedit: Callable[..., Said], photo: Path, tmp_path: Path, request_: str
) -> None:
    before = listing(tmp_path)
    said = reedit("apply", photo, request_)
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "--reasoner vlm --editor" in said.err
    assert listing(tmp_path) == before


def test_plan_prints_steps_and_writes_nothing(
    reedit: Callable[..., Said], photo: Path, tmp_path: Path
) -> None:
    before = listing(tmp_path)
    assert reedit("plan", photo, "sepia", "--json").json["ok"] is True
    said = reedit("plan", photo, "make it more dramatic with a vintage feel")
    assert said.code == 0
    assert [line[:3] for line in said.out.splitlines()] == ["1. ", "2. ", "3. "]
    assert listing(tmp_path) == before


def test_reflect_judges_an_edit_made_by_someone_else(
    reedit: Callable[..., Said], photo: Path, tmp_path: Path
) -> None:
    with PILImage.open(photo) as picture:
        PILImage.eval(picture, lambda v: min(255, int(v * 1.35))).save(tmp_path / "by-hand.png")
    good = reedit("reflect", photo, tmp_path / "by-hand.png", "make it brighter", "--json")
    assert (good.code, good.json["tag"]) == (0, "Success")
    same = reedit("reflect", photo, photo, "make it brighter", "--json")
    assert same.code == 3
    assert same.json["tag"] != "Success"


def test_a_concrete_request_passes_through_unchanged(reedit: Callable[..., Said], photo: Path) -> None:
    said = reedit("apply", photo, "increase the contrast by 20%", "--json")
    assert said.json["plan"]["steps"] == ["increase the contrast by 20%"]
    assert said.json["plan"]["rewritten"] is False


def test_outside_of_a_region_every_bit_stays(reedit: Callable[..., Said], tmp_path: Path) -> None:
    source = scene(200, 120)
    PILImage.fromarray(source).save(tmp_path / "in.png")
    said = reedit("apply", "in.png", "make it much brighter", "--region", "20,30,50,40", "-o", "out.png")
    assert said.code in (0, 3), said.err
    result = np.asarray(PILImage.open(tmp_path / "out.png"))
    outside = np.ones((120, 200), bool)
    outside[30:70, 20:70] = False
    assert np.array_equal(result[outside], source[outside])
    assert (result[40:60, 30:60].mean() - source[40:60, 30:60].mean()) > 5


def test_a_mask_file_limits_the_edit(reedit: Callable[..., Said], tmp_path: Path) -> None:
    source = scene(200, 120)
    PILImage.fromarray(source).save(tmp_path / "in.png")
    mask = np.zeros((120, 200), np.uint8)
    mask[:60] = 255
    PILImage.fromarray(mask).save(tmp_path / "mask.png")
    said = reedit("apply", "in.png", "make the hat red", "--mask", "mask.png", "-o", "out.png")
    assert said.code in (0, 3), said.err
    result = np.asarray(PILImage.open(tmp_path / "out.png"))
    assert np.array_equal(result[60:], source[60:])
    assert not np.array_equal(result[:60], source[:60])


# options and settings -------------------------------------------------------------------------------


def test_the_output_is_never_overwritten_unasked(
    reedit: Callable[..., Said], photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jpg"
    out.write_bytes(b"precious")
    said = reedit("apply", photo, "brighten it", "-o", out)
    assert (said.code, out.read_bytes()) == (2, b"precious")
    assert "--overwrite" in said.err
    assert reedit("apply", photo, "brighten it", "-o", out, "--overwrite").code == 0
    with PILImage.open(out) as result:
        assert result.size == (192, 128)


def test_output_equal_to_input_needs_overwrite(reedit: Callable[..., Said], photo: Path) -> None:
    before = photo.read_bytes()
    said = reedit("apply", photo, "brighten it", "-o", photo)
    assert (said.code, photo.read_bytes()) == (2, before)
    assert reedit("apply", photo, "brighten it", "-o", photo, "--overwrite").code == 0
    assert photo.read_bytes() != before


def test_settings_file_and_unknown_key(reedit: Callable[..., Said], photo: Path, tmp_path: Path) -> None:
    (tmp_path / "reedit.yaml").write_text("runs: elsewhere\n")
    assert reedit("apply", photo, "brighten it", "--overwrite").code == 0
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1
    (tmp_path / "reedit.yaml").write_text("run: elsewhere\n")
    said = reedit("apply", photo, "brighten it", "--overwrite")
    assert said.code == 2
    assert "'runs'" in said.err


@pytest.mark.parametrize(
    ("option", "value", "names"), [("--editor", "bultin", "builtin"), ("--reasoner", "gpt", "vlm")]
)
def test_unknown_names_list_the_choices(
    reedit: Callable[..., Said], photo: Path, option: str, value: str, names: str
) -> None:
    said = reedit("apply", photo, "brighten it", option, value)
    assert said.code == 2
    assert names in said.err


def test_rounds_zero_means_one_edit(reedit: Callable[..., Said], photo: Path) -> None:
    assert len(reedit("apply", photo, "brighten it", "--rounds", 0, "--json").json["rounds"]) == 1


@pytest.mark.parametrize("command", ["doctor", "editors"])
def test_reports_as_text_and_json(reedit: Callable[..., Said], command: str) -> None:
    assert reedit(command).code == 0
    assert "builtin" in reedit(command).out or command == "doctor"
    assert reedit(command, "--json").json


@pytest.mark.parametrize(
    ("columns", "written"),
    [("120", "black-forest-labs/FLUX.1-Kontext-dev"), ("80", "FLUX.1-Kontext-dev"), ("60", "")],
)
def test_the_table_of_editors_has_one_line_an_editor_at_any_width(
    reedit: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, columns: str, written: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    table = reedit("editors").out.split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in table] == ["name", *EDITORS]
    kontext = next(line for line in table if line.startswith("flux-kontext")).split()
    assert (kontext[-1] == written) is bool(written)
    assert ("family" in table[0]) is bool(written)


def test_the_doctor_asks_the_editing_server_and_prints_the_mending_line_whole(
    reedit: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = reedit("doctor", "--editor-url", "http://127.0.0.1:9/v1")
    assert said.code == 1
    assert "editing server" in said.out
    assert "  vllm serve Qwen/Qwen-Image-Edit-2511 --omni --port 8091\n" in said.out
    assert "…" not in said.out


def test_who_carried_out_a_step_of_auto_and_why_is_told(reedit: Callable[..., Said], photo: Path) -> None:
    said = reedit("apply", photo, "brighten it", "--editor", "auto", "-v")
    assert "by builtin: no generative editor is set up" in said.err
    assert "by builtin: no generative editor is set up" in reedit("trace", "show").out


def test_what_names_no_tag_and_no_folder_of_runs_is_refused(reedit: Callable[..., Said], photo: Path) -> None:
    said = reedit("trace", "list", "--tag", "Succes")
    assert said.code == 2
    assert "Success" in said.err
    said = reedit("trace", "list", "--runs", photo)
    assert said.code == 2
    assert "is not a folder" in said.err


def test_export_takes_all_runs_wherever_they_are_kept(
    reedit: Callable[..., Said], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REEDIT_RUNS", "traces")
    reedit("apply", photo, "brighten it")
    assert reedit("trace", "export", "-o", "data", "--json").json["train"] == 1
    assert reedit("trace", "export", "-o", "more", "--runs", "traces", "--json").json["train"] == 1


@pytest.mark.parametrize("name", ["", ".", "/", ".."])
def test_a_photo_without_a_name_is_one_line(reedit: Callable[..., Said], name: str) -> None:
    said = reedit("apply", name, "brighten it")
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "internal" not in said.err


def test_a_pipe_in_the_place_of_the_output_is_not_replaced(
    reedit: Callable[..., Said], photo: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    said = reedit("apply", photo, "brighten it", "-o", "pipe.jpg", "--overwrite")
    assert said.code == 2
    assert "not a file" in said.err
    assert (tmp_path / "pipe.jpg").is_fifo()


def test_the_path_in_the_json_is_the_path_to_open(reedit: Callable[..., Said], photo: Path) -> None:
    odd = os.fsdecode(b"a\nb \xff.png")
    shutil.copy(photo, odd)
    record = reedit("apply", odd, "brighten it", "--json").json
    assert record["output"].endswith(os.fsdecode(b"a\nb \xff.reedit.png"))
    assert Path(record["output"]).is_file()


def test_trace_list_and_json(reedit: Callable[..., Said], photo: Path) -> None:
    assert "No runs" in reedit("trace", "list").out
    reedit("apply", photo, "[bold]brighten[/bold] it")
    assert reedit("apply", photo, "brighten it", "-o", "second.jpg").code == 0
    said = reedit("trace", "list", "--json")
    assert [row["instruction"] for row in json.loads(said.out)][-1] == "brighten it"
    assert "brighten it" in reedit("trace", "list").out
    record = reedit("trace", "show", "last", "--json").json
    assert record["run"]["schema"] == "reedit.run/1"
    assert record["events"][0]["event"] == "started"
    assert reedit("trace", "show", "nothing").code == 1


# wrong input ----------------------------------------------------------------------------------------


def _text(path: Path) -> None:
    path.write_text("this is not a photo")


def _truncated(path: Path) -> None:
    PILImage.fromarray(scene(192, 128)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:2000])


def _bomb(path: Path) -> None:
    PILImage.new("1", (40_000, 40_000)).save(path, "PNG")


def _animated(path: Path) -> None:
    frames = [PILImage.new("RGB", (20, 20), (40 * i, 0, 0)) for i in range(3)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    "make",
    [lambda p: None, Path.mkdir, Path.touch, _text, _truncated, _bomb, _animated],
    ids=["missing", "folder", "empty", "text", "truncated", "bomb", "animated"],
)
def test_what_is_not_a_photo_is_one_line_and_nothing_is_written(
    reedit: Callable[..., Said], tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "in.jpg"
    make(path)
    before = listing(tmp_path)
    said = reedit("apply", path, "brighten it")
    assert said.code in (1, 2)
    assert said.err.count("\n") == 1
    assert "in.jpg" in said.err
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    "instruction",
    [
        "",
        "   ",
        "x" * 10_000,
        "brighten\x1b[31m it",
        "brighten\x00it",
        "[bold red]nonsense[/]",
        "[/]",
        "\\",
        "{}",
        "%s",
    ],
)
def test_odd_instructions(reedit: Callable[..., Said], photo: Path, tmp_path: Path, instruction: str) -> None:
    before = listing(tmp_path)
    said = reedit("apply", photo, instruction)
    assert said.code in (1, 2)
    assert said.err.count("\n") == 1
    assert len(said.err) < 600
    assert "\x1b" not in said.err
    assert listing(tmp_path) == before


@pytest.mark.parametrize("region", ["500,500,10,10", "-5,0,0,10", "a,b,c,d", "1,2,3", "", "the unicorn"])
def test_a_region_that_is_not_there(
    reedit: Callable[..., Said], photo: Path, tmp_path: Path, region: str
) -> None:
    before = listing(tmp_path)
    said = reedit("apply", photo, "brighten it", f"--region={region}")
    assert said.code in (1, 2)
    assert said.err.count("\n") == 1
    assert listing(tmp_path) == before


def test_a_mask_of_another_size(reedit: Callable[..., Said], photo: Path, tmp_path: Path) -> None:
    PILImage.new("L", (10, 10), 255).save(tmp_path / "mask.png")
    said = reedit("apply", photo, "brighten it", "--mask", "mask.png")
    assert said.code == 2
    assert "10 x 10" in said.err
    assert "192 x 128" in said.err


def test_an_output_folder_that_does_not_exist(reedit: Callable[..., Said], photo: Path) -> None:
    said = reedit("apply", photo, "brighten it", "-o", "no/such/folder/out.jpg")
    assert said.code in (1, 2)
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["with spaces.jpg", "ünï 照片.jpg", "-dash.jpg", "[red]x[-red].jpg", "a'b\"c.jpg"]
)
def test_odd_file_names(cli: Callable[..., Process], photo: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(photo, tmp_path / name)
    said = cli("apply", "--", name, "brighten it")
    assert said.returncode == 0, said.stderr
    assert (tmp_path / f"{name[:-4]}.reedit.jpg").is_file()


def test_a_name_that_is_not_utf8(photo: Path, tmp_path: Path) -> None:
    name = b"caf\xe9.jpg"
    shutil.copy(os.fsencode(photo), os.fsencode(tmp_path) + b"/" + name)
    said = subprocess.run(
        [os.fsencode(sys.executable), b"-m", b"reedit", b"apply", name, b"brighten it"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert os.path.exists(os.fsencode(tmp_path) + b"/caf\xe9.reedit.jpg")  # noqa: PTH110
    shown = subprocess.run(
        [sys.executable, "-m", "reedit", "trace", "show", "last"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr


@pytest.mark.skipif(
    os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="mounts a small tmpfs: needs root"
)
def test_a_full_disk(cli: Callable[..., Process], tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", small], capture_output=True
    ).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
        PILImage.fromarray(noise).save(tmp_path / "in.jpg", quality=95)
        said = cli("apply", "in.jpg", "brighten it", "-o", "small/out.jpg")
        assert said.returncode == 1
        assert said.stderr.count("\n") == 1
        assert "disk is full" in said.stderr
        assert list(small.iterdir()) == []
        said = cli("apply", "in.jpg", "brighten it", "-o", "out.jpg", "--runs", "small/runs")
        assert said.returncode == 1
        assert said.stderr.count("\n") == 1
        assert not (tmp_path / "out.jpg").exists()
    finally:
        subprocess.run(["umount", small], check=True)


def test_ctrl_c_closes_the_trace_and_exits_130(tmp_path: Path) -> None:
    big = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), np.uint8)
    PILImage.fromarray(big).save(tmp_path / "in.png", compress_level=1)
    process = subprocess.Popen(
        [sys.executable, "-m", "reedit", "apply", "in.png", "turn it into an oil painting"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not list(tmp_path.glob("runs/*/events.jsonl")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not (tmp_path / "in.reedit.png").exists()
    result = json.loads(next(tmp_path.glob("runs/*/result.json")).read_text())
    assert result["status"] == "interrupted"


# habits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [["--version"], ["--help"], ["apply", "--help"], ["trace", "show", "--help"]]
)
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    heavy = {"numpy", "PIL", "cv2", "torch", "skimage", "yaml", "rich.markdown"}
    if args[0].startswith("--"):  # typer itself loads pydantic for the help of a command
        heavy.add("pydantic")
    script = (
        "import sys\n"
        f"sys.argv = ['reedit', *{args!r}]\n"
        "from agent.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        f"heavy = {heavy!r} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout


def test_wrong_usage_exits_2(reedit: Callable[..., Said], photo: Path) -> None:
    assert reedit("apply", photo).code == 2
    assert reedit("apply", photo, "brighten it", "--no-such-option").code == 2
    assert reedit("no-such-command").code == 2


def test_help_is_in_sections_and_says_each_command_whole(
    cli: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for args in ([], ["trace"]):
        assert "..." not in cli(*args, "--help").stdout.partition("Commands:")[2]
    told = cli("apply", "--help").stdout
    heads = [line for line in told.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert heads[:4] == ["Arguments:", "Options:", "The run:", "Where to edit:"]
    assert heads[-1] == "The vlm reasoner:"


def test_the_library(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import reedit as library

    monkeypatch.chdir(tmp_path)
    outcome = library.apply(photo, "increase the contrast", output=None, seed=3)
    assert outcome.ok
    assert outcome.output is None
    assert outcome.image.shape == (128, 192, 3)
    assert library.apply(photo, "increase the contrast").output == tmp_path / "photo.reedit.jpg"
    assert library.plan(photo, "increase the contrast").steps == ("increase the contrast",)
    with pytest.raises(Exception, match="unknown setting 'sed'"):
        library.apply(photo, "increase the contrast", sed=3)


def test_the_library_takes_what_the_command_line_takes_and_prints_nothing(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import reedit as library

    monkeypatch.chdir(tmp_path)
    Path("cut.jpg").write_bytes(photo.read_bytes()[:-400])
    with pytest.raises(PhotoError, match="salvage"):
        library.apply("cut.jpg", "brighten it")
    low = library.apply("cut.jpg", "brighten it", salvage=True, quality=5, output="low.jpg")
    high = library.apply("cut.jpg", "brighten it", salvage=True, quality=95, output="high.jpg")
    assert low.output is not None
    assert high.output is not None
    assert low.output.stat().st_size < high.output.stat().st_size
    with pytest.raises(UsageError, match="from 1 to 100"):
        library.apply(photo, "brighten it", quality=500)
    assert capfd.readouterr() == ("", "")
