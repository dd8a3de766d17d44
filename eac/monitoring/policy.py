"""What is done about an event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from eac.errors import ConfigError

Kind = Literal[
    "silent",
    "stuck",
    "spiking",
    "level shift",
    "unit change",
    "network drift",
    "new id",
    "forecast error",
    "coverage",
]
Action = Literal["mark", "mask", "tune prompts", "refresh everything", "ask"]

DEFAULT: dict[Kind, Action] = {
    "silent": "mark",
    "stuck": "mask",
    "spiking": "mask",
    "level shift": "tune prompts",
    "unit change": "ask",
    "network drift": "refresh everything",
    "new id": "tune prompts",
    "forecast error": "tune prompts",
    "coverage": "refresh everything",
}


@dataclass(frozen=True)
class Policy:
    """An action for every kind of event.

    Example:
        >>> Policy.of({"stuck": "ask"}).action("stuck")
        'ask'
    """

    actions: Mapping[Kind, Action] = field(default_factory=lambda: DEFAULT)

    @staticmethod
    def of(given: Mapping[str, str]) -> "Policy":
        """The usual policy with some actions of one's own.

        Raises:
            ConfigError: If a kind or an action is not known.
        """
        for name, known in ((set(given), get_args(Kind)), (set(given.values()), get_args(Action))):
            for wrong in sorted(name - set(known)):
                raise ConfigError(f"{wrong!r} in a policy is none of: {', '.join(known)}.")
        return Policy({**DEFAULT, **given})  # pyright: ignore[reportArgumentType]

    @staticmethod
    def parse(texts: Sequence[str]) -> "Policy":
        """The usual policy with actions of one's own, as a command takes them.

        Raises:
            ConfigError: If a text is not KIND=ACTION, or names what is not known.

        Example:
            >>> Policy.parse(["stuck=ask", "level shift=mark"]).action("level shift")
            'mark'
        """
        pairs = [text.partition("=") for text in texts]
        for text, (_, _, action) in zip(texts, pairs, strict=True):
            if not action:
                raise ConfigError(f"--policy {text!r}: give KIND=ACTION, such as stuck=ask.")
        return Policy.of({kind: action for kind, _, action in pairs})

    def action(self, kind: Kind) -> Action:
        """What is done about a kind of event."""
        return self.actions[kind]
