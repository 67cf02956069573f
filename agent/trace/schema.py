"""The JSON Schema of version 1, made from the records themselves: what `reedit trace show --json` prints.

`python -m agent.trace.schema > docs/trace.schema.json` writes it anew; a test compares the two.
"""

from __future__ import annotations

import json
from typing import Any

from agent.trace.records import EVENT_TYPES, EVENTS, SCHEMA

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_SCHEMA_NAME = {"type": "string", "pattern": f"^{SCHEMA.replace('.', chr(92) + '.')}(\\..*)?$"}
RUN = {
    "type": "object",
    "required": ["schema", "id", "started"],
    "properties": {
        "schema": _SCHEMA_NAME,
        "id": _TEXT,
        "started": {"type": "string", "format": "date-time"},
        "instruction": _TEXT,
        "input": {
            "type": "object",
            "required": ["path", "sha256"],
            "properties": {
                "path": {"type": ["string", "null"]}, "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "format": _TEXT, "width": _COUNT, "height": _COUNT, "depth": {"enum": [8, 16]},
            },
        },
        "arguments": {"type": "object"},
        "settings": {"type": "object"},
        "versions": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        "replay_of": _TEXT,
    },
}  # fmt: skip
RESULT = {
    "type": ["object", "null"],
    "required": ["schema", "id", "status", "finished", "seconds"],
    "properties": {
        "schema": _SCHEMA_NAME,
        "id": _TEXT,
        "status": {"enum": ["delivered", "failed", "interrupted"]},
        "finished": {"type": "string", "format": "date-time"},
        "seconds": {"type": "number", "minimum": 0},
        "tag": {"enum": ["Success", "Reflection", "Failed", "unknown"]},
        "best": _COUNT,
        "rounds": _COUNT,
        "score": {"type": ["number", "null"], "minimum": 0, "maximum": 10},
        "output": {"type": ["string", "null"]},
        "sha256": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
        "thumbnail": {"type": "string", "pattern": r"^images/[0-9a-f]{16}\.jpg$"},
        "error": _TEXT,
        "message": _TEXT,
    },
}


def schema() -> dict[str, Any]:
    """The schema as a JSON value. Events of unknown types and unknown fields are valid: versions may add them."""
    events = EVENTS.json_schema(ref_template="#/$defs/{model}")
    definitions = events.pop("$defs")
    unknown = {
        "type": "object",
        "required": ["event"],
        "properties": {"event": {"type": "string", "not": {"enum": sorted(EVENT_TYPES)}}},
    }
    for kind, record in EVENT_TYPES.items():
        definitions[record.__name__]["required"].append("event")
        definitions[record.__name__]["properties"]["event"] = {"const": kind, "type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "A run folder of reedit, as `reedit trace show --json` prints it",
        "type": "object",
        "required": ["run", "events", "result"],
        "properties": {
            "run": RUN,
            "events": {"type": "array", "items": {"anyOf": [events, unknown]}},
            "result": RESULT,
        },
        "$defs": definitions,
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1, sort_keys=True))
