"""One entry of the knowledge base, as its YAML says it and as the planner uses it."""

from __future__ import annotations

from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prompts.patterns import Pattern, compile_chinese, compile_english


class Strict(BaseModel):
    """Unknown keys are refused; values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Both(Strict):
    """The same text in English and in Chinese."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)

    def get(self, language: str) -> str:
        """The text in `language`, "en" or "zh"."""
        return self.zh if language == "zh" else self.en


class Steps(Strict):
    """One to three sentences in the built-in editor's language, in each language.

    "{region}" stands for the part the request names, or for the entry's own default.
    """

    en: tuple[str, ...] = Field(min_length=1, max_length=3)
    zh: tuple[str, ...] = Field(min_length=1, max_length=3)

    def get(self, language: str) -> tuple[str, ...]:
        """The sentences in `language`, "en" or "zh"."""
        return self.zh if language == "zh" else self.en


class Entry(Strict):
    """What a wish looks like in a photo: the words it is asked in, its steps, what is visible, and who says so.

    en, zh: patterns (prompts/patterns.py). weight: of two entries that match the same words, or that exclude
    each other, the heavier holds. excludes: ids of entries that contradict this one. nouns: the group of
    nouns (prompts/vocabulary/words.yaml) that a request may name along with it. region: what "{region}" is by
    default. fault: it mends what its patterns complain of ("the photo is blurry" asks for no blur).
    fallback: it yields to a fault that is named along with it ("the photo is blurry, fix it").
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    en: tuple[str, ...] = Field(min_length=1)
    zh: tuple[str, ...] = Field(min_length=1)
    steps: Steps
    reasoning: Both
    source: str = Field(min_length=8)
    weight: float = Field(1.0, gt=0, le=10)
    excludes: tuple[str, ...] = ()
    nouns: str = ""
    region: Both | None = None
    fault: bool = False
    fallback: bool = False

    @model_validator(mode="after")
    def _check(self) -> Entry:
        placed = any("{region}" in s for s in (*self.steps.en, *self.steps.zh))
        if placed != (self.region is not None):
            raise ValueError("region and {region} go together: give both or neither")
        _ = self.patterns
        return self

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """The patterns of both languages, compiled. Raises ValueError for a wrong one."""
        return (*map(compile_english, self.en), *map(compile_chinese, self.zh))

    def sentences(self, language: str, region: str = "") -> tuple[str, ...]:
        """The steps in `language`, about `region` or about the entry's own default."""
        place = region or (self.region.get(language) if self.region else "")
        return tuple(step.replace("{region}", place) for step in self.steps.get(language))


class Vocabulary(Strict):
    """The words of requests that carry no wish of their own, or that say what kind of wish it is.

    filler: words that may be left over. nouns: group -> the noun as people write it -> the region it is for
    the editor. verbs: kind of request that the built-in editor must refuse -> its verbs. beyond: the same for
    what takes a phrase (patterns) to tell; it goes before verbs. weaker, stronger:
    words of degree. negations: words that turn a wish round. harmless: phrases (patterns) that ask for nothing
    beyond the wish itself, such as "keep the rest unchanged".
    """

    class Words(Strict):
        """Words in both languages."""

        en: tuple[str, ...] = ()
        zh: tuple[str, ...] = ()

        @model_validator(mode="before")
        @classmethod
        def _split(cls, data: object) -> object:
            """A string of words separated by spaces stands for the list of them."""
            if isinstance(data, dict):
                return {k: tuple(v.split()) if isinstance(v, str) else v for k, v in data.items()}
            return data

        @cached_property
        def all(self) -> frozenset[str]:
            """The words of both languages."""
            return frozenset((*self.en, *self.zh))

    class Nouns(Strict):
        """The nouns of one group, each with the region it is for the editor."""

        en: dict[str, str]
        zh: dict[str, str]

        def get(self, language: str) -> dict[str, str]:
            """The nouns in `language`, "en" or "zh"."""
            return self.zh if language == "zh" else self.en

    filler: Words
    nouns: dict[str, Nouns]
    verbs: dict[str, Words]
    beyond: dict[str, Words]
    weaker: Words
    stronger: Words
    negations: Words
    harmless: Words

    @model_validator(mode="after")
    def _check(self) -> Vocabulary:
        _ = self.harmless_patterns, self.beyond_patterns
        return self

    @cached_property
    def harmless_patterns(self) -> tuple[Pattern, ...]:
        """The patterns of `harmless`, compiled."""
        return (*map(compile_english, self.harmless.en), *map(compile_chinese, self.harmless.zh))

    @cached_property
    def beyond_patterns(self) -> dict[str, tuple[Pattern, ...]]:
        """The patterns of `beyond`, compiled."""
        return {
            kind: (*map(compile_english, words.en), *map(compile_chinese, words.zh))
            for kind, words in self.beyond.items()
        }
