"""Manifests: every form, every fault with its line, and no name that leads out of the output folder."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.batch import BatchJob, ManifestError, naming, read_manifest
from agent.config import Settings
from agent.errors import UsageError

SETTINGS = Settings()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "叶.png", "mask.png"):
        (tmp_path / name).write_bytes(b"not looked into")
    return tmp_path


def read(folder: Path, name: str, text: str, **options: Any) -> list[BatchJob]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_manifest(str(folder / name), folder / "out", SETTINGS, **options)


def faults(folder: Path, name: str, text: str, **options: Any) -> list[str]:
    with pytest.raises(ManifestError) as error:
        read(folder, name, text, **options)
    return error.value.faults


ROWS = [
    {"image": "a.jpg", "instruction": "brighten, a lot", "seed": 7, "rounds": 0},
    {
        "image": "叶.png",
        "instruction": "把叶子变黄",
        "id": "leaf",
        "output": "sub/叶.jpg",
        "mask": "mask.png",
    },
    {"image": "a.jpg", "instruction": "darken it", "region": "1,2,3,4", "quality": 80, "salvage": True},
]


def as_csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, sorted({name for row in rows for name in row}))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.yaml"])
def test_all_forms_say_the_same(photos: Path, name: str) -> None:
    text = {
        "m.csv": "\ufeff" + as_csv(ROWS),
        "m.jsonl": "\n".join(json.dumps(row) for row in ROWS) + "\n\n",
        "m.yaml": json.dumps(ROWS),  # YAML has JSON in it
    }[name]
    first, second, third = read(photos, name, text)
    assert (first.id, first.output, first.overrides) == ("a", "a.jpg", (("seed", 7), ("rounds", 0)))
    assert first.settings(SETTINGS).rounds == 0
    assert (second.id, second.output, second.mask) == ("leaf", "sub/叶.jpg", photos / "mask.png")
    assert (third.id, third.output, third.region) == ("a-2", "a-2.jpg", "1,2,3,4")
    assert dict(third.options) == {"salvage": True, "quality": 80}


def test_a_folder_and_a_template(photos: Path) -> None:
    jobs = read_manifest(
        str(photos), photos / "out", SETTINGS, instruction="Make it brighter!", template="$slug/$stem"
    )
    assert [job.output for job in jobs] == [
        f"make-it-brighter/{name}" for name in ("a.jpg", "b.jpg", "mask.png", "叶.png")
    ]
    with pytest.raises(UsageError, match="--instruction"):
        read_manifest(str(photos), photos / "out", SETTINGS)
    with pytest.raises(UsageError, match="'name' is not known"):
        read_manifest(str(photos), photos / "out", SETTINGS, instruction="x", template="$name")


def test_jsonl_on_stdin(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    monkeypatch.setattr("sys.stdin", io.StringIO('{"image": "a.jpg", "instruction": "brighten it"}\n'))
    assert read_manifest("-", photos / "out", SETTINGS)[0].image == photos / "a.jpg"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_stdin_is_utf8_whatever_the_locale(
    photos: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.chdir(photos)
    line = '\ufeff{"image": "叶.png", "instruction": "把叶子变黄"}\r\n'.encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line), encoding, "surrogateescape"))
    assert read_manifest("-", photos / "out", SETTINGS)[0].instruction == "把叶子变黄"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding, "surrogateescape"))
    with pytest.raises(UsageError, match="-: not UTF-8 text"):
        read_manifest("-", photos / "out", SETTINGS)


def test_every_fault_is_told_with_its_line(photos: Path) -> None:
    found = faults(
        photos,
        "m.csv",
        "image,instruction,id,rounds,mask,region\n"
        "a.jpg,brighten it,x,1,,\n"
        '"gone.jpg","a photo\nthat is not there",,,,\n'
        "a.jpg,,y,99,,\n"
        "b.jpg,brighten it,x,,,\n"
        "b.jpg,brighten it,,,mask.png,the sky\n"
        "a.jpg,brighten it,,,,,,\n",
    )
    assert [line.split(":")[0] for line in found] == [f"line {n}" for n in (3, 5, 5, 6, 7, 8)]
    told = "\n".join(found)
    assert "there is no file" in told
    assert "instruction is missing" in told
    assert "less than or equal to 10" in told
    assert "either a mask or a region" in told
    assert "8 cells under 6 columns" in told
    assert "the id 'x' is taken in line 2" in told


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("m.csv", "image,instrution\na.jpg,x\n", "did you mean 'instruction'?"),
        ("m.csv", "image,instruction,vlm_url\na.jpg,x,http://evil\n", "whole batch"),
        ("m.jsonl", '{"image": "a.jpg", "instruction": "x", "editor": "builtin"}', "whole batch"),
        ("m.csv", "image,image\n", "twice"),
        ("m.csv", "", "name the columns"),
        ("m.csv", 'image,instruction\n"a.jpg,x\n', "line 2: not valid CSV"),
        ("m.jsonl", '{"image": "a.jpg"', "line 1: not valid JSON"),
        ("m.jsonl", "[1]", "not a JSON object"),
        ("m.jsonl", '{"image": ["a.jpg"], "instruction": "x"}', "must be text"),
        ("m.yaml", "- image: a.jpg\n  instruction: [x]\n", "line 1: a job has plain values only"),
        ("m.yaml", "jobs: 3", "a list of jobs"),
        ("m.yaml", "- !!python/object/apply:os.system ['x']\n", "not a job"),
        ("m.yaml", "- a: [\n", "line 2: not valid YAML"),
        pytest.param("m.yaml", "[" * 20_000, "line 1: not valid YAML", id="deep"),
        ("m.yaml", "- image: !!python/name:os.system a.jpg\n", "line 1: not valid YAML"),
        ("m.yaml", "- image: a.jpg\n- id: 2026-13-01\n", "line 2: not valid YAML"),
        ("m.yaml", "- seed: !!int many\n", "line 1: not valid YAML"),
        ("m.jsonl", "\n", "no jobs"),
    ],
)
def test_what_is_no_manifest(photos: Path, name: str, text: str, told: str) -> None:
    assert told in "\n".join(faults(photos, name, text))


@pytest.mark.parametrize("url", ["https://host/a.jpg", "s3://bucket/a.jpg", "file:///etc/passwd"])
def test_no_url_is_an_input(photos: Path, url: str) -> None:
    for row in ({"image": url}, {"image": "a.jpg", "mask": url}):
        told = faults(photos, "m.jsonl", json.dumps({"instruction": "x"} | row))
        assert len(told) == 1
        assert "files, not URLs" in told[0]


@pytest.mark.parametrize(
    "output",
    [
        "../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "C:\\x.jpg", "..\\x.jpg", "runs/x.jpg", ".reedit/x.jpg", "x",
        "x.gif", "link/x.jpg", "Results.jsonl", "a\u0000.jpg", "",
    ],
)  # fmt: skip
def test_no_output_leaves_the_folder(photos: Path, output: str) -> None:
    (photos / "out").mkdir()
    (photos / "out" / "link").symlink_to(photos)
    row = {"image": "a.jpg", "instruction": "x", "output": output}
    if output:
        assert faults(photos, "m.jsonl", json.dumps(row))
    else:  # an empty cell is one that was not given
        assert read(photos, "m.jsonl", json.dumps(row))[0].output == "a.jpg"


def test_an_output_over_links_in_a_circle_is_refused(photos: Path) -> None:
    (photos / "out").mkdir()
    (photos / "out" / "loop").symlink_to("loop")
    text = '{"image": "a.jpg", "instruction": "brighten it", "output": "loop/a.jpg"}'
    assert "outside of the output folder" in faults(photos, "m.jsonl", text)[0]


def test_ids_are_the_first_free_numbers_and_many_of_one_name_take_no_longer() -> None:
    def ids(names: list[str], *taken: str) -> list[str]:
        return list(naming.default_ids([Path(name) for name in names], set(taken)))

    assert ids(["a.png", "x/a.png", "A.png", "a-2.png", "a.jpg"]) == ["a", "a-2", "A-3", "a-2-2", "a-4"]
    assert ids(["a.png", "a.png", "a.png"], "a-2") == ["a", "a-3", "a-4"]
    assert ids(["image.png"] * 20_000)[-1] == "image-20000"  # one by one from 1: 40 s


def test_an_output_that_is_an_input_or_taken_is_refused(photos: Path) -> None:
    with pytest.raises(ManifestError, match="is an input"):
        read_manifest(str(photos), photos, SETTINGS, instruction="x")
    rows = [{"image": "a.jpg", "instruction": "x", "output": name} for name in ("É.jpg", "e\u0301.jpg")]
    assert "is taken" in faults(photos, "m.jsonl", "\n".join(map(json.dumps, rows)))[0]


@pytest.mark.parametrize("job_id", ["a/b", ".hidden", "x\ny", " x", "..", "\\", "i" * 200])
def test_an_id_that_is_no_file_name(photos: Path, job_id: str) -> None:
    assert (
        "id: "
        in faults(photos, "m.jsonl", json.dumps({"image": "a.jpg", "instruction": "x", "id": job_id}))[0]
    )


CELL = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.sampled_from(["a.jpg", "../a.jpg", "sub/x.jpg", "1,2,3,4", "brighten it", "\\\\host\\x.jpg"]),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
COLUMN = st.sampled_from(["image", "instruction", "id", "output", "seed", "mask", "region", "quality", "no"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(COLUMN, CELL, max_size=6), max_size=4))
def test_any_rows_are_jobs_or_faults(photos: Path, rows: list[dict[str, Any]]) -> None:
    text = "\n".join(json.dumps(row) for row in rows)
    try:
        jobs = read(photos, "m.jsonl", text)
    except ManifestError:
        return
    out = (photos / "out").resolve()
    assert len({job.id for job in jobs}) == len({job.output for job in jobs}) == len(jobs) == len(rows)
    for job in jobs:
        assert (out / job.output).resolve().is_relative_to(out)
        assert job.image.is_file()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=300) | st.binary(max_size=100).map(lambda b: b.decode("latin-1")),
    suffix=st.sampled_from([".csv", ".jsonl", ".yaml"]),
)
def test_any_text_is_jobs_or_faults(photos: Path, text: str, suffix: str) -> None:
    (photos / f"m{suffix}").write_text(text, encoding="utf-8", errors="replace", newline="")
    with pytest.raises(ManifestError):
        read_manifest(str(photos / f"m{suffix}"), photos / "out", SETTINGS)


@given(st.text(max_size=200))
def test_a_slug_is_part_of_a_file_name(text: str) -> None:
    made = naming.slug(text)
    assert made
    assert len(made) <= naming.LONGEST_SLUG
    assert not set(made) & set("/\\. \0\n")


def test_a_manifest_that_is_not_there_and_one_without_jobs_are_told_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^.*photos: no such file or folder$"):
        read_manifest(str(tmp_path / "photos"), tmp_path / "out", Settings(), instruction="brighten it")
    (tmp_path / "empty.csv").write_text("image,instruction\n")
    with pytest.raises(ManifestError) as error:
        read_manifest(str(tmp_path / "empty.csv"), tmp_path / "out", Settings())
    assert error.value.faults == ["there are no jobs in it."]
