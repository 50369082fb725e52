"""Rules, runbooks and dashboards: valid, tested, and about metrics that the code really has."""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
CONFIGS = ("prometheus.yml", "prometheus.docker.yml")
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))

# What Prometheus and every Python process bring along, with the labels that scraping adds.
FROM_OUTSIDE = {"up", "process_start_time_seconds", "process_resident_memory_bytes"}
SCRAPED_LABELS = {"job", "instance", "service", "le"}


def _promtool(*arguments: str | Path) -> str:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: apt-get install prometheus"
    done = subprocess.run([promtool, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _rules() -> Iterator[dict[str, Any]]:
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def _alerts() -> list[dict[str, Any]]:
    return [rule for rule in _rules() if "alert" in rule]


def _panels(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]


def _dashboard_queries() -> Iterator[str]:
    for path in DASHBOARDS:
        for panel in _panels(path):
            for target in panel["targets"]:
                yield target["expr"].replace("$__rate_interval", "1m")


def _queries() -> list[str]:
    return [rule["expr"] for rule in _rules()] + list(_dashboard_queries())


def _metrics_in_code() -> dict[str, set[str]]:
    """Every metric the services and libraries define, with its labels; histograms under each of their names."""
    found: dict[str, set[str]] = {}
    for path in (*ROOT.glob("libs/*/*/**/*.py"), *ROOT.glob("services/*/*/**/*.py")):
        if "node_modules" in path.parts:
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                _note_metric(call, call.func.id, found)
    return found


def _note_metric(call: ast.Call, kind: str, found: dict[str, set[str]]) -> None:
    if kind not in ("Counter", "Gauge", "Histogram") or not call.args:
        return
    first = call.args[0]
    name = str(first.value) if isinstance(first, ast.Constant) else ""
    if not name.startswith("heed_"):
        return
    given = [ast.literal_eval(arg) for arg in call.args[2:] if isinstance(arg, ast.List | ast.Tuple)]
    suffixes = ("_bucket", "_count", "_sum") if kind == "Histogram" else ("",)
    for suffix in suffixes:
        found[f"{name}{suffix}"] = set(given[0]) if given else set()


@pytest.mark.parametrize("name", CONFIGS)
def test_prometheus_accepts_its_configuration(name: str) -> None:
    _promtool("check", "config", PROMETHEUS / name)


def test_the_rules_do_what_their_tests_say() -> None:
    assert "SUCCESS" in _promtool("test", "rules", PROMETHEUS / "tests" / "rules_test.yml")


def test_every_alert_is_tested_to_fire() -> None:
    tests = yaml.safe_load((PROMETHEUS / "tests" / "rules_test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert fired == {alert["alert"] for alert in _alerts()}


@pytest.mark.parametrize("alert", _alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_names_a_runbook_that_says_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("page", "ticket")
    annotations = alert["annotations"]
    assert annotations["summary"]
    assert annotations["description"]
    runbook = ROOT / annotations["runbook_url"]
    text = runbook.read_text()
    assert alert["alert"] in text.splitlines()[0], "the runbook's title names its alerts"
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert [part.splitlines()[0] for part in parts] == ["What it means", "How to look", "What to do"]
    assert all(len(part.split()) > 20 for part in parts)


def test_runbooks_link_to_each_other_and_none_is_forgotten() -> None:
    runbooks = ROOT / "docs" / "operations" / "runbooks"
    used = {ROOT / alert["annotations"]["runbook_url"] for alert in _alerts()}
    assert set(runbooks.glob("*.md")) == used
    for runbook in used:
        for link in re.findall(r"\]\(([^)]+)\)", runbook.read_text()):
            assert (runbook.parent / link).exists(), f"{runbook.name} links to {link}"


def test_every_metric_named_is_one_that_the_code_has() -> None:
    known = set(_metrics_in_code())
    recorded = {rule["record"] for rule in _rules() if "record" in rule}
    for query in _queries():
        named = set(re.findall(r"\b(?:heed[a-z0-9_:]+|up\b|process_[a-z_]+)", re.sub(r'"[^"]*"', "", query)))
        assert named, query
        assert named <= known | recorded | FROM_OUTSIDE, f"{named - known - recorded} in {query}"


def test_runbooks_name_metrics_that_the_code_has() -> None:
    known = {name.removesuffix("_bucket") for name in _metrics_in_code()} | set(_metrics_in_code())
    for runbook in (ROOT / "docs" / "operations" / "runbooks").glob("*.md"):
        for code in re.findall(r"`([^`]+)`", runbook.read_text()):
            assert set(re.findall(r"\bheed_[a-z_]+", code)) <= known, f"{runbook.name}: {code}"


def test_every_label_matched_is_one_that_the_metric_has() -> None:
    labels = _metrics_in_code()
    for query in _queries():
        for metric, matchers in re.findall(r"\b(heed_[a-z0-9_]+)\{([^}]*)\}", query):
            matched = set(re.findall(r"([a-z_]+)\s*[=!]~?", matchers))
            assert matched <= labels[metric] | SCRAPED_LABELS, query


def test_dashboards_hold_queries_that_prometheus_can_parse(tmp_path: Path) -> None:
    rules = [{"record": f"dashboard:{place}", "expr": query} for place, query in enumerate(_dashboard_queries())]
    assert rules
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    _promtool("check", "rules", path)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_are_complete(path: Path) -> None:
    dashboard = json.loads(path.read_text())
    assert dashboard["uid"] == path.stem
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in _panels(path):
        assert panel["title"]
        assert panel["datasource"]["uid"] == "prometheus"
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_all_services_are_scraped_at_their_ports() -> None:
    ports = {
        "lead_capture": 8001, "contact": 8002, "campaign": 8003, "sales": 8004,
        "ticketing": 8005, "analytics": 8006, "console": 8080,
    }  # fmt: skip
    for name in CONFIGS:
        (job,) = yaml.safe_load((PROMETHEUS / name).read_text())["scrape_configs"]
        found = {
            entry["labels"]["service"]: int(entry["targets"][0].rpartition(":")[2]) for entry in job["static_configs"]
        }
        assert found == ports


def test_grafana_is_provisioned_with_the_source_the_dashboards_use() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())
    assert source["datasources"][0]["uid"] == "prometheus"
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "heed.yml").read_text())
    assert provider["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
    assert len(DASHBOARDS) == 3
