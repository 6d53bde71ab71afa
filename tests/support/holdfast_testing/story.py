"""The transcript of an attack, in plain words: who did what, what came of it, and the same on a program with a static key."""

import textwrap

WIDTH = 110


def tell(who, text):
    print(textwrap.fill(text, WIDTH, initial_indent=f"  {who:<9} ", subsequent_indent=" " * 12, break_on_hyphens=False, break_long_words=False))


def attack(text):
    tell("attacker", text)


def outcome(text):
    tell("outcome", text)


def control(text):
    """Of the program that holds a static key."""
    tell("control", text)


def note(text):
    tell("note", text)
