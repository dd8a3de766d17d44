"""Whether a stream is the one that a card describes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eac.data.core.stream import GraphStream
from eac.data.manage.describe import PeriodSummary
from eac.data.parsing import files
from eac.errors import StreamError

KNOWN_KEYS = ("steps_per_day", "periods")
KNOWN_PERIOD_KEYS = ("name", "num_nodes", "num_steps", "num_edges")


def check_expected(path: Path, stream: GraphStream, periods: Sequence[PeriodSummary]) -> int:
    r"""Compares a stream with a YAML file that lists what its periods must hold.

    The file has ``steps_per_day`` and ``periods``, whose entries have ``name`` and any of
    ``num_nodes``, ``num_steps`` and ``num_edges``.

    Returns:
        How many facts were compared.

    Raises:
        StreamError: If anything differs; all differences are named.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.manage.describe import summaries
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=48)
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "expected.yaml"
        ...     _ = path.write_text("periods: [{name: '0', num_steps: 48}]\n")
        ...     print(check_expected(path, stream, list(summaries(stream))))
        3
    """
    if not path.is_file():
        raise StreamError(f"{path} does not exist. Give the file that says what to expect.")
    expected = files.read_settings(path, KNOWN_KEYS)
    entries = files.list_of(path, expected, "periods")
    for entry in entries:
        files.check_keys(path, entry, KNOWN_PERIOD_KEYS)
    pairs = [("number of periods", len(entries), len(periods))] if entries else []
    if "steps_per_day" in expected:
        found = stream[0].calendar.steps_per_day
        pairs.append(("steps per day", expected["steps_per_day"], found))
    for entry, period in zip(entries, periods, strict=False):
        pairs += _pairs(entry, period)
    wrong = [
        f"{what} is {found}, expected {wanted}" for what, wanted, found in pairs if wanted != found
    ]
    if wrong:
        raise StreamError(
            f"{stream.name} is not the stream that {path} describes: {'; '.join(wrong)}. "
            "Fetch the data again as their card says, or correct the file."
        )
    return len(pairs)


def _pairs(entry: dict[str, Any], period: PeriodSummary) -> list[tuple[str, Any, Any]]:
    wanted = {**entry, "name": str(entry["name"])} if "name" in entry else entry
    return [
        (f"{key} of period {period.name!r}", value, getattr(period, key))
        for key, value in wanted.items()
    ]
