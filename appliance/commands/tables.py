"""Plain tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import typer


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print left-aligned columns, two spaces apart; nothing but the head when there are no rows."""
    widths = [max(len(line[index]) for line in (head, *rows)) for index in range(len(head))]
    for line in (head, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
