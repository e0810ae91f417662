"""A table that reads well on a terminal and, as Markdown, in a file."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

GAP = 2  # blanks between columns on a terminal


@dataclass(frozen=True)
class Table:
    """Named columns of text, the first to the left, the others (figures) to the right, and notes below."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def show(self, console: Console) -> None:
        """Print it: on a terminal with heads broken at blanks and in parts where it is too wide; elsewhere Markdown."""
        if console.quiet:
            return
        if not console.is_terminal:
            console.file.write(self.markdown() + "\n")
            console.file.flush()
            return
        console.print(self.title, style="bold", markup=False, highlight=False)
        for part in self._parts(console.width):
            table = RichTable(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="underline")
            for index in part:
                table.add_column(self.columns[index], justify="right" if index else "left", width=self._width(index))
            for row in self.rows:
                table.add_row(*(row[index] for index in part))
            console.print(table)
            console.print()
        for note in self.notes:
            console.print(note, style="dim", markup=False, highlight=False)

    def markdown(self) -> str:
        """The table as Markdown with its columns aligned, so that it reads as plain text too."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]

        def line(cells: Sequence[str]) -> str:
            padded = [
                cell.rjust(width) if index else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ]
            return "| " + " | ".join(padded) + " |"

        rule = "|" + "|".join("-" * (width + 1) + (":" if index else "-") for index, width in enumerate(widths)) + "|"
        parts = [self.title, "", line(self.columns), rule, *(line(row) for row in self.rows)]
        return "\n".join([*parts, *([""] if self.notes else []), *self.notes])

    def _width(self, index: int) -> int:
        """The narrowest that column `index` gets: its longest cell, or the longest word of its head."""
        return max(map(len, [*self.columns[index].split(), *(row[index] for row in self.rows)]))

    def _parts(self, width: int) -> list[list[int]]:
        """The columns, by index, in groups that fit into `width`; each begins with the first column."""
        parts: list[list[int]] = []
        left = 0
        for index in range(1, len(self.columns)):
            needed = self._width(index) + GAP
            if not parts or needed > left:
                parts.append([0])
                left = width - self._width(0) - GAP
            parts[-1].append(index)
            left -= needed
        return parts
