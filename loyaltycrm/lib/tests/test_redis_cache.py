"""Counters in a real Redis: each count one message, and what Django's cache promises of them."""

import threading

import pytest
from django.core.cache import cache

from loyaltycrm.local.redis import Redis


def test_a_counter_counts_and_keeps_its_end(redis_server: Redis) -> None:
    assert cache.add("visits", 1, 100)
    assert cache.incr("visits") == 2
    assert cache.incr("visits", 5) == 7
    assert cache.decr("visits") == 6
    assert cache.get("visits") == 6
    (name,) = redis_server.client().keys("*visits*")
    assert 0 < redis_server.client().ttl(name) <= 100


def test_what_is_not_there_is_not_counted(redis_server: Redis) -> None:
    with pytest.raises(ValueError, match="no counter"):
        cache.incr("nothing")
    assert cache.get("nothing") is None


def test_a_count_is_one_message(redis_server: Redis) -> None:
    cache.set("visits", 0)
    cache.incr("visits")
    client = redis_server.client()
    client.config_resetstat()
    for _turn in range(10):
        cache.incr("visits")
    calls = {name: one["calls"] for name, one in client.info("commandstats").items()}
    # What the script does stands there too; `config|resetstat` counts itself.
    assert calls.pop("cmdstat_evalsha") == 10
    assert calls.pop("cmdstat_exists") == calls.pop("cmdstat_incrby") == 10
    assert set(calls) <= {"cmdstat_config|resetstat", "cmdstat_info", "cmdstat_client|setinfo"}


def test_a_server_that_forgot_the_script_is_told_it_again(redis_server: Redis) -> None:
    cache.set("visits", 0)
    cache.incr("visits")
    redis_server.client().script_flush()
    assert cache.incr("visits") == 2


def test_threads_share_the_client(redis_server: Redis) -> None:
    cache.set("visits", 0)

    def count() -> None:
        for _turn in range(50):
            cache.incr("visits")

    threads = [threading.Thread(target=count) for _turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.get("visits") == 400
