from controller.journal.history import FIELDS_MAX, render
from controller.journal.records import GENESIS, chain, draft


def line(body, *, agent="code-assistant", at_s=1_700_000_000.25):
    return render(chain(GENESIS, draft(agent, "rolled-back", body, actor="controller", at_s=at_s)))


def test_one_line_says_when_what_who_and_why():
    assert line({"weight_bp": 0, "reason": "p99 too high", "a": 1}) == (
        '2023-11-14T22:13:20.250Z #1 code-assistant rolled-back by controller reason="p99 too high" weight_bp=0 a=1'
    )


def test_a_late_record_is_marked():
    assert line({"late": True}) == "2023-11-14T22:13:20.250Z (late) #1 code-assistant rolled-back by controller"


def test_what_is_about_the_controller_has_no_agent():
    assert " - rolled-back" in line({}, agent="")


def test_values_are_short_and_plain():
    text = line({"reason": "\x1b[2Jgone\nnext", "nested": {"b": [1, None], "a": "é"}, "long": "x" * 500, "empty": ""})
    assert text.isprintable(), "a gateway's error message could command the operator's terminal"
    assert 'nested={"a":"é","b":[1,null]}' in text
    assert 'empty=""' in text
    assert "x" * 79 + "…" in text
    assert "x" * 80 not in text


def test_hostile_keys_are_plain_too():
    assert line({"a\x1b]0;": 1}).isprintable()


def test_many_fields_are_counted():
    text = line({f"f{number:02}": number for number in range(20)})
    assert "f07=7" in text
    assert text.endswith(f"and {20 - FIELDS_MAX} more")


def test_a_time_beyond_the_calendar_is_still_a_line():
    assert line({}, at_s=1e15).startswith("1000000000000000s ")
