from xds.acks import Refusal
from xds.counters import Counters


def test_what_happens_is_counted_by_type_and_group():
    counters = Counters()
    for _ in range(2):
        counters.stream_opened("edge")
        counters.pushed("edge", "rds", 100)
        counters.acked("edge", "rds", 0.5)
    counters.nacked(Refusal("one", "edge", "cds", 1, "v", (), "bad"))
    assert (counters.streams, counters.pushes, counters.bytes) == ({"edge": 2}, {"rds": 2}, {"rds": 200})
    assert (counters.acks, counters.ack_seconds, counters.nacks) == ({"rds": 2}, {"rds": 1.0}, {"cds": 1})


def test_a_group_without_streams_is_not_listed():
    counters = Counters()
    counters.stream_opened("stranger")
    counters.stream_closed("stranger")
    assert not counters.streams
