"""An instruction to clauses: where it divides, and what a clause borrows from its neighbours.

"Increase the contrast and saturation of the sky" has two clauses; the second borrows the verb, the first the
region. "But keep the sky unchanged" is no step: it takes the sky out of the steps that mean the whole photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations, zip_longest

from editor.base import CannotDo, EditError, NotUnderstood
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import Op, Region
from editor.builtin.grammar.amounts import label
from editor.builtin.grammar.clause import PERSONS, SOFT, Clause, unknown_words
from editor.builtin.grammar.frames import interpret
from editor.builtin.grammar.messages import Contradiction, say
from editor.builtin.grammar.words import Source, Token

MAX_CLAUSES = 24
_ACTING = {"verb", "action", "up", "down", "add", "remove", "recolor", "crop", "rotate", "straighten", "flip",
           "resize", "write", "swap", "crush", "fadeword", "watermark", "repair"}  # fmt: skip
_ADJECTIVES = {"quality", "colorish", "color", "pale", "dry", "brownish", "healthy", "shade"}
_HEADS = _ADJECTIVES | _ACTING | {"prop", "look", "symptom", "border", "square", "quote"}
_NAMING = {"region", "place", "word", "color"}
_NOT_SO = {"not so", "not as", "不要太", "不要那么", "不那么", "别那么", "没那么"}
_HARDENING = {"contrast", "sharpen", "clarity"}
"""Of too much of these "soften it" asks for less."""
_ZONES = {"highlights", "shadows", "blacks", "whites"}
_CHAIN = {"变", "变得", "变成", "变为", "调", "调成", "改成"}


@dataclass(slots=True)
class Part:
    """A stretch of tokens between two separators. joined: how it hangs on the part before it."""

    tokens: list[Token]
    joined: str = "strong"
    mark: str = ""


@dataclass(slots=True)
class Step:
    """A clause that was read, or the error that tells why it was not."""

    tokens: list[Token]
    ops: list[Op] = field(default_factory=list)
    clause: Clause | None = None
    error: EditError | None = None
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A part to leave as it is (None: whatever was not mentioned), and the words that say so."""

    region: Region | None
    text: str
    colored: bool = False


def parts(source: Source) -> list[Part]:
    """The instruction at its separators, and at the joints that have none. Raises NotUnderstood for too many."""
    found = [Part([])]
    toned = any(t.value == "split_tone" for t in source.tokens) and all(
        t.kind != "prop" for t in source.tokens
    )
    for token, following in zip_longest(source.tokens, source.tokens[1:]):
        if token.kind == "sep":
            # the two colours of one look: "duotone blue and pink"
            between = [*found[-1].tokens[-1:], following]
            if not (toned and len(between) == 2 and all(t and t.kind == "color" for t in between)):
                found.append(Part([], token.value, token.text))
            continue
        joint = _joint(found[-1].tokens, token) or _purpose(found, token, following)
        if joint:
            if [t.text for t in found[-1].tokens[-1:]] == ["再"]:
                found[-1].tokens.pop()
            found.append(Part([], joint))
        found[-1].tokens.append(token)
    merged: list[Part] = []
    for part in found:
        if part.tokens and any(t.kind not in ("stop", "det") for t in part.tokens):
            merged.append(part)
    if len(merged) > MAX_CLAUSES:
        raise NotUnderstood(say("More than {} steps in one instruction; give fewer at a time.", MAX_CLAUSES))
    _give_strength(found, merged)
    return merged


def _give_strength(found: list[Part], merged: list[Part]) -> None:
    """ ", then" is as strong as "then": an empty part between two separators hands its strength on."""
    strong = ""
    for part in found:
        if any(part is kept for kept in merged):
            part.joined, strong = strong or part.joined, ""
        elif part.joined == "strong":
            strong = "strong"


