"""How the readings, targets and covariates of a period are scaled."""

from dataclasses import dataclass

from eac.data.core.covariates import CovariateScale
from eac.data.series.readings import PartScaling
from eac.data.series.scaling import Scaler
from eac.typing import NodeIndex


@dataclass(frozen=True, eq=False)
class Scales:
    """How what is gathered is scaled, fitted to the training part.

    Attributes:
        inputs: Of the readings of a window.
        targets: Turns forecasts into raw units.
        covariates: What is known ahead and how it is scaled, if anything.

    Example:
        >>> import torch
        >>> scaler = Scaler(torch.tensor([40.0]), torch.tensor([10.0]))
        >>> Scales(PartScaling.of([scaler], shared=False), scaler).targets.mean
        tensor([40.])
    """

    inputs: PartScaling
    targets: Scaler
    covariates: CovariateScale | None = None

    def subset(self, nodes: NodeIndex) -> "Scales":
        """The same for some of the nodes."""
        return Scales(self.inputs.subset(nodes), self.targets.subset(nodes), self.covariates)
