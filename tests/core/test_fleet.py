"""How long deployments that refuse are left alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import pytest

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import ConfigError, DeploymentGone, DeploymentRefused, ServerAway
from litebatch_asgi.fleet import Fleet, load_factories
from litebatch_asgi.models import Deployment, Lane, Settings
from litebatch_asgi.provider import LiveRequest

FLOOR = 2.0
CEILING = 30.0


@pytest.fixture
async def fleet() -> AsyncGenerator[Fleet]:
    deployment = Deployment(model_name="m", model="openai/m", api_base="http://127.0.0.1:9/v1", id="east")
    settings = Settings(min_poll_seconds=FLOOR, max_poll_seconds=CEILING)
    async with aclosing(Fleet(Catalog([deployment]), settings, load_factories(["openai"]))) as fleet:
        yield fleet


async def test_a_deployment_cools_down_longer_each_time_it_refuses_up_to_a_limit(fleet: Fleet) -> None:
    assert fleet.cooldown_left("east") == 0
    for seconds in (2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        fleet.cool_down("east", None)
        assert seconds - 1 < fleet.cooldown_left("east") <= seconds
    fleet.clear_cooldown("east")
    assert fleet.cooldown_left("east") == 0
    fleet.cool_down("east", None)
    assert fleet.cooldown_left("east") <= FLOOR


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(0.0, 1.0), (-7.0, 1.0), (0.001, 1.0), (20.0, 20.0), (1e9, 3_600.0), (float("inf"), 3_600.0)],
)
async def test_a_provider_may_ask_for_a_second_to_an_hour(fleet: Fleet, asked: float, seconds: float) -> None:
    fleet.cool_down("east", DeploymentRefused("no", retry_after=asked).retry_after)
    assert seconds - 1 < fleet.cooldown_left("east") <= seconds


async def test_after_a_long_time_asked_for_our_own_bounds_hold_again(fleet: Fleet) -> None:
    fleet.cool_down("east", DeploymentRefused("no", retry_after=3_600).retry_after)
    fleet.cool_down("east", DeploymentRefused("no", retry_after=float("nan")).retry_after)
    assert fleet.cooldown_left("east") <= CEILING


async def test_a_rest_begins_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer is no other one; after it has taken something, or was not asked for long, another one begins."""
    rests: list[tuple[str, str, float]] = []
    fleet.when_resting(lambda rest: rests.append((rest.deployment_id, rest.reason, rest.seconds)))
    now = 1000.0
    monkeypatch.setattr(anyio, "current_time", lambda: now)
    for _ in range(3):
        fleet.refused("east", DeploymentRefused("no", status=429))
        now += 60
    assert rests == [("east", "busy", FLOOR)]
    fleet.clear_cooldown("east")
    fleet.refused("east", DeploymentRefused("no", status=401, retry_after=20))
    assert rests[1:] == [("east", "key_rejected", 20)]
    now += 20 + 61
    fleet.refused("east", DeploymentRefused("no", status=429))
    assert len(rests) == 3


async def test_a_live_deployment_has_a_server_and_no_files_and_the_others_have_none() -> None:
    base = "http://127.0.0.1:9/v1"
    deployments = [
        Deployment(model_name="m", model="hosted_vllm/m", api_base=base, id="live"),
        Deployment(model_name="m", model="hosted_vllm/m", api_base=base, id="native", lane=Lane.NATIVE),
        Deployment(model_name="n", model="openai/n", api_key="k", id="chosen", lane=Lane.LIVE),
    ]
    factories = load_factories(["hosted_vllm", "openai"])
    async with aclosing(Fleet(Catalog(deployments), Settings(), factories)) as fleet:
        assert [each for each in ("live", "native", "chosen", "gone") if fleet.is_live(each)] == [
            "live",
            "chosen",
        ]
        assert [fleet.adapter(each).keeps_files for each in fleet.ids] == [False, True, False]
        request = LiveRequest(
            path="/v1/chat/completions", body=b"{}", model="m", timeout_seconds=5.0, most_bytes=100
        )
        server = fleet.live_server("live")
        with pytest.raises(ServerAway, match="ConnectError"):
            await server.send(request)
        for other in ("native", "gone"):
            with pytest.raises(DeploymentGone):
                fleet.live_server(other)
    with pytest.raises(ServerAway, match="closed"):
        await server.send(request)


def test_a_live_deployment_of_a_provider_that_cannot_be_asked_so_keeps_a_gateway_from_starting() -> None:
    deployment = Deployment(model_name="m", model="anthropic/claude", api_key="k", lane=Lane.LIVE)
    with pytest.raises(ConfigError, match="lane: live is not possible for anthropic/claude"):
        Fleet(Catalog([deployment]), Settings(), load_factories(["anthropic"]))
