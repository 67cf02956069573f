"""--help in sections: an option stands under its `rich_help_panel`, without rich, which would double the time."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class Sections(TyperCommand):
    """A command whose --help lists arguments, then the plain options, then each panel of options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections, in the order in which their options come."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                own = "Arguments" if param.param_type_name == "argument" else "Options"
                name = getattr(param, "rich_help_panel", None) or own
                sections.setdefault(name, []).append(record)
        for name, records in sections.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)
