"""Use reedit from Python: edit a photo, read what was thought, keep or discard the result.

python examples/library.py [PHOTO] [REQUEST]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import reedit
from agent.errors import ReeditError

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Edit, and tell the story in a few lines."""
    photo = sys.argv[1] if len(sys.argv) > 1 else HERE / "leaf.jpg"
    request = sys.argv[2] if len(sys.argv) > 2 else "make the leaf show potassium deficiency"
    with tempfile.TemporaryDirectory() as folder:
        try:
            outcome = reedit.apply(
                photo, request, output=Path(folder) / "out.jpg", runs=Path(folder) / "runs"
            )
        except ReeditError as error:
            print(f"nothing was delivered: {error}")
            return error.exit_code
        for number, step in enumerate(outcome.plan.steps, 1):
            print(f"{number}. {step}")
        print(
            f"{outcome.tag} after {len(outcome.rounds)} round(s) in {outcome.seconds:.1f} s: {outcome.reasoning}"
        )
        best = outcome.rounds[outcome.best]
        print(
            f"{best.facts.changed_share:.0%} of the pixels changed visibly; outside: {best.facts.outside_changed}"
        )
        return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
