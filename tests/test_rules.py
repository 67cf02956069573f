"""The built-in Reasoner: it plans, and it judges by measuring."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from agent.errors import Refused
from agent.rules import critic, wording
from agent.rules.reasoner import RulesReasoner
from agent.types import Reasoner, Task, Verdict
from editor.base import EditRequest
from editor.builtin import grammar, regions
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import WHOLE, Op, Region
from editor.builtin.engine import ABILITIES, BuiltinEditor
from editor.measure import measure
from tests.test_effects import leaf, scene
from tests.test_regions import example

LEAF = Region("named", "leaf")
ON_LEAVES = {name for name, row in OPERATIONS.items() if row.kind == "plant"}


def edit(picture: np.ndarray, *steps: str, mask: np.ndarray | None = None) -> np.ndarray:
    for step in steps:
        picture = BuiltinEditor().edit(EditRequest(picture, step, mask)).image
    return picture


def reflect(
    instruction: str, source: np.ndarray, result: np.ndarray, mask: np.ndarray | None = None
) -> tuple[RulesReasoner, Task, Verdict]:
    reasoner, task = RulesReasoner(), Task(source, instruction, mask=mask)
    facts = measure(source, result, mask)
    score = reasoner.score(task, result, reasoner.describe(task), facts)
    return reasoner, task, reasoner.conclude(task, result, score, facts)


def test_it_is_a_reasoner() -> None:
    assert isinstance(RulesReasoner(), Reasoner)


@pytest.mark.parametrize("instruction", ["increase the contrast", "提高对比度", "make the photo warmer"])
def test_a_good_edit_is_a_success_with_numbers(instruction: str) -> None:
    source = scene()
    reasoner, task, verdict = reflect(instruction, source, edit(source, instruction))
    assert verdict.tag == "Success"
    assert any(char.isdigit() for char in verdict.reasoning)
    facts = measure(source, edit(source, instruction))
    assert reasoner.score(task, edit(source, instruction), "", facts).score == 10


@pytest.mark.parametrize(
    "instruction", ["increase the contrast", "提高对比度", "brighten the photo", "add film grain"]
)
def test_nothing_done_asks_for_more_in_other_words(instruction: str) -> None:
    source = scene()
    reasoner, task, verdict = reflect(instruction, source, source.copy())
    assert verdict.tag == "Reflection"
    assert verdict.instruction is not None
    assert verdict.instruction != instruction
    assert grammar.parse(verdict.instruction, masked=False) != grammar.parse(instruction, masked=False)
    score = reasoner.score(task, source.copy(), "", measure(source, source))
    assert (score.meets_instruction, score.omissions, score.score) == ("no", 1, 0)


@pytest.mark.parametrize(
    ("instruction", "said"),
    [("fix the levels", "Nothing needed doing: "), ("自动色阶", "无需修改：")],
)
def test_what_is_there_already_needs_no_doing(instruction: str, said: str) -> None:
    source = edit(scene(), "apply auto levels")
    assert reflect(instruction, source, edit(source, instruction))[2].tag == "Success"
    _, _, verdict = reflect(instruction, source, source.copy())
    assert (verdict.tag, verdict.already) == ("Success", True)
    assert verdict.reasoning.startswith(said)


@pytest.mark.parametrize("instruction", ["make it colorful", "more vibrant", "颜色更鲜艳"])
def test_a_photo_without_colour_cannot_get_more_of_it(instruction: str) -> None:
    grey = edit(scene(), "black and white")
    with pytest.raises(Refused, match=r"black and white|黑白"):
        RulesReasoner().think(Task(grey, instruction))
    assert RulesReasoner().think(Task(scene(), instruction)).steps
    assert RulesReasoner().think(Task(grey, "make it pop")).steps


def test_a_part_within_a_part_is_spared() -> None:
    source = np.full((120, 160, 3), (60, 120, 50), np.uint8)
    source[:, 80:] = (70, 90, 170)
    whole = edit(source, "darken the left half").astype(int)
    spared = edit(source, "darken the left half, but not the top").astype(int)
    assert np.array_equal(spared[:10], source[:10])
    assert np.array_equal(spared[-10:], whole[-10:])


def test_trees_are_not_the_lawn_below_them_unless_there_is_little_else() -> None:
    trees = grammar.parse_region("the trees")
    wood, meadow = example("autumn-mountain.jpg"), example("mountain-path.jpg")
    grass, found = (regions.find(wood, part).mask for part in (Region("named", "grass"), trees))
    assert grass is not None
    assert found is not None
    assert np.mean(found > 127) > 0.1
    assert np.mean((found > 127) & (grass > 127)) < 0.001
    assert np.array_equal(
        regions.find(meadow, trees).mask, regions.find(meadow, Region("named", "foliage")).mask
    )


def test_what_succeeded_is_left_out_of_the_correction() -> None:
    source = scene()
    instruction = "make the photo warmer and add a vignette"
    _, _, verdict = reflect(instruction, source, edit(source, "make the photo warmer"))
    assert verdict.tag == "Reflection"
    assert [op.name for op in grammar.parse(verdict.instruction or "", masked=False)] == ["vignette"]


def test_an_overdone_edit_is_taken_back() -> None:
    source = scene()
    result = edit(source, "increase the saturation by 150 %", "increase the saturation by 150 %")
    reasoner, task, verdict = reflect("increase the saturation", source, result)
    assert (verdict.tag, verdict.instruction) == ("Reflection", "slightly reduce the saturation")
    score = reasoner.score(task, result, "", measure(source, result))
    assert score.meets_instruction == "yes"
    assert score.minor_conflicts >= 1
    assert score.score < 9


def test_the_wrong_direction_is_failed() -> None:
    source = scene()
    reasoner, task, verdict = reflect("increase the contrast", source, edit(source, "reduce the contrast"))
    assert verdict.tag == "Failed"
    assert "wrong direction" in verdict.reasoning
    facts = measure(source, edit(source, "reduce the contrast"))
    assert reasoner.score(task, edit(source, "reduce the contrast"), "", facts).major_conflicts == 1


def test_what_makes_no_sense_twice_is_never_asked_for_again() -> None:
    source = scene()
    for instruction in (
        "make it black and white",
        "invert the colors",
        "flip horizontally",
        "crop to a square",
    ):
        _, _, verdict = reflect(instruction, source, source.copy())
        assert (verdict.tag, verdict.instruction) == ("Failed", None), instruction


def test_a_wrong_size_is_failed() -> None:
    source = scene()
    _, _, verdict = reflect("crop to a square", source, source[:, :320].copy())
    assert verdict.tag == "Failed"
    _, _, verdict = reflect("crop to a square", source, edit(source, "crop to a square"))
    assert verdict.tag == "Success"


def test_a_spilled_edit_is_failed() -> None:
    source = scene()
    mask = np.zeros(source.shape[:2], np.uint8)
    mask[:, :200] = 255
    step = "increase the exposure by 1 EV"
    reasoner, task, verdict = reflect(step, source, edit(source, step), mask)
    assert verdict.tag == "Failed"
    score = reasoner.score(task, edit(source, step), "", measure(source, edit(source, step), mask))
    assert score.major_conflicts == 1
    inside = edit(source, step, mask=mask)
    _, _, verdict = reflect(step, source, inside, mask)
    assert verdict.tag == "Success"


def test_a_leaf_is_judged_on_the_leaf() -> None:
    steps = ("turn the margins of the leaf yellow", "brown and dry the tips of the leaf")
    instruction = " and ".join(steps)
    _, _, verdict = reflect(instruction, leaf(), edit(leaf(), *steps))
    assert verdict.tag == "Success"
    assert "margin against middle" in verdict.reasoning


def test_a_part_that_is_lost_is_not_asked_for_again() -> None:
    # the leaf is gone from the result: no step for "the leaf" could be carried out on it
    blank = np.full_like(leaf(), 128)
    _, _, verdict = reflect("make the leaf pale", leaf(), blank)
    assert verdict.tag != "Success"
    assert verdict.instruction is None


def test_what_it_cannot_plan_it_cannot_judge() -> None:
    source = scene()
    reasoner, task, verdict = reflect("add a dog", source, source)
    assert verdict.tag == "unknown"
    assert "cannot measure" in verdict.reasoning
    assert reasoner.describe(task) == ""
    assert reasoner.score(task, source, "", measure(source, source)).score == 5


def test_a_part_that_cannot_be_found_is_unknown() -> None:
    _, _, verdict = reflect("brighten the face", scene(), scene())
    assert verdict.tag == "unknown"


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        ("blur the background", "“the background” was found with low confidence"),
        ("背景变成黑白", "“背景”找得没有把握"),
    ],
)
def test_a_part_found_in_doubt_is_never_a_success(instruction: str, said: str) -> None:
    from skimage.data import coffee

    _, _, verdict = reflect(instruction, coffee(), edit(coffee(), instruction))
    assert verdict.tag == "unknown"
    assert said in verdict.reasoning
    mask = np.zeros(coffee().shape[:2], np.uint8)
    mask[:90] = 255
    result = edit(coffee(), instruction, mask=mask)
    assert (result[:90] != coffee()[:90]).any(axis=2).mean() > 0.9, "the user's mask as it is, cup or not"
    _, _, verdict = reflect(instruction, coffee(), result, mask)
    assert verdict.tag == "Success"


def test_thinking_plans_and_describing_tells_the_target() -> None:
    reasoner = RulesReasoner()
    task = Task(leaf(), "make the leaf yellow")
    assert reasoner.think(task).steps
    text = reasoner.describe(task)
    assert text.startswith("The leaf is")
    assert text.endswith("; everything outside the leaf is as before.")
    assert RulesReasoner().describe(Task(scene(), "提高对比度")) == "照片对比更强，亮处更亮、暗处更暗。"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_can_be_described(name: str) -> None:
    row = OPERATIONS[name]
    for amount in {row.levels[1], -row.levels[1]} if row.limits[0] < 0 else {row.levels[1]}:
        for chinese in (False, True):
            text = wording.description(
                (Op(name, amount, WHOLE, {"color": "red", "text": "Hi"}),), chinese=chinese
            )
            assert text.endswith("。" if chinese else ".")
            assert "{" not in text


@pytest.mark.parametrize("level", wording.ADVERBS)
@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("key", wording.STEPS)
def test_every_corrective_step_is_in_the_grammar(key: str, chinese: bool, level: str) -> None:
    name = key.lstrip("-")
    region = OPERATIONS[name].region if name in {*ON_LEAVES, "smooth"} else WHOLE
    step = wording.step(key, level, region, chinese=chinese)
    assert step
    (op,) = grammar.parse(step, masked=False)
    assert (op.name, op.amount < 0) == (name, key.startswith("-")), step
    assert (op.region.kind, op.region.name) == (region.kind, region.name)


def test_quality_counts_what_went_wrong_with_the_pixels() -> None:
    source = scene()
    clean = critic.quality(10, [Op("contrast", 0.25)], source, measure(source, source))
    assert (clean.semantic, clean.perceptual) == (10, 10)
    blown = np.where(source > 110, 255, source).astype(np.uint8)
    noisy = np.clip(source + np.random.default_rng(0).normal(0, 40, source.shape), 0, 255).astype(np.uint8)
    banded = (source // 24 * 24).astype(np.uint8)
    for bad, fault in ((blown, "clipping"), (noisy, "noise or halos"), (banded, "banding")):
        judged = critic.quality(10, [Op("contrast", 0.25)], bad, measure(source, bad))
        assert judged.perceptual < 8.5, fault
        assert fault in judged.reason
    meant = critic.quality(10, [Op("posterize", 5)], banded, measure(source, banded))
    assert meant.perceptual == 10


def test_judge_rates_a_good_edit_above_a_poor_one() -> None:
    source = scene()
    reasoner, task = RulesReasoner(), Task(source, "increase the contrast")
    good = edit(source, "increase the contrast")
    rated = [reasoner.judge(task, result, measure(source, result)).overall for result in (good, source)]
    assert rated[0] > 9 > rated[1]


def test_the_shipped_example_succeeds() -> None:
    path = Path(__file__).parent.parent / "examples" / "mountain-path.jpg"
    with PilImage.open(path) as file:
        source = np.asarray(file.convert("RGB").resize((450, 340)))
    task = Task(source, "make it more dramatic with a vintage feel")
    reasoner = RulesReasoner()
    result = edit(source, *reasoner.think(task).steps)
    facts = measure(source, result)
    score = reasoner.score(task, result, reasoner.describe(task), facts)
    assert reasoner.conclude(task, result, score, facts).tag == "Success"


@pytest.mark.parametrize("instruction", ["add a dog", "加一只狗"])
def test_what_only_another_editor_can_do_is_passed_on_and_never_called_a_success(instruction: str) -> None:
    reasoner = RulesReasoner()
    with pytest.raises(Refused):
        reasoner.think(Task(scene(), instruction, ABILITIES))
    task = Task(scene(), instruction, "Generates what it is asked for.")
    plan = reasoner.think(task)
    assert plan.steps == (instruction,)
    assert not plan.rewritten
    facts = measure(task.source, task.source)
    consistency = reasoner.score(task, task.source, reasoner.describe(task), facts)
    assert reasoner.conclude(task, task.source, consistency, facts).tag == "unknown"
