import pytest

from controller.settings.agent import AgentSettings, AgentSpec, VersionSpec
from controller.settings.shape import fields, shape_within, yaml_name


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("hold_s", "hold"),
        ("weight_bp", "weight"),
        ("max_ratio", "max"),
        ("no_data_deadline_s", "noDataDeadline"),
        ("hosts", "hosts"),
    ],
)
def test_units_are_said_by_the_value_in_yaml_and_by_the_name_in_code(field, name):
    assert yaml_name(field) == name


def test_the_fields_of_a_shape_lead_to_the_shapes_within():
    assert shape_within(fields(AgentSettings)["spec"]) is AgentSpec
    assert shape_within(fields(AgentSpec)["candidate"]) is VersionSpec
    assert shape_within(fields(AgentSpec)["gateways"]) is None
