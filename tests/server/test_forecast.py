"""The forecast that requests are answered from."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from eac.server.forecast import GenerationName, NetworkForecast


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Oslo", {"01:00:00+01:00": 1, "03:00:00+02:00": 3, "04:00:00+02:00": 4}),
        ("UTC", {f"0{k}:00:00+00:00": k for k in (1, 2, 3, 4)}),
    ],
)
def test_an_hour_that_the_clock_leaves_out_has_no_forecast(zone, expected):
    y_hat = np.array([[1, 2, 3, 4]], np.float32)
    bound = y_hat[..., None]
    forecast = NetworkForecast(
        GenerationName(1, "x", "0"),
        datetime(2024, 3, 31, tzinfo=ZoneInfo(zone)),
        timedelta(hours=1),
        ("a",),
        ("",),
        y_hat=y_hat,
        levels=(80,),
        low=bound,
        high=bound,
    )
    found = msgspec.json.decode(forecast.body(None, [80]))["forecasts"][0]
    assert dict(zip((ds[11:] for ds in found["ds"]), found["y_hat"], strict=True)) == expected
    assert found["y_hat-lo-80"] == found["y_hat"]
