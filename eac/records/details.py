"""What the page of a run shows of a period beyond its errors: a small file beside the record.

The runner writes it before the record of the period; a report reads it. Nothing here needs torch.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType
from typing import TypeAlias

from eac.files import write_json
from eac.records.jsonfile import Fields, StrPath, format_header, read_json

DETAILS_FORMAT = "eac.details"
DETAILS_FILE = "report.json"

Values: TypeAlias = tuple[float | None, ...]

_NUMBER = (int, float, NoneType)


@dataclass(frozen=True)
class SensorMap:
    """Where sensors stand and what connects them; a sample of them in a large network.

    Attributes:
        node_ids: Sensors on the map.
        positions: Longitude and latitude in degrees; None when unknown.
        edges: Pairs of positions in ``node_ids``, each pair once.
        num_nodes: Sensors in the period.
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
    """

    node_id: str
    truth: Values
    week: Values
    forecast: tuple[Values, ...]


@dataclass(frozen=True)
class Traces:
    """Traces of the worst and the best sensors over the last days of the test part.

    Row ``o`` of a forecast was made just before reading ``o`` of ``truth``; its lead ``l`` is a
    forecast of reading ``o + l - 1``.

    Attributes:
        start: Time stamp of the first reading; None without real time.
        step_seconds: Seconds between two readings; None without real time.
        first_step: Position of the first reading in the period.
        leads: Steps ahead that are kept.
        worst: Sensors with the largest errors, worst first.
        best: Sensors with the smallest errors, best first.
    """

    start: str | None
    step_seconds: float | None
    first_step: int
    leads: tuple[int, ...]
    worst: tuple[SensorTrace, ...]
    best: tuple[SensorTrace, ...]


@dataclass(frozen=True)
class Dispersion:
    """How the mean features of the sensors lie around their centre.

    Attributes:
        centre: Mean over the sensors.
        within: Mean squared distance of a sensor from the centre.
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
    """

    node_ids: tuple[str, ...]
    naive: str
    naive_mae: Values
    missing: tuple[float, ...]
    silent_steps: tuple[int, ...]


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
    """Writes ``report.json`` into the directory of a period."""
    content = format_header(DETAILS_FORMAT) | asdict(details)
    write_json(Path(directory) / DETAILS_FILE, content, indent=None)


def read_details(directory: StrPath) -> PeriodDetails | None:
    """Reads what ``write_details`` wrote; None when the period has no such file.

    Raises:
        CheckpointError: If the file is damaged or of another version.
    """
    path = Path(directory) / DETAILS_FILE
    if not path.is_file():
        return None
    source = Fields.of_format(read_json(path), DETAILS_FORMAT, str(path))
    spectrum = source.take("spectrum", (list, NoneType))
    spread = source.inner("dispersion")
    return PeriodDetails(
        name=source.take("name", str),
        quality=_quality(source.inner("quality")),
        map=_map(source.inner("map")),
        traces=_traces(source.inner("traces")),
        spectrum=None if spectrum is None else tuple(spectrum),
        dispersion=Dispersion(tuple(spread.take("centre", list)), spread.take("within", float)),
        steps_per_day=source.content.get("steps_per_day"),
        sensors=_sensors(source) if source.content.get("sensors") is not None else None,
    )


def _quality(source: Fields) -> Quality:
    counts = ("num_steps", "num_edges", "num_isolated", "longest_gap", "num_silent", "num_constant")
    numbers = ("zero_share", "low", "mean", "high")
    return Quality(
        first=source.take("first", str),
        last=source.take("last", str),
        missing_share=source.take("missing_share", (int, float)),
        warnings=tuple(source.take("warnings", list)),
        **{key: source.take(key, int) for key in counts},
        **{key: source.take(key, _NUMBER) for key in numbers},
    )


def _map(source: Fields) -> SensorMap:
    positions = source.take("positions", (list, NoneType))
    return SensorMap(
        node_ids=tuple(source.take("node_ids", list)),
        positions=None if positions is None else tuple((x, y) for x, y in positions),
        edges=tuple((a, b) for a, b in source.take("edges", list)),
        num_nodes=source.take("num_nodes", int),
    )


def _sensors(source: Fields) -> SensorFacts:
    facts = source.inner("sensors")
    return SensorFacts(
        node_ids=tuple(facts.take("node_ids", list)),
        naive=facts.take("naive", str),
        naive_mae=tuple(facts.take("naive_mae", list)),
        missing=tuple(facts.take("missing", list)),
        silent_steps=tuple(facts.take("silent_steps", list)),
    )


def _traces(source: Fields) -> Traces:
    def sensors(key: str) -> tuple[SensorTrace, ...]:
        found = (Fields.of(item, source.where) for item in source.take(key, list))
        return tuple(
            SensorTrace(
                node_id=one.take("node_id", str),
                truth=tuple(one.take("truth", list)),
                week=tuple(one.take("week", list)),
                forecast=tuple(tuple(row) for row in one.take("forecast", list)),
            )
            for one in found
        )

    return Traces(
        start=source.take("start", (str, NoneType)),
        step_seconds=source.take("step_seconds", _NUMBER),
        first_step=source.take("first_step", int),
        leads=tuple(source.take("leads", list)),
        worst=sensors("worst"),
        best=sensors("best"),
    )
