"""Every error reedit raises on purpose, in one place.

ReeditError                 exit 1
├── UsageError              exit 2   an option, a value or a combination is wrong
│   └── ConfigError         exit 2   reedit.yaml, REEDIT_* or a prompt file is wrong
├── PhotoError              exit 1   a file cannot be read as a photo, or written
├── EditError               exit 1   a step could not be carried out
│   ├── NotUnderstood                the step is not in the editor's language
│   ├── CannotDo                     understood, but not possible with this editor
│   ├── RegionNotFound               the named part of the photo was not found
│   └── EditorUnavailable            an extra, a model or a device is missing
│       └── DeviceLost               the GPU failed; only a new process may use it again
├── ReasonerError           exit 1   the Reasoner gave nothing usable
│   ├── Refused                      the request cannot be done by this Reasoner and editor
│   ├── BadReply                     a reply that does not parse, even after a re-ask
│   └── ReasonerUnavailable          no server, no model, no key
└── TraceError              exit 1   a run folder cannot be written or read
"""

from __future__ import annotations

from editor.base import (
    CannotDo,
    DeviceLost,
    EditError,
    EditorUnavailable,
    NotUnderstood,
    PhotoError,
    ReeditError,
    RegionNotFound,
    UsageError,
)


class ConfigError(UsageError):
    """A configuration or prompt file, or an environment variable, is wrong; the message says where."""


class ReasonerError(ReeditError):
    """The Reasoner gave nothing usable."""


class Refused(ReasonerError):
    """The request cannot be done by this Reasoner and editor; the message names what would do it."""


class BadReply(ReasonerError):
    """A reply does not parse, even after a re-ask."""


class ReasonerUnavailable(ReasonerError):
    """No server, model or key; the message has the line that fixes it."""


class TraceError(ReeditError):
    """A run folder cannot be written or read."""


__all__ = [
    "BadReply",
    "CannotDo",
    "ConfigError",
    "DeviceLost",
    "EditError",
    "EditorUnavailable",
    "NotUnderstood",
    "PhotoError",
    "ReasonerError",
    "ReasonerUnavailable",
    "ReeditError",
    "Refused",
    "RegionNotFound",
    "TraceError",
    "UsageError",
]
