from portal.loghtml import LONGEST_LINE, level_of, render_entry, render_line, render_lines


def test_it_escapes_what_a_program_printed() -> None:
    assert render_line('<script>alert("1")</script>') == "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"


def test_it_turns_ansi_colours_to_classes() -> None:
    assert render_line("\x1b[31mred\x1b[0m plain") == '<span class="ansi-red">red</span> plain'


def test_it_keeps_bold_when_the_colour_changes() -> None:
    assert render_line("\x1b[1;31ma\x1b[39mb") == (
        '<span class="ansi-bold ansi-red">a</span><span class="ansi-bold">b</span>'
    )


def test_it_escapes_inside_colours() -> None:
    assert render_line("\x1b[32m<b>") == '<span class="ansi-green">&lt;b&gt;</span>'


def test_it_drops_other_escapes_and_control_characters() -> None:
    assert render_line("\x1b]0;title\x07a\x1b[2Kb\x08\x00c\x1b") == "abc"


def test_it_shows_what_a_progress_bar_came_to() -> None:
    assert render_line("10 %\r50 %\r100 %") == "100 %"


def test_it_cuts_a_line_that_is_too_long_and_says_so() -> None:
    assert render_line("x" * (LONGEST_LINE + 5)).endswith("x … (5 more characters)")


def test_a_long_traceback_is_kept_and_an_endless_one_is_cut() -> None:
    assert render_entry("\n".join(["x" * 100] * 100)).count("x") == 10_000
    assert render_entry("\n" * 1_000).endswith("… (501 more lines)")


def test_it_knows_the_level_of_a_line_of_odoo() -> None:
    assert level_of("2026-11-21 20:56:29,859 11 WARNING db odoo.modules.loading: careful") == "warning"
    assert level_of("Step 3/7 : RUN pip install WARNING") == ""


def test_a_traceback_has_the_level_of_its_error() -> None:
    text = "2026-11-21 20:56:29,859 11 ERROR db odoo: broken\nTraceback (most recent call last):\n  File x\nKeyError\n"
    text += "Step 4/7\n"

    assert [part.split('"')[1] for part in render_lines(text).split("<span ")[1:]] == [
        "line error",
        "line error",
        "line error",
        "line error",
        "line",
    ]
