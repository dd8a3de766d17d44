"""Makes ``make docs`` show the examples in docstrings as code."""

import re
from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """Turns the heading ``Example:`` into the plural, which alone is read as code."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for each module, class, function and attribute."""
        if obj.docstring is not None:
            value = obj.docstring.value
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", value, flags=re.MULTILINE)
