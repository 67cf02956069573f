"""The parsers of what a VLM writes: arbitrary text never becomes a Success, a crash, or an unbounded string."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.types import MAX_STEPS
from agent.vlm import replies
from agent.vlm.replies import (
    JudgeReply,
    PlanReply,
    ReflectReply,
    ScoreReply,
    Unusable,
    clean,
    conclusion,
    description,
    parse_json,
    schema,
    without_thinking,
)

PIECES = st.sampled_from(
    ["<#Success>", "<#success>", "<#Failed>", "<#Reflection>", "<#Think>", "<think>", "</think>", "```", "`", "{",
     "}", '{"steps": ["x"]}', '"', "darken the sky", "<# Success >", "</#Success>", "\x00", "\u202e", "\ud800",
     "，天空", "\n"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=12).map("".join))


@given(TEXTS)
def test_a_conclusion_needs_exactly_one_exact_tag(text: str) -> None:
    try:
        verdict = conclusion(text, "make it darker")
    except Unusable:
        return
    answer = without_thinking(text)
    assert sum(answer.count(f"<#{tag}>") for tag in ("Success", "Failed", "Reflection")) == 1
    assert f"<#{verdict.tag}>" in answer
    assert "```" not in answer
    assert (verdict.instruction is not None) == (verdict.tag == "Reflection")
    assert_plain(verdict.reasoning, 2 * replies.LONGEST_THOUGHT)
    assert_plain(verdict.instruction or "", replies.LONGEST_STEP)


@given(TEXTS)
def test_text_is_parsed_as_json_or_refused(text: str) -> None:
    for model in (PlanReply, ScoreReply, ReflectReply, JudgeReply):
        with suppress(Unusable):
            parse_json(text, model)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.integers(),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
                        st.sampled_from(["steps", "reasoning", "raw_score", "semantic", "perceptual", "tag"]), inner),
                    max_leaves=12), TEXTS)  # fmt: skip
def test_any_json_in_any_text_gives_bounded_values(value: object, around: str) -> None:
    text = around + json.dumps(value) + around
    try:
        steps = parse_json(text, PlanReply).checked()
        assert 1 <= len(steps) <= MAX_STEPS
        for step in steps:
            assert_plain(step, replies.LONGEST_STEP)
    except Unusable:
        pass
    try:
        quality = parse_json(text, JudgeReply).quality()
        assert 0 <= quality.overall <= 10
    except Unusable:
        pass


@given(st.text(max_size=400))
def test_clean_text_is_one_bounded_line(text: str) -> None:
    assert_plain(clean(text, 50), 50)


def assert_plain(text: str, longest: int) -> None:
    assert len(text) <= longest
    assert all(unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") for character in text)
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("text", "tag", "instruction"),
    [
        ("<#Think>It is there.<#Success>", "Success", None),
        ("<#Think>Too far.<#Failed>", "Failed", None),
        ("<#Think>Nearly.<#Reflection> Darken the sky", "Reflection", "Darken the sky"),
        ("Nearly. <#Reflection>\nDarken\tthe sky\n", "Reflection", "Darken the sky"),
        ("<think>is it <#Success>?</think><#Think>No.<#Failed>", "Failed", None),
        ("is it <#Success>?</think><#Failed>", "Failed", None),
        ("<#Think>不够。<#Reflection>把天空压暗", "Reflection", "把天空压暗"),
        ("<#Think>x</#Think><#Reflection>Darken the sky</#Reflection>", "Reflection", "Darken the sky"),
    ],
)
def test_conclusions_that_are_clear(text: str, tag: str, instruction: str | None) -> None:
    verdict = conclusion(text, "make it dramatic")
    assert (verdict.tag, verdict.instruction) == (tag, instruction)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fine", "none of the endings"),
        ("<#Success> <#Failed>", "2 endings"),
        ("<#success>", "must be spelled <#Success>"),
        ("```<#Success>```", "code block"),
        ("<#Reflection> MAKE it  dramatic!", "repeats the request"),
        ("<#Reflection>...", "is empty"),
        ("<think>so", "has no end"),
    ],
)
def test_conclusions_that_are_not_say_why(text: str, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        conclusion(text, "make it dramatic")


@pytest.mark.parametrize(
    "text",
    [
        '{"steps": ["a"]}',
        'Sure!\n```json\n{"steps": ["a"]}\n```\nHope that helps.',
        '<think>{"steps": ["b"]}</think>{"steps": ["a"], "confidence": 1}',
        '{"note": "not this"} {"steps": ["a"]}',
        '{"steps": ["a"]} {"steps": ["a"]}',
        '{"steps": ["a\x1f"]}',
    ],
)
def test_json_is_found_where_it_is_unambiguous(text: str) -> None:
    assert parse_json(text, PlanReply).checked() == ("a",)


@pytest.mark.parametrize("raw", ["11", "-1", "NaN", "Infinity", '"high"', "null", "true"])
def test_a_score_off_the_scale_is_refused(raw: str) -> None:
    text = (
        '{"meets_instruction": "Yes", "major_conflicts": 0, "minor_conflicts": 0, "hallucinations": 0, '
        f'"omissions": 0, "raw_score": {raw}}}'
    )
    with pytest.raises(Unusable):
        parse_json(text, ScoreReply)


@pytest.mark.parametrize(("raw", "score"), [("0", 0), ("0.9", 9), ("1", 10), ("1.5", 1.5), ("10", 10)])
def test_a_score_of_0_to_1_is_a_fraction_of_10(raw: str, score: float) -> None:
    text = (
        '{"meets_instruction": "yes", "major_conflicts": 0, "minor_conflicts": 0, "hallucinations": 0, '
        f'"omissions": 0, "raw_score": {raw}}}'
    )
    assert parse_json(text, ScoreReply).consistency().score == pytest.approx(score)


def test_a_missing_count_is_not_read_as_none() -> None:
    with pytest.raises(Unusable, match="omissions: field required"):
        parse_json(
            '{"meets_instruction": "yes", "major_conflicts": 0, "minor_conflicts": 0, "hallucinations": 0,'
            ' "raw_score": 9}',
            ScoreReply,
        )


def test_schemas_require_every_field_and_bound_every_string() -> None:
    for model in (PlanReply, ScoreReply, ReflectReply, JudgeReply):
        made = schema(model)
        assert made["required"] == list(made["properties"])
        assert made["additionalProperties"] is False
        for field in made["properties"].values():
            if field["type"] == "string":
                assert "maxLength" in field or "enum" in field


def test_a_description_is_one_paragraph() -> None:
    assert description("<think>x</think> A leaf.\n\nYellow \x1b[31mtips.") == "A leaf. Yellow [31mtips."
    with pytest.raises(Unusable):
        description(" \n ...")
