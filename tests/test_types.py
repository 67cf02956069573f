"""The caps on the score, the languages, the quality."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.types import Consistency, Plan, Quality, language_of


@pytest.mark.parametrize(
    ("fields", "score"),
    [
        ({"meets_instruction": "yes", "raw_score": 10}, 10),
        ({"meets_instruction": "partial", "raw_score": 0.5}, 0.5),
        ({"meets_instruction": "yes", "raw_score": 0}, 0),
        ({"meets_instruction": "no", "raw_score": 9}, 2),
        ({"meets_instruction": "partial", "raw_score": 9}, 5),
        ({"meets_instruction": "yes", "raw_score": 10, "major_conflicts": 2}, 5),
        ({"meets_instruction": "yes", "raw_score": 10, "major_conflicts": 1}, 8),
        ({"meets_instruction": "yes", "raw_score": 10, "hallucinations": 1}, 7),
        ({"meets_instruction": "yes", "raw_score": 10, "omissions": 3}, 7),
        ({"meets_instruction": "yes", "raw_score": 10, "minor_conflicts": 1}, 8.9),
        ({"meets_instruction": "partial", "raw_score": 3, "omissions": 1}, 3),
    ],
)
def test_caps(fields: dict[str, object], score: float) -> None:
    assert Consistency.model_validate(fields).score == pytest.approx(score)


@given(
    st.sampled_from(["yes", "partial", "no"]), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5),
    st.integers(0, 5), st.floats(0, 10),
)  # fmt: skip
def test_a_worse_report_never_scores_higher(
    meets: str, major: int, minor: int, made_up: int, left_out: int, raw: float
) -> None:
    def score(**changes: object) -> float:
        fields = {
            "meets_instruction": meets, "major_conflicts": major, "minor_conflicts": minor, "hallucinations": made_up,
            "omissions": left_out, "raw_score": raw,
        }  # fmt: skip
        return Consistency.model_validate(fields | changes).score

    assert 0 <= score() <= 10
    assert score(major_conflicts=major + 1) <= score()
    assert score(omissions=left_out + 1) <= score()
    assert score(meets_instruction="no") <= score()
    assert score(raw_score=raw / 2) <= score()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("make it autumn", "en"),
        ("这片叶子缺钾的症状", "zh"),
        ("write “你好” at the top", "en"),
        ("write ‘你好’ at the top", "en"),
        ("the dog's hat and the cat's are 红色", "zh"),
        ('在右下角写上 "HELLO"', "zh"),
        ("把 contrast 提高", "zh"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_a_plan_has_one_to_three_steps() -> None:
    with pytest.raises(ValidationError):
        Plan(steps=())
    with pytest.raises(ValidationError):
        Plan(steps=("a", "b", "c", "d"))


def test_overall_quality_is_the_geometric_mean() -> None:
    assert Quality(semantic=4, perceptual=9).overall == pytest.approx(6)
