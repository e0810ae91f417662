"""Tables for the terminal and, as Markdown, for files."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

GAP = 2  # blanks between columns on a terminal


@dataclass(frozen=True)
class Table:
    """A table of text: title, named columns, rows, and notes below; the first column is aligned left, others right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def show(self, console: Console) -> None:
        """Print the table as Markdown; on a terminal as plain columns, in parts if it is too wide."""
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
        """Return the table as Markdown with aligned columns, so that it is readable as plain text too."""
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
        """Return the least width of column `index`: that of its longest cell, or of the longest word of its title."""
        return max(map(len, [*self.columns[index].split(), *(row[index] for row in self.rows)]))

    def _parts(self, width: int) -> list[list[int]]:
        """Return the indices of the columns in groups that fit into `width`; each begins with the first column."""
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
