"""Checks of numbers that settings give, each with one sentence that names the setting."""

from eac.errors import ConfigError


def check_least(least: float, **values: float | None) -> None:
    """Raises ``ConfigError`` where a setting is below ``least``; None is no number.

    Example:
        >>> check_least(0, num_hops=2)
    """
    for name, value in values.items():
        if value is not None and not value >= least:
            raise ConfigError(f"{name}={value}: give at least {least:g}.")


def check_shares(**shares: float) -> None:
    """Raises ``ConfigError`` where a setting that is a share is not between 0 and 1.

    Example:
        >>> check_shares(dropout=0.1)
    """
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"{name}={value}: give a share between 0 and 1.")


def check_fractions(train: float, val: float) -> None:
    """Raises ``ConfigError`` where the shares of a period leave nothing for one of its parts.

    Example:
        >>> check_fractions(0.6, 0.2)  # says nothing
    """
    if not (train > 0 and val > 0 and train + val < 1):
        raise ConfigError(
            f"train_fraction={train} and val_fraction={val}: give positive shares that leave "
            "something for the test part."
        )
