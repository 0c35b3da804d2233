"""What happens once an officer has confirmed: the act is sent to the system that carries it out, once.

The proposal's id is the key by which that system knows a second delivery for the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from language_assistant.proposals import Proposal

SECONDS = 10.0


@dataclass(frozen=True)
class Effects:
    """The system that carries out what was confirmed."""

    url: str
    client: httpx.AsyncClient

    async def deliver(self, confirmed: Proposal) -> tuple[bool, str]:
        """Send a confirmed act; return whether it was taken, and what came back. Never raises for the other side."""
        body = {
            "proposal": confirmed.id,
            "action": dict(confirmed.action),
            "officer": confirmed.officer,
            "recorded": confirmed.recorded,
        }
        try:
            response = await self.client.post(
                self.url, json=body, headers={"idempotency-key": confirmed.id}, timeout=SECONDS
            )
        except httpx.HTTPError as error:
            return False, type(error).__name__
        return response.is_success, f"HTTP {response.status_code}"
