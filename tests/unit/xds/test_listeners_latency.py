"""The access log of a listener: there only when it is asked for, and made so that access_logs can read it."""

from envoy_data_plane.envoy.config.listener import v3 as listener
from envoy_data_plane.envoy.data.accesslog.v3 import AccessLogType

from xds.access_logs import AGE_TAG, MESSAGE_BYTES_MAX, VERSION_TAG
from xds.listeners import LOG_BUFFER_BYTES
from xds.resources import LatencyLog, Listener

WATCHED = Listener("edge", "127.0.0.1", 10_000, "table", latency_log=LatencyLog(interval_s=0.5, limit_s=2.0))


def manager(value):
    [chain] = listener.Listener.parse(value.resource().body).filter_chains
    [only] = chain.filters
    return only.typed_config.unpack()


def test_nobody_pays_for_a_log_that_nobody_asked_for():
    plain = manager(Listener("edge", "127.0.0.1", 10_000, "table"))
    assert (plain.access_log, plain.access_log_options) == ([], None)


def test_entries_go_to_the_controller_in_batches():
    [log] = manager(WATCHED).access_log
    config = log.typed_config.unpack().common_config
    assert config.grpc_service.envoy_grpc.cluster_name == "turnout", "not a cluster of the bootstrap"
    assert config.buffer_flush_interval.total_seconds() == 0.5
    assert 0 < config.buffer_size_bytes == LOG_BUFFER_BYTES < MESSAGE_BYTES_MAX / 2, "a full buffer would be refused"


def test_an_entry_carries_the_endpoints_version_and_the_requests_age():
    [log] = manager(WATCHED).access_log
    version, age = log.typed_config.unpack().common_config.custom_tags
    assert (version.tag, version.metadata.kind.host is not None) == (VERSION_TAG, True)
    assert (version.metadata.metadata_key.key, version.metadata.metadata_key.path[0].key) == ("turnout", "version")
    assert (age.tag, age.value) == (AGE_TAG, "%DURATION%")


def test_an_open_request_tells_how_it_stands_until_that_is_decided():
    assert manager(WATCHED).access_log_options.access_log_flush_interval.total_seconds() == 0.5
    [log] = manager(WATCHED).access_log
    ends, young = log.filter.or_filter.filters
    assert ends.log_type_filter.types == [AccessLogType.DownstreamEnd]
    assert young.duration_filter.comparison.value.default_value == 3_000, "streams would go on telling what is known"
