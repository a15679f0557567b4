"""The chart as a part of somebody else's."""

import pytest
import yaml

from conftest import CHART, Refused


@pytest.fixture
def parent(tmp_path):
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [
        {"name": "defender-tenant-operator", "version": "*", "condition": "defender-tenant-operator.enabled"}]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "defender-tenant-operator").symlink_to(CHART)
    return tmp_path


def test_it_takes_its_values_and_the_globals(render, parent):
    values = {"global": {"imageRegistry": "registry.example", "theirs": {"anything": True}},
              "defender-tenant-operator": {"enabled": True, "replicas": 3}}
    objects = render(values, chart=parent, release="soc")
    assert objects.one("Deployment")["spec"]["replicas"] == 3
    assert objects.container()["image"] == "registry.example/defender-tenant-operator:0.1.0"
    assert objects.one("Deployment")["metadata"]["name"] == "soc-defender-tenant-operator"


def test_it_can_be_left_out(render, parent):
    assert render({"defender-tenant-operator": {"enabled": False}}, chart=parent) == []


def test_its_schema_holds_there_too(render, parent):
    with pytest.raises(Refused) as refused:
        render({"defender-tenant-operator": {"replica": 3}}, chart=parent)
    assert "additional properties 'replica' not allowed" in str(refused.value)


def test_the_trial_works_there(render, parent):
    objects = render({"defender-tenant-operator": {"emulator": {"enabled": True}}}, chart=parent)
    assert len(objects.of("Secret")) == 2
