"""The dashboard and the alert rules ask only for what is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from litebatch_asgi import errors
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.cli.metrics import asset
from litebatch_asgi.load import Outcome
from litebatch_asgi.metrics.adapter import ABANDONED, OK, outcome_of
from litebatch_asgi.metrics.definitions import DEFINITIONS, IN_PROCESS
from litebatch_asgi.metrics.prometheus import PrometheusMetrics
from litebatch_asgi.models import BatchStatus
from litebatch_asgi.refusals import Refusal
from tests.forks import run
from tests.harness import deployments

LABELS = {name: {*each.labels, "job", "instance"} for each in DEFINITIONS for name in each.series}
OUTCOMES = {
    outcome_of(each("x"))
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, errors.ProviderError)
} | {OK, ABANDONED, *(outcome.value for outcome in Outcome)}
VALUES: dict[str, set[str]] = {
    "outcome": OUTCOMES,
    "status": {status.value for status in BatchStatus},
    "reason": {*(kind.value for kind in Refusal), "batches_vanished"},
}
_USE = re.compile(r"\b(litebatch_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(=~|!=|=|!~)"([^"]*)"')
_BY = re.compile(r"\bby \(([^)]*)\)")


def of_dashboard() -> list[str]:
    board = json.loads(asset("dashboard.json"))
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return [*queries, *(each["query"]["query"] for each in board["templating"]["list"][1:])]


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(asset("alerts.yaml"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


QUERIES = [*of_dashboard(), *(rule["expr"] for rule in rules())]


def uses(query: str) -> Iterator[tuple[str, str]]:
    found = _USE.findall(query)
    assert found, query
    yield from found


@pytest.mark.parametrize("query", QUERIES)
def test_metrics_and_labels_are_there(query: str) -> None:
    names = [name for name, _ in uses(query)]
    assert set(names) <= LABELS.keys()
    for name, matchers in uses(query):
        for label, _, value in _MATCHER.findall(matchers):
            assert label in LABELS[name]
            if label in VALUES:
                assert set(value.split("|")) <= VALUES[label]
    grouped = {label.strip() for labels in _BY.findall(query) for label in labels.split(",")}
    assert grouped - {"le"} <= set.intersection(*(LABELS[name] for name in names))
    assert ("le" in grouped) == ("histogram_quantile" in query)
    assert query.count("(") == query.count(")")


def test_each_metric_is_shown() -> None:
    shown = {name for query in of_dashboard() for name, _ in uses(query)}
    hidden = [each.name for each in DEFINITIONS if not shown & set(each.series)]
    assert hidden == []


def test_panels_do_not_cover_each_other() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in json.loads(asset("dashboard.json"))["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & own
        assert max(x for x, _ in own) < 24
        cells |= own


def test_each_alert_says_what_it_is_about() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"].keys() == {"summary", "description"}
        by = {label.strip() for labels in _BY.findall(rule["expr"]) for label in labels.split(",")}
        said = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert said <= (by or {"instance"})


def test_the_definitions_are_what_is_kept() -> None:
    registry = CollectorRegistry()
    PrometheusMetrics(registry, Catalog(deployments("http://127.0.0.1:9")))
    kept = {family.name: (family.type, family.documentation) for family in registry.collect()}
    assert kept == {each.name.removesuffix("_total"): (each.kind.value, each.help) for each in IN_PROCESS}
    for each in DEFINITIONS:
        assert each.help.endswith(".")
        assert re.fullmatch(r"litebatch_[a-z_]+", each.name)
    units = ("_total", "_seconds", "_bytes")
    without = {each.name for each in DEFINITIONS if not each.name.endswith(units)}
    counted = {"litebatch_batches", "litebatch_deployment_open_requests"}
    counted |= {"litebatch_outbox_pending_deliveries", "litebatch_outbox_dead_deliveries"}
    counted |= {"litebatch_live_requests_in_flight", "litebatch_live_ranges_held"}
    assert without == {*counted, "litebatch_storage_up", "litebatch_build_info"}


def test_the_command_prints_them(tmp_path: Path) -> None:
    assert run("metrics", "--dashboard", cwd=tmp_path).stdout == asset("dashboard.json")
    assert run("metrics", "--alerts", cwd=tmp_path).stdout == asset("alerts.yaml")
    told = run("metrics", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert all(each.name in told.stdout for each in DEFINITIONS)
    both = run("metrics", "--dashboard", "--alerts", cwd=tmp_path)
    assert (both.returncode, both.stdout) == (2, "")