def _joint(before: list[Token], token: Token) -> str:
    """Whether a new part begins at this token without a separator before it."""
    content = [t for t in before if t.kind not in SOFT]
    if not content:
        return ""
    last = before[-1]
    if (
        token.kind == "keep"
        and last.kind not in ("only", "up", "down")
        and not any(t.kind in ("only", "vein") for t in before)
    ):
        return "keep" if any(t.kind in _HEADS for t in content) else ""
    turning = token.text in ("more", "less") and any(t.kind in ("up", "down") for t in content)
    if turning and last.kind in ("color", "prop", "quality", "colorish"):
        return "strong"  # "less red more blue"
    if not token.cjk:
        return ""
    directed = any(t.kind in ("up", "down", "action", "add", "remove") for t in content)
    acted = any(t.kind in _ACTING - {"verb"} | {"quality"} for t in content)
    if last.text == "再" and acted and token.kind in _ACTING - {"up", "down"} | {"symptom"}:
        return "strong"
    if token.text in _CHAIN and last.kind in ("quality", "colorish"):
        return "chain"
    if (
        token.kind in ("up", "down", "action", "add", "remove")
        and directed
        and last.kind in ("prop", "look", "action")
    ):
        return "chain"
    return ""


def _purpose(found: list[Part], token: Token, following: Token | None) -> str:
    """Whether a statement of purpose begins: "... to make it warmer", "... for a muted look", "，使画面更暖"."""
    if following is None:
        return ""
    here = found[-1].tokens
    if any(t.kind in _HEADS - {"verb"} for t in here):
        converted = following.value in ("black_and_white", "invert")
        if token.text == "to" and following.kind in ("action", "verb", "up", "down") and not converted:
            return "purpose"
        if token.text == "for" and following.kind in ("det", "abstract", "quality", "up"):
            return "purpose"
    return "purpose" if not here and len(found) > 1 and token.text in ("使", "使得", "从而", "以") else ""


