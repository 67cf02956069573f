"""The benchmark of the diffusion editors counts right and runs; what it measures needs a GPU."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch and diffusers are not installed")
pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
dit = pytest.importorskip("benchmarks.dit")

pytestmark = [
    pytest.mark.diffusion,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_the_real_size_is_counted_without_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert dit.main(["--list", "--family", "z-image"]) == 0
    name, billions, *rest = capsys.readouterr().out.split()
    assert name == "z-image"
    assert float(billions) == pytest.approx(6.2, abs=0.1)
    # 2 FLOP per parameter and token, and attention, over 4096 tokens of picture and the step's
    assert float(rest[2]) == pytest.approx(2 * 6.15 * 4.224, rel=0.15)


@pytest.mark.parametrize("name", dit.FAMILIES)
def test_a_tiny_one_runs_on_a_cpu(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--tiny", "--device", "cpu", "--repeats", "1", "--family", name, "--preset", "plain"]
    assert dit.main(arguments) == 0
    said = capsys.readouterr().out
    assert "matrix product" in said
    assert f"{name}" in said
    assert "s/step" in said


def test_work_is_counted_as_arithmetic_says() -> None:
    import torch

    a, b = torch.zeros(8, 16), torch.zeros(16, 4)
    assert dit.count(lambda: a @ b) == 2 * 8 * 16 * 4
