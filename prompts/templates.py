"""The prompt templates of the VLM reasoner: loaded, checked, rendered.

A template file is YAML: `version`, `max_tokens` (of the reply; not in system and reask), and the prompt in `en` and
`zh`, as Jinja2. A folder of the user's own may replace some of the files or all of them.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

VARIABLES: dict[str, frozenset[str]] = {
    "system": frozenset(),
    "think": frozenset({"instruction", "abilities", "max_steps"}),
    "describe": frozenset({"instruction"}),
    "score": frozenset({"instruction", "description", "facts"}),
    "conclude": frozenset({"instruction", "facts", "consistency"}),
    "reflect": frozenset({"instruction", "description", "facts"}),
    "judge": frozenset({"instruction", "facts"}),
    "reask": frozenset({"error"}),
}
"""template -> what it may refer to. facts: a list of sentences. consistency: score, meets_instruction, reason."""

SHIPPED = Path(__file__).parent
NO_REPLY = frozenset({"system", "reask"})
"""Parts of a prompt rather than prompts: they have no max_tokens."""

LANGUAGES: tuple[Literal["en"], Literal["zh"]] = ("en", "zh")


class TemplateError(ValueError):
    """A template file is missing or wrong; the message says where."""


@dataclass(frozen=True, slots=True)
class Template:
    """One prompt in both languages. source: "shipped", or the file it was read from."""

    name: str
    version: str
    source: str
    sha256: str
    max_tokens: int
    texts: dict[str, Any]

    @property
    def label(self) -> str:
        """Name, version and where it came from, for the trace."""
        return f"{self.name} {self.version} ({self.source})"

    def render(self, language: Literal["en", "zh"], **variables: Any) -> str:
        """The prompt with its variables filled in, without space around it. Raises TemplateError."""
        import jinja2

        try:
            return str(self.texts[language].render(variables)).strip()
        except jinja2.TemplateError as error:
            raise TemplateError(f"Template {self.label}, {language}: {error}") from None


def load_templates(folder: Path | None = None) -> dict[str, Template]:
    """All templates; a file in `folder` takes the place of the shipped one of its name. Raises TemplateError."""
    own = {} if folder is None else _own_files(folder)
    return {name: _load(name, own.get(name)) for name in VARIABLES}


def _own_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise TemplateError(f"{folder} is not a folder with prompt templates.")
    found = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if not found:
        raise TemplateError(
            f"{folder} has no prompt templates; copy one of {', '.join(VARIABLES)} (.yaml) there."
        )
    for name, path in found.items():
        if name not in VARIABLES:
            raise TemplateError(f"{path}: there is no template {name!r}.{_nearest(name, VARIABLES)}")
    return found


def _load(name: str, own: Path | None) -> Template:
    path = own or SHIPPED / f"{name}.yaml"
    try:
        data = path.read_bytes()
        fields = yaml.safe_load(data)
    except OSError as error:
        raise TemplateError(f"Cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    _check_fields(name, path, fields)
    return Template(
        name=name,
        version=str(fields["version"]),
        source="shipped" if own is None else str(own),
        sha256=hashlib.sha256(data).hexdigest(),
        max_tokens=fields.get("max_tokens", 0),
        texts={language: _compile(name, path, fields[language]) for language in LANGUAGES},
    )


def _check_fields(name: str, path: Path, fields: Any) -> None:
    expected = {"version", *LANGUAGES} | (set() if name in NO_REPLY else {"max_tokens"})
    if not isinstance(fields, dict):
        raise TemplateError(f"{path} must be a mapping with {', '.join(sorted(expected))}.")
    for key in fields:
        if key not in expected:
            raise TemplateError(f"{path}: unknown key {key!r}.{_nearest(str(key), expected)}")
    for key in sorted(expected - set(fields)):
        raise TemplateError(f"{path}: {key!r} is missing.")
    tokens = fields.get("max_tokens", 1)
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise TemplateError(f"{path}: max_tokens must be a whole number above 0, not {tokens!r}.")
    for language in LANGUAGES:
        if not isinstance(fields[language], str) or not fields[language].strip():
            raise TemplateError(f"{path}: {language} must be text.")


def _compile(name: str, path: Path, text: str) -> Any:
    """A Jinja2 template: sandboxed, and every variable it names is one it will be given."""
    import jinja2
    from jinja2 import meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    try:
        used = meta.find_undeclared_variables(environment.parse(text))
        compiled = environment.from_string(text)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{path}: line {error.lineno} of the text: {error.message}") from None
    for variable in sorted(used - VARIABLES[name]):
        known = VARIABLES[name]
        raise TemplateError(f"{path}: unknown variable {variable!r}.{_nearest(variable, known)}")
    return compiled


def _nearest(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(sorted(known)) or 'none'}."
