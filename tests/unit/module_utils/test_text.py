"""Text from outside, as a terminal is shown it."""

from __future__ import annotations

from ansible_collections.netops.changerail.plugins.module_utils.text import harmless


def test_text_for_a_terminal_keeps_its_letters_and_loses_its_power() -> None:
    assert harmless("Jürgen's diff\n\t+ 10.0.0.0/8 ✓") == "Jürgen's diff\n\t+ 10.0.0.0/8 ✓"
    assert harmless("\x1b[2Jgone\r\x07") == "\\x1b[2Jgone\\r\\x07"
    assert harmless("\x9b2J") == "\\x9b2J"
    assert harmless("permit\u202etimed") == "permit\\u202etimed"
    assert harmless("a\u2028b\u200bc") == "a\\u2028b\\u200bc"
    assert harmless("\udc80") == "\\udc80"
