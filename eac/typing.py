"""Axis words and tensor aliases shared by the whole package.

Axes are singular and always in this order: ``batch``, then ``time`` (or ``window``, ``horizon``),
then ``node`` and ``hidden``; batched tensors are ``batch node window``.
"""

from collections.abc import Mapping
from os import PathLike
from typing import Any, Literal, TypeAlias

from jaxtyping import Bool, Float, Int
from numpy import integer
from torch import Tensor

StrPath: TypeAlias = str | PathLike[str]
WholeNumber: TypeAlias = int | integer
Part: TypeAlias = Literal["train", "val", "test"]

NodeSeries: TypeAlias = Float[Tensor, "time node"]
SeriesMask: TypeAlias = Bool[Tensor, "time node"]
NodeIndex: TypeAlias = Int[Tensor, " _"]
EdgeIndex: TypeAlias = Int[Tensor, "2 edge"]
EdgeWeight: TypeAlias = Float[Tensor, " edge"]

ForecastMemory: TypeAlias = Mapping[str, Any]
"""What forecasts of a strategy go on from: tensors, and values of JSON."""
