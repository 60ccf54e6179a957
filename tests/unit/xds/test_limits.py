from xds.limits import Limits


def test_grpc_keeps_the_same_limits():
    options = dict(Limits(streams_max=7, request_bytes_max=1_000, keepalive_s=2.5).channel_options())
    assert options["grpc.server.max_pending_requests"] == 7
    assert options["grpc.max_receive_message_length"] == 1_000
    assert options["grpc.keepalive_time_ms"] == options["grpc.keepalive_timeout_ms"] == 2_500


def test_an_answer_of_client_status_fits_into_what_a_grpc_client_takes_by_default():
    assert Limits().status_bytes_max <= 4 * 1024 * 1024
