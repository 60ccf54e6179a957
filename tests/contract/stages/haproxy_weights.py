"""A real HAProxy that divides by weights of servers in one backend."""

from adapters.haproxy.plan import Layout
from tests.contract.stages.haproxy import HaproxyStage


class HaproxyWeightsStage(HaproxyStage):
    config = "weights.cfg"
    layout = Layout("{agent}", "{agent}", None)

    async def tamper(self, candidate_bp: int) -> bool:
        table = await self.runtime.ask("show stat bot 4 -1")
        for row in table.splitlines()[1:]:
            name = row.split(",")[1]
            if ",MAINT," not in row:
                await self.runtime.ask(f"set server bot/{name} weight 100")
        return True


STAGE = HaproxyWeightsStage
