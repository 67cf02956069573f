"""Make the README's before and after pictures, with reedit itself: python examples/make_readme_pictures.py"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import reedit
from editor import photo

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 480
PICTURES = {
    "leaf": ("leaf.jpg", "make the leaf show potassium deficiency"),
    "vintage": ("mountain-path.jpg", "make it more dramatic with a vintage feel"),
    "winter": ("autumn-mountain.jpg", "冬天的感觉"),
    "brushes": ("brushes.jpg", "keep only the pink brush in colour"),
}
"""name -> (example, request)."""


def main() -> None:
    """Write docs/images/NAME.jpg: the photo on the left, what reedit made of it on the right."""
    for name, (example, request) in PICTURES.items():
        source = ROOT / "examples" / example
        outcome = reedit.apply(source, request, output=None, runs=ROOT / "runs")
        if not outcome.ok:
            sys.exit(f"{name}: {outcome.tag}: {outcome.reasoning}")
        both = np.hstack([photo.load(source).image, outcome.image])
        height = round(both.shape[0] * 2 * WIDTH / both.shape[1])
        picture = Image.fromarray(both).resize((2 * WIDTH, height), Image.Resampling.LANCZOS)
        picture.save(ROOT / "docs" / "images" / f"{name}.jpg", quality=88, optimize=True)
        print(f"{name}: {request}: {outcome.seconds:.1f} s, {outcome.tag}")


if __name__ == "__main__":
    main()
