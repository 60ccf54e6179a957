from controller.settings.problem import Problem, RefusedError, SettingsError, field_name, shown


def test_a_problem_reads_like_a_compilers():
    assert str(Problem("a.yaml", 12, "spec.x", "is missing.", "Add it.")) == "a.yaml:12: spec.x: is missing. Add it."
    assert str(Problem("a.yaml", 0, "", "It is empty.", "")) == "a.yaml: It is empty."


def test_a_thousand_problems_are_counted_and_a_hundred_are_shown():
    error = SettingsError(Problem("a.yaml", line, "", "No.", "") for line in range(1000, 0, -1))
    lines = str(error).splitlines()
    assert (len(error.problems), len(lines)) == (1000, 101)
    assert (lines[0], lines[-1]) == ("a.yaml:1: No.", "... and 900 more.")


def test_a_field_is_named_as_it_is_found():
    assert field_name(("spec", "steps", 1, "weight")) == "spec.steps[1].weight"
    assert field_name(()) == ""


def test_a_shown_value_is_one_short_line():
    assert shown("a\nb") == "'a?b'"
    assert len(shown("x" * 1000)) < 70


def test_a_refusal_is_an_error_of_ours_and_a_value_error():
    error = RefusedError("x", "is not y", "Write y.")
    assert isinstance(error, ValueError)
    assert (str(error), error.code, error.http_status) == ("'x' is not y. Write y.", "invalid", 422)
