"""What cannot be trained by processes that divide the sensors."""

from collections.abc import Iterator

from eac.data.batches.datamodule import PeriodData
from eac.training.forecaster import Forecaster


def reasons(model: Forecaster, data: PeriodData) -> Iterator[tuple[bool, str]]:
    """What may stand against dividing the sensors, and whether it does.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> from eac.strategies.eac import EAC
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> [said for wrong, said in reasons(Forecaster(STGNN(), EAC()), data) if wrong][1]
        'it needs data.nodes_per_window 1'
    """
    needs, layout = model.backbone.needs, data.layout
    name, backbone = type(model.strategy).__name__, type(model.backbone).__name__
    scaling = layout.scaling
    per_node = layout.protocol.scale_per_node if scaling is None else scaling.per_node
    published = layout.protocol.validate_by_batch or layout.protocol.scale_by_part
    yield published, f"protocol {layout.protocol.name} is that of one process"
    yield not model.strategy.divides, f"strategy {name} looks at sensors of other processes"
    yield not needs.apart, f"backbone {backbone} hears sensors beyond its neighbours' readings"
    yield bool(needs.covariates), f"backbone {backbone} takes covariates, scaled over all sensors"
    yield data.nodes_per_window != 1, "it needs data.nodes_per_window 1"
    yield data.steps_per_epoch is None, "it needs data.steps_per_epoch, such as 100"
    yield model.loss_units == "raw", "model.loss_units raw weighs by the mean scale of all sensors"
    yield not per_node, "data.scaling takes one scale for all sensors; PerNode takes one for each"
