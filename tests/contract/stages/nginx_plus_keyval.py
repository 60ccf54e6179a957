"""A simulated NGINX Plus that divides by `split_clients`, chosen by a keyval."""

import aiohttp

from adapters.nginx_plus.gateway import NginxPlusGateway
from adapters.port import Assignment
from tests.contract.stages.nginx_plus import AUTHORIZATION, NginxPlusStage

PERCENTAGES = (10, 100, 1_000, 5_000, 10_000)


class KeyvalStage(NginxPlusStage):
    def configuration(self, assignment: Assignment) -> dict:
        stable = [{"server": endpoint} for endpoint in assignment.stable.endpoints]
        return {"upstreams": {"bot-stable": stable, "bot-candidate": []}, "keyvals": ["splits"]}

    def gateway(self, **options) -> NginxPlusGateway:
        return super().gateway(**{"keyval": "splits", "percentages": PERCENTAGES, **options})

    async def tamper(self, candidate_bp: int) -> bool:
        async with aiohttp.ClientSession(headers={"Authorization": AUTHORIZATION}) as client:
            keyval = f"{self.api_url}/9/http/keyvals/splits"
            async with client.patch(keyval, json={"bot": f"{candidate_bp / 100:g}"}) as answer:
                return answer.status == 204


STAGE = KeyvalStage
