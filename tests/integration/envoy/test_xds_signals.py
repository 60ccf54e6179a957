"""What comes back from a real Envoy: load reports, and who has what."""

import asyncio

import grpc
import grpc.aio
import pytest

from tests.integration.envoy.xds_stage import WAIT_S, confirmed, edge, get, split, track
from xds import wire_pb2 as wire
from xds.resources import (
    Route,
    Share,
)


async def test_load_reports_count_exactly_by_cluster_and_version(server, reports, start_envoy, start_agent, free_port):
    listen = free_port()
    outcome = {"endpoint-load-metrics": 'JSON {"named_metrics": {"task_failed": 1, "cost_usd": 0.5}}'}
    tracks = [
        *track("a/stable", "1", await start_agent("1", headers=outcome)),
        *track("a/candidate", "2", await start_agent("2", status=500)),
    ]
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, split(0), *tracks))
    # The first interval of a new cluster is dropped, so its first report comes before its first request.
    await reports.received.get()
    for _ in range(40):
        _, _, headers = await get(listen)
        assert "endpoint-load-metrics" not in headers, "a client saw what is meant for the controller"
    await confirmed(server, edge(listen, split(10_000), *tracks))
    for _ in range(30):
        assert (await get(listen))[0] == 500
    await reports.until(lambda sums: sums["a/stable", "1", "ok"] >= 40 and sums["a/candidate", "2", "error"] >= 30)
    # Envoy reports the clusters of its own bootstrap as well.
    assert {key: count for key, count in reports.sums.items() if key[0] != "turnout"} == {
        ("a/stable", "1", "ok"): 40,
        ("a/stable", "1", "error"): 0,
        ("a/stable", "1", "named_metrics.task_failed"): 40,
        ("a/stable", "1", "named_metrics.task_failed.requests"): 40,
        ("a/stable", "1", "named_metrics.cost_usd"): 20,
        ("a/stable", "1", "named_metrics.cost_usd.requests"): 40,
        ("a/candidate", "2", "ok"): 0,
        ("a/candidate", "2", "error"): 30,
    }


async def test_the_interval_of_load_reports_changes_live(server, reports, start_envoy, start_agent, free_port):
    listen = free_port()
    tracks = track("a/stable", "1", await start_agent("1"))
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, Route("/", (Share("a/stable", 10_000),)), *tracks))

    async def until_apart_s(minimum, maximum):
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(WAIT_S):
            await reports.received.get()
            before_s = clock()
            while True:
                await reports.received.get()
                now_s = clock()
                if minimum < now_s - before_s < maximum:
                    return
                before_s = now_s

    await until_apart_s(0.05, 0.2)
    server.set_load_report_interval("edge", 0.5)
    await until_apart_s(0.4, 0.7)


async def test_client_status_tells_who_has_what(server, start_envoy, start_agent, free_port):
    listen = free_port()
    tracks = track("a/stable", "1", await start_agent("1"))
    await start_envoy(server.port, node_id="one")
    snapshot = edge(listen, Route("/", (Share("a/stable", 10_000),)), *tracks)
    await confirmed(server, snapshot)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        fetch = channel.unary_unary("/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus")
        response = wire.ClientStatusResponse.FromString(await fetch(b""))
        stream = channel.stream_stream("/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus")()
        await stream.write(b"")
        streamed = wire.ClientStatusResponse.FromString(await stream.read())
        await stream.done_writing()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await fetch(b"\xff")
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert streamed == response
    [config] = response.config
    assert (config.node.id, config.node.cluster) == ("one", "edge")
    told = {(c.type_url, c.name): (c.client_status, c.version_info) for c in config.generic_xds_configs}
    assert told == {
        (resource.type.url, resource.name): (wire.ACKED, resource.version)
        for of_type in snapshot.sets.values()
        for resource in of_type.resources.values()
    }
