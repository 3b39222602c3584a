"""Servers of a test's own, and chance whose seed is printed."""

from __future__ import annotations

import os
import random
import sys

import pytest

import left_out
import private_servers
import rough_server
import testservers

SEED = int(os.environ.get("LABELMILL_TEST_SEED", random.SystemRandom().randrange(10**6)))


def _running(kind):
    server = testservers.SERVERS[kind]
    if private_servers.program(*server.programs) is None:
        left_out.leave_out(server.name, server.remedy)
    return rough_server.running(kind)


@pytest.fixture
def seed():
    """Return the seed of every random choice; the same one makes the same choices."""
    sys.stdout.write(f"LABELMILL_TEST_SEED={SEED}\n")
    return SEED


@pytest.fixture
def chance(seed):
    return random.Random(seed)


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request):
    with _running(request.param) as made:
        yield made


@pytest.fixture
def rough_redis():
    with _running("redis") as made:
        yield made


@pytest.fixture
def rough_postgresql():
    with _running("postgresql") as made:
        yield made
