"""TLS: a server must prove who it is. The servers of the tests know no TLS, so that a relay speaks it for them."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from domain.errors import InvalidInput
from ports.errors import StorageUnavailable
from tests.servers.relay import Relay, relay_to

pytestmark = pytest.mark.redis


def certificate(folder: Path, name: str, host: str) -> Path:
    """A certificate that vouches for itself, with its key beside it."""
    path = folder / f"{name}.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}"),
            *("-keyout", str(path.with_suffix(".key")), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def right(folder: Path) -> Path:
    return certificate(folder, "right", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def other(folder: Path) -> Path:
    """As good, but of somebody else."""
    return certificate(folder, "other", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def for_other_host(folder: Path) -> Path:
    return certificate(folder, "for_other_host", "DNS:elsewhere.example")


def speaking(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


@pytest.fixture
async def relay(redis_url: str, right: Path) -> AsyncIterator[Relay]:
    async with relay_to(int(redis_url.rpartition(":")[2].partition("/")[0]), speaking(right)) as relay:
        yield relay


async def test_works_over_tls(relay: Relay, right: Path, root: str) -> None:
    options = RedisOptions(f"rediss://127.0.0.1:{relay.port}", ca_file=right, namespace=root, max_connections=5)
    async with aclosing(await RedisSessionStore.open(options)) as store:
        value = "x" * 1_000_000
        await store.set("key", value)
        assert await asyncio.gather(*(store.get("key") for _ in range(20))) == [value] * 20
        connections = relay.connections
        assert connections <= 5
        for client in list(relay.clients):
            client.cancel()
        await asyncio.gather(*relay.clients, return_exceptions=True)
        sums = await asyncio.gather(*(store.increment("counter") for _ in range(20)))
        assert sorted(sums) == list(range(1, 21))
        # None was thought to be dead just because TLS had something to say.
        assert relay.connections <= 2 * connections
        assert await store.clear() == 2


async def test_an_unknown_certificate_is_refused(relay: Relay, other: Path) -> None:
    for ca_file in (other, None):
        with pytest.raises(StorageUnavailable, match="certificate is not valid"):
            await RedisSessionStore.open(RedisOptions(f"rediss://127.0.0.1:{relay.port}", ca_file=ca_file))


async def test_a_certificate_of_another_host_is_refused(redis_url: str, for_other_host: Path) -> None:
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    async with relay_to(port, speaking(for_other_host)) as relay:
        with pytest.raises(StorageUnavailable, match="certificate is not valid"):
            await RedisSessionStore.open(RedisOptions(f"rediss://127.0.0.1:{relay.port}", ca_file=for_other_host))


async def test_checking_can_be_switched_off(relay: Relay, root: str) -> None:
    options = RedisOptions(f"rediss://127.0.0.1:{relay.port}", verify_certificate=False, namespace=root)
    async with aclosing(await RedisSessionStore.open(options)) as store:
        assert await store.get("key") is None


async def test_a_server_without_tls_is_no_server_with_tls(redis_url: str) -> None:
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        await RedisSessionStore.open(RedisOptions(redis_url.replace("redis://", "rediss://"), timeout=1))


async def test_a_server_with_tls_is_no_server_without(relay: Relay) -> None:
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        await RedisSessionStore.open(RedisOptions(f"redis://127.0.0.1:{relay.port}", timeout=1))


async def test_a_ca_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for path in (tmp_path / "missing.pem", broken):
        with pytest.raises(InvalidInput, match=path.name):
            await RedisSessionStore.open(RedisOptions("rediss://127.0.0.1:1", ca_file=path))