class Reader:
    """Reads the parts of one instruction in order."""

    def __init__(self, source: Source, masked: bool) -> None:
        self.source, self.masked = source, masked
        self.parts = parts(source)
        self.steps: list[Step] = []
        self.kept: list[Kept] = []

    def run(self) -> Reader:
        """Read every part; errors stay with their step."""
        for number, part in enumerate(self.parts):
            if self._keeps(part):
                continue
            if part.joined == "purpose" and self._is_purpose(part):
                continue
            rest = any(t.kind == "rest" for t in part.tokens)
            tokens = [t for t in part.tokens if t.kind != "rest"] if rest else part.tokens
            if number and self._adds_amount(tokens, part):
                continue
            if number and self._only_asks_for_repair(tokens):
                continue
            last = self.steps[-1] if self.steps else None
            step = self._best(tokens, part, None if rest else last)
            if rest and step.error:
                step = self._best(tokens, part, last)
            step.rest = rest
            if self.steps and _answers(self.steps[-1], step):
                if (
                    any(op.region.kind != "whole" for op in self.steps[-1].ops)
                    and step.ops[0].region.kind == "whole"
                ):
                    continue  # "the sky is too bright, darken it": the complaint names the part
                self.steps.pop()
            if self.steps and (_softens(self.steps[-1], step) or _greys_the_rest(self.steps[-1], step)):
                continue
            if number:
                self._share_tail(step, part)
            self.steps.append(step)
        return self

    def ops(self) -> tuple[Op, ...]:
        """All operations. Raises the first error."""
        for step in self.steps:
            if step.error:
                raise step.error
        if not self.steps:
            raise NotUnderstood(say("There is nothing to do in this instruction."))
        ops = [op for step in self.steps for op in self._placed(step)]
        ops = _merged(ops)
        _check_contradictions(ops)
        return tuple(ops)

    def texts(self) -> list[str]:
        """Each step's words, standing alone."""
        return [self._step_text(step) for step in self.steps]

    # one part -----------------------------------------------------------------------------------------------
    def _best(self, tokens: list[Token], part: Part, last: Step | None) -> Step:
        """The first reading that succeeds; what a part borrows comes before what it says alone."""
        first: Step | None = None
        for candidate in self._candidates(tokens, part, last):
            step = self._try(candidate)
            if step.error is None:
                return step
            first = first if first and candidate is not tokens else step
        return first or self._try(tokens)

    def _is_purpose(self, part: Part) -> bool:
        """Whether the part only explains the step before: it names nothing new to do, in words that are known."""
        kinds = {t.kind for t in part.tokens}
        explains = not kinds & (
            _ACTING - {"verb", "action", "up", "down", "recolor"} | {"word", "cannot", "quote", "num"}
        )
        return explains and bool(self.steps) and self.steps[-1].error is None

    def _only_asks_for_repair(self, tokens: list[Token]) -> bool:
        """Whether the part is the "fix it" after a complaint, which the complaint asks for already."""
        kinds = {t.kind for t in tokens}
        complained = bool(self.steps) and (last := self.steps[-1].clause) is not None and last.complaint
        return complained and bool(kinds & {"repair", "fadeword"}) and kinds <= SOFT | {"fadeword"}

    def _adds_amount(self, tokens: list[Token], part: Part) -> bool:
        """Whether the part only says how much ("..., subtle"); the step before then says so too."""
        names = {op.name for op in self.steps[-1].ops} if self.steps else set()
        more = {"degree", "num"}
        if names & {"text", "watermark"}:
            more |= {"color", "shade", "place", "bigger", "outline", "textnoun", "border", "opacity"}
        elif "split_tone" in names:
            more |= {"color", "shade"}
        last = self.steps[-1].clause if self.steps else None
        if last is not None and last.complaint:  # "颜色太艳了，降一点": the complaint says which way
            tokens = [t for t in tokens if t.kind not in ("up", "down")] or tokens
        bare = all(t.kind in SOFT | more for t in tokens)
        if not bare or part.joined != "weak" or not self.steps or self.steps[-1].error:
            return False
        fuller = self._try([*self.steps[-1].tokens, *tokens])
        if fuller.error is None:
            self.steps[-1] = fuller
        return fuller.error is None

    def _candidates(self, tokens: list[Token], part: Part, last: Step | None) -> Iterator[list[Token]]:
        if last is not None and last.clause is not None and part.joined in ("weak", "chain"):
            yield from _borrowed(tokens, part, last.clause)
        yield tokens

    def _try(self, tokens: list[Token]) -> Step:
        clause = Clause(list(tokens), self.source.text, self.masked)
        try:
            ops = interpret(clause)
        except (NotUnderstood, CannotDo) as error:
            return Step(tokens, error=error)
        text = self._text(tokens)
        return Step(tokens, [replace(op, text=text) for op in ops], clause)

    def _share_tail(self, step: Step, part: Part) -> None:
        """ "brighten and sharpen the sky", "the sky and the water darker": earlier parts borrow from this one."""
        if part.joined != "weak" or step.clause is None:
            return
        for earlier in reversed(self.steps[-3:]):
            if not self._borrow_back(earlier, step, step.clause, part):
                return

    def _borrow_back(self, earlier: Step, step: Step, clause: Clause, part: Part) -> bool:
        kinds = {t.kind for t in earlier.tokens}
        if earlier.error is not None:
            if clause.region_at and kinds & _NAMING and not kinds & (_HEADS - _NAMING - {"verb"}):
                tail = clause.tokens[clause.region_at[1] + 1 :]
            else:
                tail = clause.tokens[min(clause.heads, default=-1) + 1 :]
            if all(t.kind in SOFT | {"degree"} for t in tail):
                return (
                    False  # "灰蒙蒙的，通透一点": how much of one thing does not say what to do with another
                )
        elif earlier.clause is None or part.mark in (",", "、") or not _open_ended(earlier.clause):
            return False
        else:
            tail = clause.tokens[min(clause.heads, default=-1) + 1 :]
            bare = all(t.kind in ("action", "crush", "degree") for t in earlier.tokens)
            borrowed = len(step.tokens) > len(part.tokens)
            if not (bare or borrowed) or not any(t.kind in ("region", "place", "word", "num") for t in tail):
                return False
        better = self._try([*earlier.tokens, *tail])
        if better.error is None:
            earlier.tokens, earlier.ops, earlier.clause, earlier.error = (
                better.tokens,
                better.ops,
                better.clause,
                None,
            )
        return better.error is None

    # what stays as it is --------------------------------------------------------------------------------------
    def _keeps(self, part: Part) -> bool:
        """Whether the part says what to keep; remembers it."""
        kinds = {t.kind for t in part.tokens}
        verbs = kinds & (_ACTING - {"verb", "recolor"})
        spared = _spares(part.tokens)
        alone = "only" in kinds and not _rest_is_told(self.parts, bool(kinds & {"incolor", "recolor"}))
        unchanged = part.tokens[-1].kind == "unchanged" and bool(kinds & _NAMING)
        if not spared and (alone or verbs or not (unchanged or "keep" in kinds)):
            return False
        text = self._text(part.tokens)
        # "keep the subject sharp", "but not the sky", "除了天空，"
        silent = ("keep", "unchanged", "quality", "not", "chu", "wai")
        clause = Clause([replace(t, kind="det") if t.kind in silent else t for t in part.tokens],
                        self.source.text, self.masked)  # fmt: skip
        if kinds & {"vein", "rest"} or (kinds & {"prop"} and not kinds & _NAMING):
            if zones := [t.text for t in part.tokens if t.kind == "prop" and t.value in _ZONES]:
                self.steps.append(
                    Step(part.tokens, error=unknown_words(zones))
                )  # tones are no place to leave out
            self.kept.append(Kept(None, text))
            return True
        clause.take("incolor", "only", "recolor")
        try:
            region = clause.region()
            clause.finish()
        except NotUnderstood as error:
            self.steps.append(Step(part.tokens, error=error))
            return True
        persons = [t.text for t in part.tokens if t.kind == "pron" and t.text in PERSONS]
        if region is None and persons and (spared or kinds & {"incolor", "unchanged"}):
            region = Region("named", "subject", text=persons[0])
        self.kept.append(Kept(region, text, bool(kinds & {"incolor", "recolor"})))
        return True

    def _placed(self, step: Step) -> list[Op]:
        """The step's operations, with what is to be kept taken out of them."""
        regions = [k.region for k in self.kept if k.region is not None]
        if not regions and step.rest:
            regions = self._before(step)
        if not regions:
            if step.rest:
                raise NotUnderstood(say("“The rest” of what? Say which part to keep."))
            return step.ops
        if len(regions) > 1:
            raise NotUnderstood(
                say("Only one part can be kept as it is; give the others in a step of their own.")
            )
        placed = []
        for op in step.ops:
            if op.region == regions[0] or _same(op.region, regions[0]):
                raise NotUnderstood(say("“{}” is to be changed and to be kept.", regions[0].text))
            if OPERATIONS[op.name].kind in ("geometry", "text"):
                raise NotUnderstood(
                    say("{} changes the whole photo; nothing can be kept from it.", label(op.name))
                )
            if op.region.kind != "whole":
                placed.append(replace(op, region=_less(op.region, regions[0])))
            elif op.name == "black_and_white" and step.rest:
                placed.append(replace(op, name="color_pop", amount=1.0, region=regions[0]))
            else:
                placed.append(replace(op, region=replace(regions[0], invert=not regions[0].invert)))
        return placed

    def _before(self, step: Step) -> list[Region]:
        """The part that the step before `step` is about: "sharpen the face, blur the rest"."""
        at = next(i for i, other in enumerate(self.steps) if other is step)
        about = [op.region for op in self.steps[at - 1].ops if op.region.kind != "whole"] if at else []
        return list(dict.fromkeys(about))

    # words ----------------------------------------------------------------------------------------------------
    def _step_text(self, step: Step) -> str:
        own = self._text(step.tokens)
        kept = [
            k
            for k in self.kept
            if k.region is None or step.error or any(_touches(op, k.region) for op in step.ops)
        ]
        if step.rest:
            start = min(t.start for t in step.tokens)
            own = next((self.source.text[t[0].start : t[-1].end] for t in (p.tokens for p in self.parts)
                        if t[0].start <= start <= t[-1].end), own)  # fmt: skip
        return ", ".join([own, *(k.text for k in kept)])

    def _text(self, tokens: list[Token]) -> str:
        """The user's words of these tokens: stretches of the source, joined."""
        pieces: list[list[Token]] = []
        for token in tokens:
            if (
                pieces
                and token.start - pieces[-1][-1].end >= 0
                and not _separated(self.source, pieces[-1][-1], token)
            ):
                pieces[-1].append(token)
            else:
                pieces.append([token])
        text = ""
        for piece in pieces:
            gap = "" if not text or (piece[0].cjk and text[-1] > "\u3000") else " "
            text += gap + self.source.text[piece[0].start : piece[-1].end]
        return text.strip()


