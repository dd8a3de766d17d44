"""Objects that can say how they were made, as a configuration would."""

import inspect
from dataclasses import fields, is_dataclass
from typing import Any

from eac.errors import ConfigError


class Described:
    """Remembers the arguments it was made with.

    Attributes:
        made_with: The arguments given, by name; defaults are left out.

    Example:
        >>> class Square(Described):
        ...     def __init__(self, side: int, *, name: str = "square"):
        ...         self.side = side
        >>> Square(3).made_with
        {'side': 3}
    """

    made_with: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any):
        """Notes the arguments; a copy is made without any and brings its own."""
        made = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind_partial(made, *args, **kwargs)
        _, *names = bound.arguments
        made.__dict__["made_with"] = {name: bound.arguments[name] for name in names}
        return made


def description(made: Described) -> dict[str, Any]:
    """Class and arguments as plain values, from which a configuration makes the same again.

    Raises:
        ConfigError: If the class or an argument cannot be named in a configuration.

    Example:
        >>> from eac.strategies.eac import EAC
        >>> description(EAC(rank=4))
        {'class_path': 'eac.strategies.eac.EAC', 'init_args': {'rank': 4}}
    """
    return _description(type(made), made.made_with)


def _description(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    if kind.__module__ == "__main__" or "<" in kind.__qualname__:
        raise ConfigError(f"class {kind.__qualname__} is not in a module that can be imported")
    said = {name: _said(value) for name, value in given.items()}
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}"} | (
        {"init_args": said} if said else {}
    )


def _said(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_said(item) for item in value]
    if isinstance(value, Described):
        return description(value)
    if isinstance(value, type):
        return _description(value, {})
    if is_dataclass(value):
        return _description(type(value), {f.name: getattr(value, f.name) for f in fields(value)})
    raise ConfigError(f"a {type(value).__name__} was given, which a configuration cannot say")
