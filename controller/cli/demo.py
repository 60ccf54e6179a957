"""`turnout demo`: the main job, on a real gateway, here and now."""

from __future__ import annotations

import click

from controller.cli.options import with_output
from controller.errors import InvalidError


class _Startable(click.ParamType[str]):
    """Gateways that the demo starts, separated by commas; of those that it never can, it says why."""

    name = "KIND[,KIND...]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from controller.demo.gateway import chosen  # noqa: PLC0415 - `turnout --help` needs no gateway

        try:
            chosen(value)
        except InvalidError as error:
            self.fail(str(error), param, ctx)
        return value


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Where the demo's chance begins.")
@click.option(
    "--gateway",
    type=_Startable(),
    default="envoy",
    show_default=True,
    help="Which gateways to start: envoy, haproxy, openresty, traefik, or several of them.",
)
@with_output
def demo(seed: int, gateway: str, output: str) -> None:
    """Promote a good candidate, take back a bad one, and blame nobody for an outage that both share.

    Starts gateways, three versions of a small agent, load, and a controller, all on this machine; ends them all. The
    exit code is 1 if an act went wrong.
    """
    from controller.demo.main import run  # noqa: PLC0415 - `turnout demo --help` needs no gateway

    raise click.exceptions.Exit(run(seed=seed, gateway=gateway, output=output))
