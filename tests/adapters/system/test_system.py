"""The clock and the random source of the machine."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from adapters.system.clock import SystemClock
from adapters.system.ids import RandomIds
from ports.clock import unix_milliseconds


def test_now_is_the_wall_time_in_utc() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def test_milliseconds_are_those_of_now() -> None:
    clock = SystemClock()
    for _ in range(1000):
        before, between, after = (
            unix_milliseconds(clock.now()),
            clock.unix_milliseconds(),
            unix_milliseconds(clock.now()),
        )
        assert before <= between <= after


def test_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)


@pytest.mark.parametrize("digits", [1, 7, 12, 32])
def test_an_id_has_its_prefix_and_as_many_digits_as_asked_for(digits: int) -> None:
    assert re.fullmatch(rf"case_[0-9a-f]{{{digits}}}", RandomIds().new("case", digits))


def test_ids_and_secrets_do_not_repeat() -> None:
    ids = RandomIds()
    assert len({ids.new("case") for _ in range(1000)}) == 1000
    assert len({ids.secret() for _ in range(1000)}) == 1000


def test_a_secret_is_url_safe_and_has_256_bits() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", RandomIds().secret())
