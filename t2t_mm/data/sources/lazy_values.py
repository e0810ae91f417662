"""Values that are read on access, so that reading only a corpus's text opens none of its images."""

from collections.abc import Iterator, Mapping
from typing import Any


class LazyValues(Mapping[str, Any]):
    """A mapping of values by name. A value that is a function without arguments is called on each access."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        return value() if callable(value) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
