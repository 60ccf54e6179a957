"""A real Traefik that watches a directory, with somebody else's file in it."""

import shutil
import signal
import sys
from pathlib import Path

import yaml

from adapters.port import Applied, Assignment
from adapters.traefik.gateway import TraefikGateway, TraefikOptions
from tests.contract.processes import Program
from tests.contract.stage import Mistake, Ports

CONFIG = Path(__file__).parents[3] / "gateway-configs" / "traefik" / "traefik.yml"
THROTTLE_S = 0.1


class TraefikStage:
    """Its options are the adapter's; with ``listen=""`` Traefik polls us at a free port."""

    simulated = False

    def __init__(self, **options) -> None:
        self._options = options

    async def open(self, folder: Path, ports: Ports, assignment: Assignment) -> None:
        self.url = f"http://127.0.0.1:{ports.traffic}/"
        self._folder = folder
        self.directory = folder / "dynamic"
        shutil.copytree(CONFIG.parent / "dynamic", self.directory)
        self.api_url = f"http://127.0.0.1:{ports.control}"
        self._nobody_url = f"http://127.0.0.1:{ports.spare}"
        if self._options.get("listen") == "":
            self._options |= {"listen": f"127.0.0.1:{ports.spare}", "directory": None}
        self.adapter = self.gateway("edge", **self._options)
        await self.adapter.start([assignment])
        program = Path(sys.executable).with_name("traefik")
        self._program = Program([str(program), f"--configFile={self._config(ports)}"], folder / "log")
        await self._program.start()

    def gateway(self, name: str, **options) -> TraefikGateway:
        chosen = {"api_url": self.api_url, "directory": str(self.directory), "throttle_s": THROTTLE_S, **options}
        return TraefikGateway(name, TraefikOptions(**chosen))

    def _config(self, ports: Ports) -> Path:
        config = yaml.safe_load(CONFIG.read_text())
        config["entryPoints"]["web"]["address"] = f"127.0.0.1:{ports.traffic}"
        config["entryPoints"]["traefik"]["address"] = f"127.0.0.1:{ports.control}"
        config["providers"]["file"]["directory"] = str(self.directory)
        if listen := self._options.get("listen"):
            poll_ms = round(self._options["poll_interval_s"] * 1000)
            config["providers"]["http"] = {"endpoint": f"http://{listen}/", "pollInterval": f"{poll_ms}ms"}
        path = self._folder / "traefik.yml"
        path.write_text(yaml.safe_dump(config))
        return path

    async def close(self) -> None:
        if hasattr(self, "_program"):
            await self._program.stop()
        await self.adapter.close()

    async def kill(self) -> None:
        await self._program.kill()

    async def revive(self) -> None:
        await self._program.start()

    async def freeze(self) -> None:
        self._program.signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        self._program.signal(signal.SIGCONT)

    async def reload(self) -> bool:
        """There is no command for it: what an operator does is to change a file, and Traefik builds all anew."""
        theirs = self.directory / "yours.yml"
        draft = theirs.with_suffix(".new")
        draft.write_text("http: {middlewares: {another: {headers: {frameDeny: true}}}}\n")
        draft.replace(theirs)
        return True

    async def mistakes(self, assignment: Assignment) -> list[Mistake]:
        unwatched = self._folder / "unwatched"
        unwatched.mkdir()
        strangers = self._folder / "theirs"
        strangers.mkdir()
        (strangers / "turnout-edge.yml").write_text("http: {}\n")
        made = [
            Mistake(
                "nobody listens where the API should be",
                self.gateway("elsewhere", api_url=self._nobody_url, directory=str(unwatched)),
                Applied.UNREACHABLE,
                "Cannot connect",
                "unreachable",
            ),
            Mistake(
                "not the API's address",
                self.gateway("elsewhere", api_url=self.url + "nothing", directory=str(unwatched)),
                Applied.UNREACHABLE,
                "is no Traefik's API",
                None,
                "invalid",
            ),
            Mistake(
                "a directory that is not there",
                self.gateway("edge", directory=str(self._folder / "nowhere")),
                Applied.UNREACHABLE,
                "No such file or directory",
                None,
                "not-found",
            ),
            Mistake(
                "a directory that Traefik does not watch",
                self.gateway("elsewhere", directory=str(unwatched)),
                Applied.UNCONFIRMED,
                "does its file provider read",
                None,
            ),
            Mistake(
                "somebody else's file under our name",
                self.gateway("edge", directory=str(strangers)),
                Applied.REFUSED,
                "was not written by Turnout",
                None,
                "conflict",
            ),
        ]
        for mistake in made:
            await mistake.adapter.start([assignment])
        return made

    async def tamper(self, candidate_bp: int) -> bool:
        """Edit our file."""
        path = self.directory / "turnout-edge.yml"
        config = yaml.safe_load(path.read_text())
        for service in config["http"]["services"].values():
            for at, share in enumerate(service.get("weighted", {}).get("services", ())):
                share["weight"] = (10_000 - candidate_bp, candidate_bp)[at]
        draft = path.with_suffix(".new")
        draft.write_text(yaml.safe_dump(config))
        draft.replace(path)
        return True


STAGE = TraefikStage
