from datetime import datetime, timedelta

from eac.calibration.clock import clock_step, moment_step
from eac.data.core.calendar import Calendar

HOUR = timedelta(hours=1)


def test_periods_with_time_stamps_share_one_clock_whose_first_day_is_a_monday():
    calendar = Calendar.from_timestamps(datetime(2024, 1, 2, 3), HOUR)
    step = clock_step(calendar, 5)
    assert step == moment_step(datetime(2024, 1, 2, 8), HOUR)
    assert step % 24 == 8
    assert step // 24 % 7 == 1


def test_without_time_stamps_slots_count():
    assert clock_step(Calendar(24, start_slot=4207), 2) == 4209


def test_each_step_between_whole_ones_has_a_number_of_its_own():
    noon, day = datetime(2024, 1, 1, 12), timedelta(days=1)
    numbers = [moment_step(noon + i * day, day) for i in range(9)]
    assert numbers == list(range(numbers[0], numbers[0] + 9))
