"""The benchmark of the diffusion editors counts right and runs; what it measures needs a GPU."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("torch", reason="torch and diffusers are not installed")
pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
dit = pytest.importorskip("benchmarks.dit")
models = pytest.importorskip("benchmarks.models")
tiny = pytest.importorskip("tests.tiny_diffusers")

pytestmark = [
    pytest.mark.diffusion,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def cells(said: str, start: str) -> list[str]:
    """The cells of the first line of a printed table that starts so."""
    line = next(line for line in said.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("| ").split("|")]


def test_the_real_size_is_counted_without_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert dit.main(["--list", "--family", "z-image"]) == 0
    name, billions, tera, exact, fast = cells(capsys.readouterr().out, "z-image")
    assert name == "z-image"
    assert float(billions.removesuffix(" B")) == pytest.approx(6.2, abs=0.1)
    # 2 FLOP per parameter and token, and attention, over 4096 tokens of picture and the step's
    assert float(tera) == pytest.approx(2 * 6.15 * 4.224, rel=0.15)
    assert float(exact) == float(fast) == pytest.approx(9 * float(tera) / 1000, abs=0.01)


@pytest.mark.parametrize(
    ("family", "part", "billions"),
    # published, less what the vocabulary takes: the tokenizers here have some hundred tokens
    [
        ("qwen-image-edit", "text_encoder", 8.29 - 2 * 0.545), ("flux-kontext", "text_encoder_2", 4.76 - 0.131),
        ("flux-kontext", "text_encoder", 0.123 - 0.038), ("flux2-klein", "text_encoder", 4.02 - 0.389),
        ("qwen-image-edit", "vae", 0.127), ("z-image", "vae", 0.084), ("flux2-klein", "vae", 0.084),
    ],
)  # fmt: skip
def test_networks_have_their_published_size(family: str, part: str, billions: float) -> None:
    import diffusers
    import torch

    pipeline, sizes = models.PARTS[family]
    small = tiny.BUILDERS[pipeline](getattr(diffusers, pipeline))
    grown = models.grown(getattr(small, part), sizes[part], "meta", torch.bfloat16)
    assert sum(p.numel() for p in grown.parameters()) / 1e9 == pytest.approx(billions, rel=0.01)


@pytest.mark.parametrize("name", dit.FAMILIES)
def test_a_tiny_one_runs_on_a_cpu(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--tiny", "--device", "cpu", "--repeats", "1", "--family", name, "--preset", "exact"]
    assert dit.main(arguments) == 0
    said = capsys.readouterr().out
    assert "matrix product" in said
    assert "failed" not in said
    steps, edits = said.split("Whole edits")
    assert float(cells(steps, f"{name} | exact")[2]) > 0
    assert float(cells(edits, f"{name} | exact")[2]) > 0


def test_what_a_cache_skipped_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    family = dit.family_of("flux-kontext")
    loose = dataclasses.replace(family.presets["balanced"], cache=9.0)
    monkeypatch.setitem(family.presets, "balanced", loose)
    monkeypatch.setattr("editor.diffusion.caches.find_spec", lambda name: None)
    arguments = ["--tiny", "--device", "cpu", "--edit", "--family", "flux-kontext"]
    assert dit.main([*arguments, "--preset", "plain", "--preset", "balanced"]) == 0
    said = capsys.readouterr().out
    assert cells(said, "flux-kontext | plain")[4] == "4 of 4"
    assert cells(said, "flux-kontext | balanced")[4] == "1 of 4"
    assert float(cells(said, "flux-kontext | balanced")[5]) > 0


def test_rows_that_fail_or_come_too_late_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--tiny", "--device", "cpu", "--steps", "--family", "z-image", "--preset", "plain"]
    assert dit.main([*arguments, "--budget", "0"]) == 0
    assert "left out" in cells(capsys.readouterr().out, "z-image | plain")[2]

    def short(*args: object) -> None:
        raise RuntimeError("CUDA out of memory\nTried to allocate")

    monkeypatch.setattr(dit, "count", short)
    assert dit.main(arguments) == 0
    assert cells(capsys.readouterr().out, "z-image | plain")[2] == "failed: CUDA out of memory"


def test_a_row_says_why_blocks_were_not_compiled(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where compilation fails the editor runs uncompiled: a row must not take that for what compiled blocks do."""
    from editor.diffusion import speed

    def fails(*args: object, **more: object) -> None:
        raise RuntimeError("no C compiler\nmore")

    def prepare(transformer: object, kind: str, device: object) -> list[str]:
        speed.compile_blocks(transformer)
        return [speed.COMPILED]

    monkeypatch.setattr("torch.compile", lambda forward, **options: fails)
    monkeypatch.setattr(dit, "_prepare", prepare)
    arguments = ["--tiny", "--device", "cpu", "--steps", "--repeats", "1", "--family", "flux2-klein"]
    assert dit.main([*arguments, "--preset", "exact"]) == 0
    assert cells(capsys.readouterr().out, "flux2-klein | exact")[-1] == "NOT COMPILED: no C compiler"


def test_work_is_counted_as_arithmetic_says() -> None:
    import torch

    a, b = torch.zeros(8, 16), torch.zeros(16, 4)
    assert dit.count(lambda: a @ b) == 2 * 8 * 16 * 4
