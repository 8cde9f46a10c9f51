"""How the options are read; that passwords do not show."""

from pathlib import Path

import pytest

from adapters.redis.options import Address, RedisOptions, Target
from domain.errors import InvalidInput

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "addresses", "is_cluster", "tls", "database"),
    [
        ("redis://cache", [("cache", 6379)], False, False, 0),
        ("redis://cache:7000/3", [("cache", 7000)], False, False, 3),
        ("redis://cache/", [("cache", 6379)], False, False, 0),
        ("rediss://[::1]:7000", [("::1", 7000)], False, True, 0),
        ("redis+cluster://a:7000,b,[::1]:7002", [("a", 7000), ("b", 6379), ("::1", 7002)], True, False, 0),
        ("rediss+cluster://a/0", [("a", 6379)], True, True, 0),
    ],
)
def test_addresses(url: str, addresses: list[tuple[str, int]], is_cluster: bool, tls: bool, database: int) -> None:
    target = Target.of(RedisOptions(url))
    assert target.addresses == tuple(Address(*address) for address in addresses)
    assert (target.is_cluster, target.tls, target.database) == (is_cluster, tls, database)
    assert (target.user, target.password) == (None, None)


@pytest.mark.parametrize(
    ("url", "given", "user", "password"),
    [
        ("redis://:secret@a", None, None, "secret"),
        ("redis://me:secret@a", None, "me", "secret"),
        ("redis://me:p%40ss%3Aw%2Frd@a", None, "me", "p@ss:w/rd"),
        ("redis://me@a", "apart", "me", "apart"),
        ("redis://me:secret@a", "apart", "me", "apart"),
        ("redis+cluster://me:secret@a,b", None, "me", "secret"),
        ("redis://a", "", None, None),
    ],
)
def test_logins(url: str, given: str | None, user: str | None, password: str | None) -> None:
    target = Target.of(RedisOptions(url, password=given))
    assert (target.user, target.password) == (user, password)


@pytest.mark.parametrize(
    "options",
    [
        RedisOptions(f"http://:{SECRET}@a"),
        RedisOptions(f":{SECRET}@a"),
        RedisOptions(""),
        RedisOptions(f"redis://:{SECRET}@"),
        RedisOptions(f"redis://:{SECRET}@a:port"),
        RedisOptions(f"redis://:{SECRET}@a:70000"),
        RedisOptions(f"redis://:{SECRET}@[::1"),
        RedisOptions(f"redis://:{SECRET}@a,b"),
        RedisOptions(f"redis://:{SECRET}@a/x"),
        RedisOptions(f"redis://:{SECRET}@a/-1"),
        RedisOptions(f"redis://:{SECRET}@a?db=1"),
        RedisOptions(f"redis://:{SECRET}@a#1"),
        RedisOptions(f"redis+cluster://:{SECRET}@a,b/1"),
        RedisOptions(f"redis+cluster://:{SECRET}@a,"),
        RedisOptions(f"redis://:{SECRET}@a", ca_file=Path("ca.pem")),
        RedisOptions(f"redis://:{SECRET}@a", max_connections=0),
        RedisOptions(f"redis://:{SECRET}@a", timeout=0),
        RedisOptions(f"redis://:{SECRET}@a", namespace=""),
    ],
    ids=repr,
)
def test_malformed_options_are_refused(options: RedisOptions) -> None:
    with pytest.raises(InvalidInput) as caught:
        Target.of(options)
    assert SECRET not in str(caught.value)


def test_passwords_do_not_show() -> None:
    options = RedisOptions(f"redis://me:{SECRET}@a", password=SECRET)
    assert SECRET not in repr(options)
    assert SECRET not in repr(Target.of(options))
