"""What the page of a run shows of a period beyond its errors: a small file beside the record.

The runner writes it before the record of the period; a report reads it. Nothing here needs torch.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from eac.files import json_bytes
from eac.records.jsonfile import StrPath, convert, format_header
from eac.records.manifest import check_absent, read_verified_json, rewrite

DETAILS_FORMAT = "eac.details"
DETAILS_FILE = "report.json"

Values: TypeAlias = tuple[float | None, ...]


@dataclass(frozen=True)
class SensorMap:
    """Where sensors stand and what connects them; a sample of them in a large network.

    Attributes:
        node_ids: Sensors on the map.
        positions: Longitude and latitude in degrees; None when unknown.
        edges: Pairs of positions in ``node_ids``, each pair once.
        num_nodes: Sensors in the period.

    Example:
        >>> SensorMap(("a", "b"), None, edges=((0, 1),), num_nodes=2).node_ids
        ('a', 'b')
    """

    node_ids: tuple[str, ...]
    positions: tuple[tuple[float, float], ...] | None
    edges: tuple[tuple[int, int], ...]
    num_nodes: int


@dataclass(frozen=True)
class SensorTrace:
    """Forecasts of one sensor against what was measured, in raw units.

    Attributes:
        node_id: The sensor.
        truth: Readings from the first step forecast on; None where missing.
        week: The reading a week before each of them; None where there is none.
        forecast: One row per origin, one value per lead of ``Traces.leads``.

    Example:
        >>> SensorTrace("a", truth=(3.0, 4.0), week=(2.0, None), forecast=((3.5,), (4.5,))).truth
        (3.0, 4.0)
    """

    node_id: str
    truth: Values
    week: Values
    forecast: tuple[Values, ...]


@dataclass(frozen=True)
class Traces:
    """Traces of the worst and the best sensors over the last days of the test part.

    Row ``o`` of a forecast was made when the reading before reading ``o`` of ``truth`` was known;
    its lead ``l`` is a forecast of reading ``o + l - 1``.

    Attributes:
        start: Time stamp of the first reading by the clock on the wall, without an offset, which
            older runs have; None without real time.
        step_seconds: Seconds between two readings; None without real time.
        first_step: Position of the first reading in the period.
        leads: Steps ahead that are kept.
        worst: Sensors with the largest errors, worst first.
        best: Sensors with the smallest errors, best first.
        seconds: Seconds from ``start`` to the reading before the first, which are negative, and to
            each of ``truth``; None where all are ``step_seconds`` apart, and in older runs.

    Example:
        >>> from eac.records.sample import sample_details
        >>> traces = sample_details("0").traces
        >>> traces.leads, len(traces.worst[0].forecast)
        ((1, 2, 3, 4), 6)
    """

    start: str | None
    step_seconds: float | None
    first_step: int
    leads: tuple[int, ...]
    worst: tuple[SensorTrace, ...]
    best: tuple[SensorTrace, ...]
    seconds: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Dispersion:
    """How the mean features of the sensors lie around their centre.

    Attributes:
        centre: Mean over the sensors.
        within: Mean squared distance of a sensor from the centre.

    Example:
        >>> Dispersion(centre=(0.0, 1.0), within=0.5).within
        0.5
    """

    centre: tuple[float, ...]
    within: float


@dataclass(frozen=True)
class Quality:
    """What was found in the data of a period when it was read.

    Attributes:
        num_steps: Time steps.
        num_edges: Directed edges.
        num_isolated: Sensors that no edge touches.
        first: First time stamp, or slot.
        last: Last time stamp, or slot.
        missing_share: Share of readings that are missing, between 0 and 1.
        zero_share: Share of the readings present that are 0.
        low: Smallest reading.
        mean: Mean reading.
        high: Largest reading.
        longest_gap: Steps of the longest run of missing readings of a sensor that has any.
        num_silent: Sensors without any reading.
        num_constant: Sensors whose readings are all equal.
        warnings: What looks suspicious, one sentence each.

    Example:
        >>> from eac.records.sample import sample_details
        >>> sample_details("0").quality.missing_share
        0.125
    """

    num_steps: int
    num_edges: int
    num_isolated: int
    first: str
    last: str
    missing_share: float
    zero_share: float | None
    low: float | None
    mean: float | None
    high: float | None
    longest_gap: int
    num_silent: int
    num_constant: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class SensorFacts:
    """What is known of each sensor beyond its error; the worst ones of a large network.

    Attributes:
        node_ids: The sensors.
        naive: Name of the naive forecast with the smallest MAE over all sensors; "" without one.
        naive_mae: MAE of that forecast for each sensor; None where nothing was observed.
        missing: Share of the readings of the period that are missing, between 0 and 1.
        silent_steps: Missing readings after the last one that is present.
        silent_seconds: Time from the last reading of each to the end of the period, closed hours
            included; None without real time, and in older runs.

    Example:
        >>> facts = SensorFacts(("a",), "week", (10.0,), missing=(0.25,), silent_steps=(3,))
        >>> facts.missing[0]
        0.25
    """

    node_ids: tuple[str, ...]
    naive: str
    naive_mae: Values
    missing: tuple[float, ...]
    silent_steps: tuple[int, ...]
    silent_seconds: tuple[float, ...] | None = None


@dataclass(frozen=True)
class PeriodDetails:
    """Everything kept of one period for its page.

    Attributes:
        name: Name of the period.
        quality: What was found in its data.
        map: Its sensors.
        traces: Forecasts of its worst and best sensors.
        spectrum: Singular values of the prompt pool, largest first; None without a pool.
        dispersion: Of the sensors' mean features over the windows of the traces.
        steps_per_day: Steps in one day; None in files written before it was kept.
        sensors: What is known of each sensor; None in files written before it was kept.

    Example:
        >>> from eac.records.sample import sample_details
        >>> details = sample_details("0")
        >>> details.map.node_ids, details.spectrum
        (('a', 'b', 'c'), (2.0, 1.0, 0.0))
    """

    name: str
    quality: Quality
    map: SensorMap
    traces: Traces
    spectrum: tuple[float, ...] | None
    dispersion: Dispersion
    steps_per_day: int | None = None
    sensors: SensorFacts | None = None


def write_details(directory: StrPath, details: PeriodDetails) -> None:
    """Writes ``report.json`` into the directory of a period.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.records.sample import sample_details
        >>> with TemporaryDirectory() as folder:
        ...     write_details(folder, sample_details("0"))
        ...     print(read_details(folder) == sample_details("0"))
        True
    """
    content = format_header(DETAILS_FORMAT) | asdict(details)
    rewrite(Path(directory) / DETAILS_FILE, json_bytes(content, indent=None))


def read_details(directory: StrPath) -> PeriodDetails | None:
    """Reads what ``write_details`` wrote; None when the period has no such file.

    Raises:
        CheckpointError: If the file is damaged or of another version.

    Example:
        >>> read_details("a folder without details") is None
        True
    """
    path = Path(directory) / DETAILS_FILE
    if not path.is_file():
        check_absent(path)
        return None
    return convert(PeriodDetails, read_verified_json(path), DETAILS_FORMAT, str(path))
