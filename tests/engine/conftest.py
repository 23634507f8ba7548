"""What the tests on real engines share. Everything made here is named at random and removed afterwards."""

import secrets
from collections.abc import Iterator

import pytest

from tests.engine import clusters
from tests.engine.tenants import Tenants, tenants


@pytest.fixture(scope="session")
def installation() -> str:
    """An installation id of this test run alone."""
    return secrets.token_hex(3)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[clusters.Cluster]:
    with clusters.cluster() as made:
        yield made


@pytest.fixture(scope="session")
def hosted() -> Iterator[Tenants]:
    """An engine with the tenants' networks, under an installation id of its own."""
    with tenants(secrets.token_hex(3)) as made:
        yield made
