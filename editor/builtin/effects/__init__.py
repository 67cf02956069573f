"""What each operation should do to a picture, and whether it did: `expected`, `METRICS`, `assess`.

`expectation` holds the effects as data, `pair` and `areas` prepare two pictures for measuring, `metrics` are the
measurements, and `reading` compares them with what was expected.
"""

from editor.builtin.effects.expectation import Effect, expected, strength
from editor.builtin.effects.metrics import GREY, METRICS, Metric
from editor.builtin.effects.naming import region_words
from editor.builtin.effects.pair import Pair, View
from editor.builtin.effects.reading import Assessment, Reading, assess, judged

__all__ = [
    "GREY",
    "METRICS",
    "Assessment",
    "Effect",
    "Metric",
    "Pair",
    "Reading",
    "View",
    "assess",
    "expected",
    "judged",
    "region_words",
    "strength",
]
