"""Where the sensors of a run are, as its records say."""

from pathlib import Path

from eac.artifacts.saved_data import done_periods
from eac.errors import EACError
from eac.records.details import read_details


def positions(run_dir: Path) -> dict[str, tuple[float, float]]:
    """Longitude and latitude of the sensors of the last period; none where they are not known.

    Example:
        >>> positions(Path("a folder without a run"))
        {}
    """
    try:
        found = read_details(done_periods(run_dir)[-1])
    except (EACError, IndexError):
        return {}
    if found is None or found.map is None or found.map.positions is None:
        return {}
    return dict(zip(found.map.node_ids, found.map.positions, strict=True))
