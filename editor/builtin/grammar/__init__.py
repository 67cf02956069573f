"""The documented grammar of the built-in editor: English and Chinese steps to operations. See docs/grammar.md.

    words      text -> tokens: cleaning, quotations, the vocabulary of `lexicon`, numbers of `numbers`
    sentences  tokens -> clauses: separators, what a clause borrows from its neighbours, what is to be kept
    frames     a clause -> operations, with `geometry`, `writing` and `plants`; every word must be accounted for
    states     adjectives that tell what is there: passed over, or complaints that ask for the opposite
    clause     regions; amounts: levels, numbers and limits; messages: the refusals, in both languages

Deterministic and honest: a word that is not understood is named in the refusal, never skipped.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from editor.base import EditError, NotUnderstood
from editor.builtin.core import WHOLE, Op, Region
from editor.builtin.grammar.clause import Clause, unknown_words
from editor.builtin.grammar.messages import say, speaking
from editor.builtin.grammar.sentences import Reader
from editor.builtin.grammar.words import Token, read

__all__ = ["is_concrete", "parse", "parse_region", "split"]


def parse(text: str, *, masked: bool = False) -> tuple[Op, ...]:
    """The operations of an instruction, in order; `masked`: the user has marked a part of the photo.

    Raises NotUnderstood (naming the words), or CannotDo for what classical operations cannot do and for amounts
    beyond an operation's limits. Op.text is the clause, Region.text the user's words.
    """
    return _parsed(text, masked)


@lru_cache(maxsize=256)  # reasoner, editor and critic read the same steps, and so do the jobs of a batch
def _parsed(text: str, masked: bool) -> tuple[Op, ...]:
    with speaking(text):
        return Reader(read(text), masked).run().ops()


def parse_region(text: str, *, masked: bool = False) -> Region:
    """The part of a photo that words name: "the sky", "红色的碗", "everything except the face", "120,80,300,200".

    Raises NotUnderstood for what is no noun phrase.
    """
    with speaking(text):
        return _region(text, masked)


def _region(text: str, masked: bool) -> Region:
    tokens = [t for t in read(text).tokens if t.kind != "sep"]
    anchor = Token("det", "", "the", 0, 0)
    clause = Clause([anchor, *tokens], text, masked)
    clause.text = read(text).text
    region = clause.region()
    clause.finish()
    if region is None:
        if not any(t.kind in ("photo", "stop") for t in tokens):
            raise NotUnderstood(say("No part of the photo is named."))
        return WHOLE
    if any(t.kind == "verb" for t in tokens):
        raise unknown_words([t.text for t in tokens if t.kind == "verb"])
    return replace(region, text=region.text or text.strip())


def split(text: str) -> list[str]:
    """An instruction's clauses in order, each standing alone; quotations stay whole. Understood or not."""
    with speaking(text):
        return Reader(read(text), masked=False).run().texts()


def is_concrete(text: str, *, masked: bool = False) -> bool:
    """Whether `parse` would succeed."""
    try:
        parse(text, masked=masked)
    except EditError:
        return False
    return True
