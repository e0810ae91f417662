"""Values that are read when they are asked for, so that whoever wants a corpus's text opens none of its pictures."""

from collections.abc import Iterator, Mapping
from typing import Any


class LazyValues(Mapping[str, Any]):
    """Values by name. One that is given as a function without arguments is called whenever it is asked for."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        return value() if callable(value) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