def _rest_is_told(all_parts: list[Part], colored: bool) -> bool:
    """Whether the rest of "keep only the leaf" is told: "blur the rest"; after "in colour", that it loses its own."""
    return any(
        any(t.kind == "rest" for t in part.tokens)
        and (not colored or any(t.value == "black_and_white" for t in part.tokens))
        for part in all_parts
    )


def _spares(tokens: list[Token]) -> bool:
    """Whether the words only name a part after a "not" or an "except": "... but not the sky", "除了天空，..."."""
    content = [t for t in tokens if t.kind not in ("stop", "det", "of")]
    first = content[0].kind if content else ""
    parts_ = [t for t in content[1:] if t.kind != "wai"]
    if first == "not" and parts_ and not _is_noun_phrase(tokens, parts_):
        return False
    return (
        first in ("not", "chu", "except")
        and all(t.kind in _NAMING or t.text in PERSONS for t in parts_)
        and any(t.kind in ("region", "word", "pron", "place") for t in parts_)
    )


def _is_noun_phrase(tokens: list[Token], parts_: list[Token]) -> bool:
    """Whether what follows "not" is a thing: a known part, or words behind an article; not "overdone", "blow out"."""
    before = tokens[next(i for i, t in enumerate(tokens) if t is parts_[0]) - 1]
    return parts_[0].kind != "word" or before.kind == "det" or before.text in ("这个", "那个")


