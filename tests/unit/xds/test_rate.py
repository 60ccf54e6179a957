from xds.rate import TokenBucket


def test_a_burst_passes_and_what_exceeds_it_waits_its_turn():
    bucket = TokenBucket(rate_per_s=10, burst=3, now_s=0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [0, 0, 0, 0.1, 0.2]


def test_time_refills_up_to_the_burst():
    bucket = TokenBucket(rate_per_s=10, burst=2, now_s=0.0)
    assert [bucket.take(0.0) for _ in range(2)] == [0, 0]
    assert [bucket.take(1000.0) for _ in range(3)] == [0, 0, 0.1]


def test_the_rate_holds_in_the_long_run():
    bucket = TokenBucket(rate_per_s=100, burst=1, now_s=0.0)
    now_s = 0.0
    for _ in range(1_000):
        now_s += bucket.take(now_s)
    assert 9.9 < now_s < 10.0
