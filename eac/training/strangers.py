"""A model pointed at sensors that it has never seen."""

from collections.abc import Sequence

from eac.nn.prompt_pool import PromptPool
from eac.nn.twin import twin
from eac.training.forecaster import Forecaster


def pointed_at(model: Forecaster, known: Sequence[str], node_ids: Sequence[str]) -> Forecaster:
    """A twin of the model for these sensors, with weights in common; the model stays as it is.

    Args:
        model: As a period left it.
        known: Sensors that it was trained on.
        node_ids: Sensors to forecast.
    """
    other = twin(model)
    point_at(other, known, node_ids)
    return other


def point_at(model: Forecaster, known: Sequence[str], node_ids: Sequence[str]) -> None:
    """Points the model at these sensors; those not known get the mean of the prompts learned.

    Args:
        model: Grows by the rows of unknown sensors.
        known: Sensors that it was trained on.
        node_ids: Sensors to forecast.
    """
    seen = set(known)
    strangers = [node for node in node_ids if node not in seen]
    for pool in model.strategy.modules():
        if not isinstance(pool, PromptPool) or not seen <= {*pool.node_ids}:
            continue
        mean = pool.factors(known).mean(0)
        if pool.grow(strangers):
            pool.place(strangers, mean.expand(len(strangers), -1))
    model.select_nodes(node_ids)
