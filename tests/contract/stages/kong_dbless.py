"""A simulated Kong without a database: its configuration is one document, and a restart forgets what was posted."""

import aiohttp
import yaml

from tests.contract.stages.kong import TOKEN, KongStage


class DblessStage(KongStage):
    has_database = False

    async def tamper(self, candidate_bp: int) -> bool:
        headers = {"Kong-Admin-Token": TOKEN}
        async with aiohttp.ClientSession(headers=headers) as client:
            async with client.get(f"{self.admin_url}/config") as answer:
                document = yaml.safe_load((await answer.json())["config"])
            candidate = min((row for row in document["targets"] if row["weight"]), key=lambda row: row["weight"])
            candidate["weight"] = candidate_bp // 10
            async with client.post(f"{self.admin_url}/config", json=document) as answer:
                return answer.status == 201


STAGE = DblessStage
