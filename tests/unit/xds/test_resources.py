import xds.resources


def test_all_that_an_adapter_needs_comes_from_one_place():
    assert sorted(xds.resources.__all__) == xds.resources.__all__
    assert all(hasattr(xds.resources, name) for name in xds.resources.__all__)
