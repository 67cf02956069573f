"""The diffusion editors around the model: files and faults, words, memory, speed, adapters, the loop."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import editor as editors
from agent import config, session
from editor.base import EditError, EditorUnavailable, EditRequest, Image, UsageError
from editor.diffusion import base, loading, lora, memory
from editor.diffusion.base import DiffusionEditor, Options
from tests.conftest import scene

torch = pytest.importorskip("torch", reason="torch and diffusers are not installed")
pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
tiny = pytest.importorskip("tests.tiny_diffusers")

pytestmark = [
    pytest.mark.diffusion,
    # the libraries' own, about versions to come
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

STEP = "make it autumn"


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with tiny.small_canvas():
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model by its pipeline class, built when first asked for."""
    root = tmp_path_factory.mktemp("models")
    return lambda name: root / name if (root / name).exists() else tiny.saved(name, root / name)


@pytest.fixture
def copy(models: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a tiny model that a test may damage."""
    return lambda name: Path(shutil.copytree(models(name), tmp_path / name))


def make(folder: Path, **options: Any) -> DiffusionEditor:
    made = editors.make(
        str(folder), options=Options(model=str(folder), pixels=tiny.AREA, **{"steps": 2} | options)
    )
    assert isinstance(made, DiffusionEditor)
    return made


def edit(folder: Path, image: Image | None = None, **options: Any) -> Any:
    return make(folder, **options).edit(EditRequest(scene() if image is None else image, STEP))


# --- the folder -----------------------------------------------------------------------------------------------------


def test_the_family_is_read_from_the_folder_not_its_name(
    models: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "qwen-image-edit"
    shutil.copytree(models("Flux2KleinPipeline"), folder)
    assert make(folder).name == "flux2-klein"


def test_a_text_to_image_folder_of_z_image_edits(copy: Callable[[str], Path]) -> None:
    folder = copy("ZImageImg2ImgPipeline")
    _set(folder / "model_index.json", _class_name="ZImagePipeline")
    assert edit(folder).details["pipeline"] == "ZImageImg2ImgPipeline"


def test_folders_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(EditorUnavailable, match=r"no model_index\.json"):
        editors.make(str(tmp_path))
    with pytest.raises(EditorUnavailable, match="There is no folder"):
        editors.make(str(tmp_path / "nope"))
    with pytest.raises(EditorUnavailable, match="There is no folder ~nobody-here/x"):
        editors.make("~nobody-here/x")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(EditorUnavailable, match="is a single file; the folder"):
        editors.make(str(tmp_path / "model.safetensors"))
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(EditorUnavailable, match="cannot be read"):
        editors.make(str(tmp_path))
    (tmp_path / "model_index.json").write_text("[" * 100_000)
    with pytest.raises(EditorUnavailable, match="cannot be read"):
        editors.make(str(tmp_path))
    (tmp_path / "model_index.json").write_text('{"_class_name": ["own", "Pipe"]}')
    with pytest.raises(EditorUnavailable, match="code of their own"):
        editors.make(str(tmp_path))


def test_an_unknown_class_lists_the_families(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(EditorUnavailable, match=r"StableDiffusionPipeline.*qwen-image-edit.*z-image"):
        editors.make(str(tmp_path))


def test_another_familys_folder_is_refused(models: Callable[[str], Path]) -> None:
    other = editors.make("z-image", options=Options(model=str(models("Flux2KleinPipeline"))))
    with pytest.raises(EditorUnavailable, match="is a Flux2KleinPipeline; z-image runs"):
        other.edit(EditRequest(scene(), STEP))


def _set(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def _weights(folder: Path, part: str) -> Path:
    return next((folder / part).glob("*.safetensors"))


def _truncate(folder: Path) -> None:
    weights = _weights(folder, "transformer")
    weights.write_bytes(weights.read_bytes()[:-100])


def _pickle(folder: Path) -> None:
    weights = _weights(folder, "vae")
    weights.rename(weights.with_suffix(".bin"))


def _lfs(folder: Path) -> None:
    _weights(folder, "text_encoder").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")


def _shards(text: str) -> Callable[[Path], Any]:
    name = "diffusion_pytorch_model.safetensors.index.json"
    return lambda folder: (folder / "transformer" / name).write_text(text)


def _index(**values: Any) -> Callable[[Path], Any]:
    return lambda folder: _set(folder / "model_index.json", **values)


def _without(part: str, key: str) -> Callable[[Path], Any]:
    """Take a weight out of a component, whose file stays whole."""

    def take(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        weights = load_file(_weights(folder, part))
        del weights[key]
        save_file(weights, _weights(folder, part))

    return take


def _nan(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = _weights(folder, "transformer")
    save_file(
        {name: torch.full_like(value, float("nan")) for name, value in load_file(weights).items()}, weights
    )


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_truncate, "transformer.*damaged or incomplete"),
        (lambda folder: _weights(folder, "vae").write_bytes(b""), "vae.*damaged or incomplete"),
        (lambda folder: _weights(folder, "vae").write_bytes(b"x" * 500), "vae.*damaged or incomplete"),
        (lambda folder: _weights(folder, "vae").write_bytes(struct.pack("<Q", 2) + b"{}"), "damaged"),
        (_lfs, "git-lfs pointer"),
        (_pickle, "pickled weights"),
        (_shards('{"weight_map": {"a": "model-00002-of-00002.safetensors"}}'), "lacks model-00002"),
        (_shards("[1]"), r"index\.json cannot be read"),
        (_shards('{"weight_map": {"a": 1}}'), "transformer lacks 1"),
        (_shards('{"weight_map": {"a": {}}}'), "transformer lacks"),
        (lambda folder: shutil.rmtree(folder / "vae"), "lacks its component vae"),
        (lambda folder: (folder / "vae" / "config.json").unlink(), r"vae lacks config\.json"),
        (lambda folder: (folder / "vae" / "config.json").write_text("[]"), r"config\.json cannot be read"),
        (lambda folder: (folder / "tokenizer" / "tokenizer.json").unlink(), "tokenizer files"),
        (lambda folder: (folder / "tokenizer" / "chat_template.jinja").unlink(), "lacks its chat template"),
        (_index(vae=["os", "path"]), "would run code of os"),
        (_index(vae=["diffusers"]), "'vae' is no component"),
        (_index(vae=[]), "'vae' is no component"),
        (_index(vae=None), "lacks its component vae"),
        (_index(vae=[None, None]), "lacks its component vae"),
        (_index(**{"../../etc": ["diffusers", "AutoencoderKL"]}), "etc' is no component"),
        (_without("text_encoder", "layers.0.mlp.up_proj.weight"), "missing from its component text_encoder"),
        (_without("transformer", "cap_embedder.1.weight"), "missing from its component transformer"),
    ],
)
def test_damage_is_named(copy: Callable[[str], Path], damage: Callable[[Path], Any], says: str) -> None:
    folder = copy("ZImageImg2ImgPipeline")
    damage(folder)
    with pytest.raises(EditorUnavailable, match=says):
        edit(folder)


def test_weights_of_another_shape(copy: Callable[[str], Path]) -> None:
    folder = copy("Flux2KleinPipeline")
    _set(folder / "transformer" / "config.json", num_attention_heads=4)
    with pytest.raises(EditorUnavailable, match=r"cannot be loaded: .*expected shape.*\]\)$"):
        edit(folder)


def test_nan_is_a_failed_step(copy: Callable[[str], Path]) -> None:
    folder = copy("Flux2KleinPipeline")
    _nan(folder)
    with pytest.raises(EditError, match="NaN"):
        edit(folder)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_blank_picture_is_a_failed_step(value: float) -> None:
    with pytest.raises(EditError, match="blank"):
        base._picture(np.full((64, 96, 3), value), scene())


def test_a_black_photo_may_stay_black() -> None:
    assert not base._picture(np.zeros((8, 8, 3)), np.zeros((8, 8, 3), np.uint8)).any()


# --- the hub and the machine ----------------------------------------------------------------------------------------


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.usefixtures("no_network")
def test_no_network_says_what_to_do() -> None:
    with pytest.raises(EditorUnavailable, match="the hub cannot be reached"):
        editors.make("qwen-image-edit").edit(EditRequest(scene(), STEP))
    with pytest.raises(EditorUnavailable, match="the hub cannot be reached"):
        editors.make("someone/some-model")


def test_a_family_without_published_weights_wants_a_folder() -> None:
    with pytest.raises(
        EditorUnavailable, match=r"No weights of z-image-omni are published yet.*--editor-model"
    ):
        editors.make("z-image-omni").edit(EditRequest(scene(), STEP))


@pytest.mark.parametrize(
    "family", [family for family in editors.families() if family.revision], ids=lambda family: family.name
)
def test_a_familys_own_model_is_pinned_unless_told_otherwise(
    family: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked_for(model: str | None) -> str:
        wanted: list[str] = []

        def class_of(name: str) -> str:
            wanted.append(name)
            raise EditorUnavailable("stop")

        monkeypatch.setattr(loading, "class_of", class_of)
        with pytest.raises(EditorUnavailable, match="stop"):
            family(Options(model=model)).edit(EditRequest(scene(), STEP))
        return wanted[0]

    repo, _, commit = asked_for(None).partition("@")
    assert repo == family.model
    assert re.fullmatch("[0-9a-f]{40}", commit)
    assert asked_for(family.model) == f"{repo}@{commit}"
    assert asked_for(f"{repo}@main") == f"{repo}@main"
    assert asked_for("someone/else") == "someone/else"


def test_large_models_want_a_gpu_or_a_word(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(base, "SMALL_MODEL", 10)
    folder = models("ZImageImg2ImgPipeline")
    with pytest.raises(EditorUnavailable, match=r"--device cpu.*--editor builtin"):
        edit(folder)
    assert any("CPU" in note for note in edit(folder, device="cpu").notes)
    with pytest.raises(EditorUnavailable, match="no CUDA GPU"):
        edit(folder, device="cuda")


def test_weights_load_once_also_from_threads(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, loads = models("Flux2KleinPipeline"), []
    load = loading.load
    monkeypatch.setattr(loading, "load", lambda *args, **more: loads.append(1) or load(*args, **more))
    monkeypatch.setattr(loading, "_held", {})
    workers = [threading.Thread(target=edit, args=(folder,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert loads == [1]


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(tiny.BUILDERS))
def test_long_steps_are_cut_by_sentence(models: Callable[[str], Path], name: str) -> None:
    made = make(models(name))
    step = "Make the sky blue. " * 80
    result = made.edit(EditRequest(scene(), step))
    prompt = result.details["prompt"]
    assert step.startswith(prompt)
    assert prompt.endswith("blue.")
    assert 100 < len(prompt) < 600
    assert any("cut after “…" in note for note in result.notes)


def test_longcat_reads_what_is_quoted_letter_by_letter(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_held", {})
    made = make(models("LongCatImageEditPipeline"))
    made._loaded().pipe.tokenizer.add_tokens(["banner"])  # one token, but for the letters of a quotation
    result = made.edit(EditRequest(scene(), f"Make it red. Write “{'banner' * 100}” on it."))
    assert result.details["prompt"] == "Make it red."


def test_the_encoder_is_asked_once_for_the_same(models: Callable[[str], Path]) -> None:
    made = make(models("QwenImageEditPlusPipeline"))
    first, again, other, words = (
        made.edit(EditRequest(image, step, seed=seed))
        for image, step, seed in (
            (scene(seed=1), "one", 1), (scene(seed=1), "one", 2), (scene(seed=2), "one", 2),
            (scene(seed=1), "two", 2),
        )
    )  # fmt: skip
    reused = [result.details["prompt_reused"] for result in (first, again, other)]
    assert reused == [False, True, False]  # this encoder looks at the picture
    assert not np.array_equal(again.image, words.image)


def test_what_is_remembered_is_what_would_be_computed(
    models: Callable[[str], Path], monkeypatch: Any
) -> None:
    folder = models("FluxKontextPipeline")
    request = EditRequest(scene(), STEP, seed=4)
    made = make(folder)
    made.edit(request)
    remembered = made.edit(request)
    assert remembered.details["prompt_reused"]
    monkeypatch.setattr(loading, "_held", {})
    assert np.array_equal(make(folder).edit(request).image, remembered.image)


# --- memory and speed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(tiny.BUILDERS))
def test_low_memory_gives_the_same_picture(models: Callable[[str], Path], name: str) -> None:
    full, low = (edit(models(name), memory=level) for level in ("full", "low"))
    assert low.details["memory"]["level"] == "low"
    assert np.abs(full.image.astype(int) - low.image.astype(int)).max() <= 1


def test_auto_chooses_by_what_is_free() -> None:
    gib = 1 << 30
    weights = memory.Weights(total=40 * gib, largest=20 * gib, working=6 * gib)
    chosen = [memory.choose("auto", weights, free * gib)[0] for free in (80, 30, 8)]
    assert chosen == ["full", "offload", "low"]
    assert memory.choose("auto", weights, None)[0] == "full"
    assert memory.choose("low", weights, 80 * gib)[0] == "low"


def test_out_of_memory_falls_one_level_and_says_so(models: Callable[[str], Path], monkeypatch: Any) -> None:
    monkeypatch.setattr(loading, "_held", {})
    made = make(models("Flux2KleinPipeline"))
    expected = made.edit(EditRequest(scene(), STEP)).image
    transformer = made._loaded().pipe.transformer
    forward, fails = transformer.forward, [True]

    def short(*args: Any, **more: Any) -> Any:
        if fails:
            fails.pop()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(*args, **more)

    monkeypatch.setattr(transformer, "forward", short)
    result = made.edit(EditRequest(scene(), STEP))
    assert result.details["memory"] == {"level": "offload", "why": "out of memory at full"}
    assert any("Out of memory" in note for note in result.notes)
    assert np.array_equal(result.image, expected)


def test_out_of_memory_twice_is_an_error(models: Callable[[str], Path], monkeypatch: Any) -> None:
    monkeypatch.setattr(loading, "_held", {})
    made = make(models("Flux2KleinPipeline"), memory="low")

    def never(*args: Any, **more: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(made._loaded().pipe.transformer, "forward", never)
    with pytest.raises(EditError, match="ran out of memory even at --memory low"):
        made.edit(EditRequest(scene(), STEP))


def test_photo_plays_a_part_in_z_image_at_few_steps(models: Callable[[str], Path]) -> None:
    made = make(models("ZImageImg2ImgPipeline"), steps=2, strength=0.6)
    one, other = (made.edit(EditRequest(scene(seed=seed, width=256, height=256), STEP)) for seed in (1, 2))
    assert not np.array_equal(one.image, other.image)
    whole = make(models("ZImageImg2ImgPipeline"), strength=1.0)
    with pytest.raises(UsageError, match="ignores the photo"):
        whole.edit(EditRequest(scene(), STEP))
    mask = np.zeros((64, 96), np.uint8)
    mask[10:30, 10:30] = 255
    assert whole.edit(EditRequest(scene(), STEP, mask=mask)).details["strength"] == 1


# --- adapters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["QwenImageEditPlusPipeline", "FluxKontextPipeline", "Flux2KleinPipeline"])
def test_adapters_add_up_with_their_weights(models: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    folder = models(name)
    one, two = tiny.adapter(folder, tmp_path, 1), tiny.adapter(folder, tmp_path, 2)
    chosen = [(), (f"{one}:0",), (str(one),), (f"{one}:0.5",), (str(one), f"{two}:0.8")]
    made = [edit(folder, loras=tuple(lora.parse(text) for text in texts)) for texts in chosen]
    assert np.array_equal(made[0].image, made[1].image)
    for first, second in itertools.pairwise(made[1:]):
        assert not np.array_equal(first.image, second.image)
    assert made[-1].details["loras"] == [
        {"source": str(one), "weight": 1.0}, {"source": str(two), "weight": 0.8}
    ]  # fmt: skip


def test_an_adapter_is_looked_for_before_the_model_is_loaded(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loading, "load", lambda *args, **more: pytest.fail("it was loaded"))
    with pytest.raises(EditorUnavailable, match="no LoRA"):
        edit(models("Flux2KleinPipeline"), loras=(lora.Lora(str(tmp_path / "nope.safetensors")),))


def test_longcat_takes_adapters_too(models: Callable[[str], Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = models("LongCatImageEditPipeline")
    path = tiny.adapter(folder, tmp_path)
    made = [edit(folder).image]
    for prefix in ("transformer.", "", "diffusion_model.", "base_model.model."):
        renamed = tmp_path / f"by {prefix}safetensors.safetensors"
        save_file(
            {name.replace("transformer.", prefix, 1): value for name, value in load_file(path).items()},
            renamed,
        )
        made.append(edit(folder, loras=(lora.parse(str(renamed)),)).image)
    assert not np.array_equal(made[0], made[1])
    for other in made[2:]:
        assert np.array_equal(other, made[1])


def test_an_adapter_of_another_family_is_refused(models: Callable[[str], Path], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file(
        {"unet.down.lora_A.weight": torch.ones(2, 4), "unet.down.lora_B.weight": torch.ones(4, 2)}, path
    )
    with pytest.raises(EditorUnavailable, match="LoRA"):
        edit(models("QwenImageEditPlusPipeline"), loras=(lora.parse(str(path)),))


def test_an_adapter_most_of_which_has_no_place_is_refused(
    models: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As of a model with more blocks of the same width, which a library would load in part without a word."""
    from safetensors.torch import load_file, save_file

    folder = models("Flux2KleinPipeline")
    weights = load_file(tiny.adapter(folder, tmp_path))
    assert all(".transformer_blocks.0." in name for name in weights)
    deeper = {
        name.replace(".0.", f".{block}."): value.clone()
        for name, value in weights.items()
        for block in range(4)
    }
    save_file(deeper, tmp_path / "deeper.safetensors")
    with pytest.raises(EditorUnavailable, match="another model: 3 of its 4 parts have no place"):
        edit(folder, loras=(lora.Lora(str(tmp_path / "deeper.safetensors")),))
    wider = {name: torch.cat([value, value], dim=1) for name, value in weights.items()}
    save_file(wider, tmp_path / "wider.safetensors")
    with pytest.raises(EditorUnavailable, match=r"does not fit this model: .*size mismatch"):
        edit(folder, loras=(lora.Lora(str(tmp_path / "wider.safetensors")),))
    assert capfd.readouterr().err == ""


def test_adapters_as_text() -> None:
    assert lora.parse("style.safetensors:0.8") == lora.Lora("style.safetensors", 0.8)
    assert lora.parse("org/name") == lora.Lora("org/name", 1.0)
    assert lora.parse("C:\\loras\\a.safetensors") == lora.Lora("C:\\loras\\a.safetensors", 1.0)
    for wrong in ("", ":1", "a.safetensors:99", "a.safetensors:nan", "a.safetensors:", "a.safetensors:0,5"):
        with pytest.raises(UsageError):
            lora.parse(wrong)


def test_adapters_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(EditorUnavailable, match="no LoRA"):
        lora.find(str(tmp_path / "a.safetensors"))
    (tmp_path / "a.bin").write_bytes(b"pickle")
    with pytest.raises(EditorUnavailable, match=r"a \.safetensors file, a folder with one"):
        lora.find(str(tmp_path / "a.bin"))
    with pytest.raises(EditorUnavailable, match=r"no \.safetensors file"):
        lora.find(str(tmp_path))
    (tmp_path / "a.safetensors").write_bytes(b"nonsense")
    with pytest.raises(EditorUnavailable, match="damaged"):
        lora.find(str(tmp_path))


# --- the whole way --------------------------------------------------------------------------------------------------


def test_settings_reach_the_editor(models: Callable[[str], Path]) -> None:
    folder = str(models("ZImageImg2ImgPipeline"))
    flags = {
        "editor": folder,
        "editor_steps": 3,
        "editor_strength": 0.5,
        "memory": "low",
        "lora": "a.safetensors:0.5,b",
    }
    made = editors.configured(folder, config.load(flags))
    assert isinstance(made, DiffusionEditor)
    assert (made.options.model, made.options.steps, made.options.strength) == (folder, 3, 0.5)
    assert made.options.memory == "low"
    assert made.options.loras == (lora.Lora("a.safetensors", 0.5), lora.Lora("b"))


def test_a_named_family_with_a_folder_as_its_model(models: Callable[[str], Path]) -> None:
    folder = str(models("Flux2KleinPipeline"))
    settings = config.load({"editor": "flux2-klein", "editor_model": folder})
    made = editors.configured("flux2-klein", settings)
    assert isinstance(made, DiffusionEditor)
    assert made.options.model == folder
    auto = editors.configured("auto", config.load({"editor_model": "flux2-klein"}))
    assert auto.other.options.model is None  # type: ignore[attr-defined]


def test_the_loop_runs_and_its_trace_says_how(
    models: Callable[[str], Path], photo: Path, tmp_path: Path
) -> None:
    settings = config.load({
        "editor": str(models("FluxKontextPipeline")), "editor_steps": 1, "rounds": 1, "runs": tmp_path / "runs",
    })  # fmt: skip
    seen: list[Any] = []
    job = session.Job(photo=photo, instruction=STEP, output=tmp_path / "out.jpg")
    outcome = session.run(job, settings, seen.append)
    events = [json.loads(line) for line in (outcome.run / "events.jsonl").read_text().splitlines()]
    edits = [event for event in events if event.get("type", event.get("event")) == "edit"]
    assert len(edits) == len(outcome.rounds)
    assert all(event["details"]["layout"]["canvas"] for event in edits)
    assert {event["source_type"] for event in edits} == {"compositeWithTrainedAlgorithmicMedia"}
    assert len({event["seed"] for event in edits}) == len(edits)
    assert outcome.image.shape == (128, 192, 3)
    assert any(stage.name == "edit" and stage.total for stage in seen)
