from importlib.metadata import version


def test_version(turnout):
    assert turnout.ok("version").startswith(f"turnout {version('turnout')} (Python 3.")
    assert turnout.json("version")["version"] == version("turnout")