def _touches(op: Op, kept: Region) -> bool:
    return op.region.kind == "whole" or _less(op.region, kept) != op.region


def _less(region: Region, kept: Region) -> Region:
    """`region` without what is to be kept, where the photo itself can show what that is.

    No part lies in the background: it is what is left when the parts are found.
    """
    if kept.kind in ("mask", "whole") or kept.invert or "background" in (region.name, kept.name):
        return region
    return replace(region, minus=kept)


def _greys_the_rest(kept: Step, step: Step) -> bool:
    """Whether `step` only says what keeping a part in colour means: "keep only the blue, the rest grey"."""
    greyed = bool(step.ops) and all(op.name == "black_and_white" for op in step.ops)
    return step.rest and greyed and [op.name for op in kept.ops] == ["color_pop"]


def _answers(complaint: Step, step: Step) -> bool:
    """Whether `step` does what the complaint before it asks for: "it is too dark, brighten it a bit"."""
    if complaint.clause is None or not complaint.clause.complaint or len(complaint.ops) != len(step.ops):
        return False
    pairs = list(zip(complaint.ops, step.ops, strict=True))
    return bool(pairs) and all(
        _family(a) == _family(b) and a.amount * b.amount > 0
        and (_same(a.region, b.region) or b.region.kind == "whole")
        for a, b in pairs
    )  # fmt: skip


def _softens(complaint: Step, step: Step) -> bool:
    """Whether `step` is the "soften it" of "too much contrast, soften it"."""
    complained = complaint.clause is not None and complaint.clause.complaint
    return (
        complained
        and {op.name for op in complaint.ops} <= _HARDENING
        and [(op.name, op.region.kind) for op in step.ops] == [("blur", "whole")]
    )


def _family(op: Op) -> str:
    return "brightness" if op.name == "exposure" else op.name


def _separated(source: Source, left: Token, right: Token) -> bool:
    """Whether other tokens lie between two tokens of the source."""
    return any(left.end <= t.start and t.end <= right.start for t in source.tokens)


def _open_ended(clause: Clause) -> bool:
    """Whether a clause ends with its operation: no region, amount or object follows."""
    return clause.region_at is None and bool(clause.tokens) and len(clause.tokens) - 1 in clause.heads


