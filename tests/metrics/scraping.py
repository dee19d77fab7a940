"""Reading `/metrics`, as Prometheus does."""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import httpx2
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from litebatch_asgi.metrics.definitions import DEFINITIONS, PREFIX
from tests.harness import PATIENCE_SECONDS

KINDS = {name: each.kind for each in DEFINITIONS for name in each.series}


class Scrape:
    """What one scrape has shown."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = {family.name: family for family in families}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def of(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; 0 if there are none."""
        name = PREFIX + name
        assert name in KINDS
        found = [each for each in self.samples if each.name == name and labels.items() <= each.labels.items()]
        return sum(each.value for each in found)

    def labels(self, name: str, label: str) -> set[str]:
        """The values that a label has."""
        return {each.labels[label] for each in self.samples if each.name == PREFIX + name}


def parsed(text: str) -> Scrape:
    """A scrape out of the text format."""
    return Scrape(text_string_to_metric_families(text))


async def scraped(address: str, key: str | None = None, path: str = "/metrics") -> Scrape:
    """Scrape a gateway; every metric that is shown is one of ours, of its kind and with its labels."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=30, verify=False) as http:
        answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    scrape = parsed(answer.text)
    known = {name: set(each.labels) for each in DEFINITIONS for name in each.series}
    for sample in scrape.samples:
        if not sample.name.endswith("_created"):
            assert set(sample.labels) - {"le"} == known[sample.name], sample
    return scrape


async def until(
    address: str, key: str | None, name: str, least: float, *, path: str = "/metrics", **labels: str
) -> Scrape:
    """Scrape until a metric has reached a value."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            scrape = await scraped(address, key, path)
            if scrape.of(name, **labels) >= least:
                return scrape
            await anyio.sleep(0.05)
