"""The knowledge base: every entry is sound, its steps are in the editor's language, and mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from editor.builtin import grammar
from prompts.patterns import Request, compile_chinese, compile_english, fold

ENTRIES = prompts.load_knowledge()
STEPS = [
    pytest.param(sentence, id=f"{entry.id}-{language}-{number}")
    for entry in ENTRIES
    for language in ("en", "zh")
    for number, sentence in enumerate(entry.sentences(language))
]
GOOD = """
- id: one
  en: [very odd]
  zh: [很怪]
  steps: {en: [sharpen], zh: [锐化]}
  reasoning: {en: because, zh: 因为}
  source: A book of 1999
"""


@pytest.mark.parametrize("sentence", STEPS)
def test_every_step_is_in_the_editors_language(sentence: str) -> None:
    assert grammar.is_concrete(sentence)
    assert grammar.parse(sentence)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_both_languages_mean_the_same(entry: prompts.entries.Entry) -> None:
    english, chinese = (
        [
            (op.name, op.region.kind, op.region.name, op.amount)
            for s in entry.sentences(lang)
            for op in grammar.parse(s)
        ]
        for lang in ("en", "zh")
    )
    assert english == chinese


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_languages_are_not_mixed(entry: prompts.entries.Entry) -> None:
    assert not re.search(r"[\u3400-\u9fff]", " ".join((*entry.en, *entry.steps.en, entry.reasoning.en)))
    assert re.search(r"[\u3400-\u9fff]", " ".join(entry.steps.zh))
    assert re.search(r"[\u3400-\u9fff]", entry.reasoning.zh)


@pytest.mark.parametrize("table", prompts.load_vocabulary().nouns.values())
def test_every_region_a_noun_stands_for_is_known(table: prompts.entries.Vocabulary.Nouns) -> None:
    for word in set(table.en.values()):
        assert grammar.is_concrete(f"brighten {word}")
    for word in set(table.zh.values()):
        assert grammar.is_concrete(f"提亮{word}")


def test_nouns_of_entries_exist() -> None:
    assert {e.nouns for e in ENTRIES} - {""} <= set(prompts.load_vocabulary().nouns)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source:", "sauce: x\n  source:", r"bad\.yaml: entry one: sauce: Extra inputs"),
        ("[very odd]", "['(odd']", r"bad\.yaml: entry one: .*'\(odd' is not a word"),
        ("[very odd]", "[... odd]", r"bad\.yaml: entry one: .*none at an end"),
        ("[很怪]", "['(怪']", r"bad\.yaml: entry one: .*stray"),
        ("en: [sharpen]", "en: [a, b, c, d]", r"bad\.yaml: entry one: steps\.en"),
        ("en: [sharpen]", "en: ['sharpen {region}']", r"bad\.yaml: entry one: .*region"),
        ("source: A book of 1999", "source: ''", r"bad\.yaml: entry one: source"),
        ("id: one", "id: One two", r"bad\.yaml: entry One two: id"),
        ("id: one", "excludes: [two]\n  id: one", r"entry one: excludes unknown entries: two"),
        ("zh: [很怪]", "zh: [", r"bad\.yaml: not YAML"),
        ("- id: one", "id: one", r"bad\.yaml: "),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    (tmp_path / "bad.yaml").write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(prompts.PromptFileError, match=message):
        prompts.load_knowledge(tmp_path)


def test_an_id_stands_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(prompts.PromptFileError, match=r"b\.yaml: entry one: this id is taken"):
        prompts.load_knowledge(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "text", "taken"),
    [
        ("potassium|k deficien*", "shows K-deficiency", "k deficiency"),
        ("look? old", "make it old", "old"),
        ("sky ... dramatic", "the sky more dramatic", "sky dramatic"),
        ("sky ... dramatic", "the sky, dramatic", ""),
        ("sky ... dramatic", "sky one two three four dramatic", ""),
        ("lack of water", "a lack of the water", "lack of the water"),
        ("age", "a garage", ""),
        ("old", 'the word "old"', ""),
    ],
)
def test_english_patterns(pattern: str, text: str, taken: str) -> None:
    assert _taken(compile_english(pattern), text, " ") == taken


@pytest.mark.parametrize(
    ("pattern", "text", "taken"),
    [
        ("缺(少|)(钾|k)", "这片叶子缺少K", "缺少k"),
        ("叶…黄", "葉子發黃", "叶黄"),
        ("植物坏死", "植物壞死", "植物坏死"),
        ("叶…黄", "叶，黄", ""),
        ("叶…黄", "叶子一二三四黄", ""),
        ("秋", "写上“秋天”", ""),
    ],
)
def test_chinese_patterns(pattern: str, text: str, taken: str) -> None:
    assert _taken(compile_chinese(pattern), text, "") == taken


def _taken(pattern: prompts.patterns.Pattern, text: str, joint: str) -> str:
    spans = next(iter(pattern.find(Request.of(text))), ())
    return joint.join(fold(text)[start:end] for start, end in spans)


@given(st.text(max_size=80))
def test_folding_keeps_positions_and_settles(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)