def _borrowed(tokens: list[Token], part: Part, last: Clause) -> Iterator[list[Token]]:
    """The part with what the clause before it can lend: verb, region, or verb and operation."""
    kinds = {t.kind for t in tokens}
    head = min(last.heads, default=0)
    low, high = last.region_at or (head, head)
    while low > 0 and last.tokens[low - 1].kind == "det":
        low -= 1
    if last.region_at and kinds & {"pron"} and not kinds & (_NAMING | {"look"}):
        noun = last.tokens[low : high + 1]
        at = next(i for i, t in enumerate(tokens) if t.kind == "pron")
        yield [*tokens[:at], *noun, *tokens[at + 1 :]]
    # "less dark and more colourful", "不要太亮，暗一点": such a direction is not lent
    comparing = any(t.kind == "quality" and _is_comparative(t) for t in tokens)
    lent = [t for t in last.tokens[:head] if t.text not in _NOT_SO]
    near = [t for t in last.tokens[: min(low, head)] if t.text not in _NOT_SO]
    if comparing:
        lent, near = ([t for t in some if t.kind not in ("up", "down", "too")] for some in (lent, near))
    acting = kinds & _ACTING - ({"verb"} if part.joined == "chain" else set())
    if acting:
        return
    named = kinds & (_NAMING - {"color"})
    if named and tokens[-1].kind == "color" and any(t.kind == "color" for t in last.tokens):
        yield [*last.tokens[: min(low, head)], *tokens]  # "make the sky orange and the water pink"
    if kinds & {"prop"} or (kinds & _ADJECTIVES and not named):
        yield [*lent, *tokens]
        yield [*near, *tokens]
    elif kinds & _NAMING and not kinds & (_HEADS - _NAMING) and last.region_at:
        yield [*last.tokens[:low], *tokens, *last.tokens[high + 1 :]]
    if named or kinds & {"quote", "look", "num"}:
        yield [*last.tokens[: min(low, head)], *tokens]
        if kinds & {"quote"}:
            yield [*(t for t in last.tokens if t.kind in ("write", "watermark", "add", "textnoun")), *tokens]
        if "place" in kinds and "num" in kinds and last.tokens[head].kind == "crop":
            yield [*last.tokens[: head + 1], *tokens]
        if kinds & {"quote"}:
            at = next(i for i, t in enumerate(last.tokens) if i == head)
            yield [*last.tokens[:at], *tokens, *last.tokens[at + 1 :]]


def _is_comparative(token: Token) -> bool:
    return token.text.startswith(("more ", "更")) or (not token.cjk and token.text.endswith("er"))


def _merged(ops: list[Op]) -> list[Op]:
    """Colours for the shadows and for the highlights, given one after the other, are one split tone."""
    merged: list[Op] = []
    for op in ops:
        last = merged[-1] if merged else None
        if (
            last
            and op.name == last.name == "split_tone"
            and op.region == last.region
            and not set(op.params) & set(last.params)
        ):
            merged[-1] = replace(last, params={**last.params, **op.params}, text=f"{last.text}, {op.text}")
        else:
            merged.append(op)
    return [_neutral_rest(op) if op.name == "split_tone" else op for op in merged]


def _neutral_rest(op: Op) -> Op:
    """With a colour for one zone only, the other zone stays as it is: grey, which tints nothing."""
    if len(op.params) != 1:
        return op
    return replace(op, params={"shadows": "grey", "highlights": "grey", **op.params})


def _same(one: Region, other: Region) -> bool:
    return replace(one, text="") == replace(other, text="")


def _check_contradictions(ops: list[Op]) -> None:
    """Two steps that undo each other are a mistake, not a wish."""
    for one, other in combinations(ops, 2):
        if one.name != other.name or not _same(one.region, other.region):
            continue
        if OPERATIONS[one.name].kind not in ("geometry", "text") and one.amount * other.amount < 0:
            raise Contradiction(say("“{}” and “{}” contradict each other.", one.text, other.text))
        if one.name == "recolor" and one.params["color"] != other.params["color"]:
            raise Contradiction(say("“{}” and “{}” contradict each other.", one.text, other.text))
