import pytest

from adapters.traefik import gateway


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Real time only bounds what hangs: see ``staging.LOOKS``."""
    monkeypatch.setattr(gateway, "GRACE_S", 30.0)
    monkeypatch.setattr(gateway, "PAGE_AGE_S_MAX", -1.0)
