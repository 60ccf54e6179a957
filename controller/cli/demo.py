"""`turnout demo`: the main job, on a real gateway, here and now."""

from __future__ import annotations

import click

from controller.cli.options import with_output


class _Startable(click.Choice[str]):
    """Gateways that the demo starts; of those that it never can, it says why."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from controller.demo.gateway import NOT_INSTALLABLE  # noqa: PLC0415 - `turnout --help` needs no gateway

        if value in NOT_INSTALLABLE:
            self.fail(f"the demo cannot start {value}: {NOT_INSTALLABLE[value]}", param, ctx)
        return super().convert(value, param, ctx)


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Where the demo's chance begins.")
@click.option(
    "--gateway",
    type=_Startable(["envoy", "haproxy", "openresty", "traefik"]),
    default="envoy",
    show_default=True,
    help="Which gateway to start.",
)
@with_output
def demo(seed: int, gateway: str, output: str) -> None:
    """Promote a good candidate, take back a bad one, and blame nobody for an outage that both share.

    Starts a gateway, three versions of a small agent, load, and a controller, all on this machine; ends them all. The
    exit code is 1 if an act went wrong.
    """
    from controller.demo.main import run  # noqa: PLC0415 - `turnout demo --help` needs no gateway

    raise click.exceptions.Exit(run(seed=seed, gateway=gateway, output=output))
