# SPDX-License-Identifier: LGPL-2.1-or-later
"""Values of any D-Bus type, random and extreme, from a seed."""

from __future__ import annotations

import math
import random

from gi.repository import GLib

_INTEGERS = {"n": (16, True), "q": (16, False), "i": (32, True), "u": (32, False)}
_INTEGERS |= {"x": (64, True), "t": (64, False), "y": (8, False)}
_DOUBLES = (0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 5e-324, 1.8e308)
_KINDS = ("s", "u", "b", "y", "d", "x", "o", "g", "ay", "as", "a{sv}", "(su)", "v")
_TEXTS = (
    "",
    " ",
    "%n%s%s",
    "../../etc/passwd",
    "\n\r\t\x7f\x01",
    "\N{SNOWMAN}\N{COMBINING ACUTE ACCENT}\U0010ffff",
    "x" * 65,
    "a" * 70_000,
    "0",
    "-1",
    "NaN",
    "2024-02-30",
    "2024-02-29",
    "{sv}",
)


class Values:
    """words are texts that mean something where the values go; so are paths."""

    def __init__(self, dice: random.Random, words: list[str], paths: list[str]) -> None:
        self.dice = dice
        self.words = words
        self.paths = paths

    def args(self, signatures: list[str]) -> GLib.Variant:
        """Arguments of a call; now and then there are more, fewer, or others than there should be."""
        signatures = list(signatures)
        fate = self.dice.random()
        if fate < 0.03:
            signatures.append(self.dice.choice(_KINDS))
        elif fate < 0.06 and signatures:
            signatures.pop(self.dice.randrange(len(signatures)))
        elif fate < 0.09 and signatures:
            signatures[self.dice.randrange(len(signatures))] = self.dice.choice(_KINDS)
        return GLib.Variant.new_tuple(*(self.value(signature) for signature in signatures))

    def value(self, signature: str, depth: int = 0) -> GLib.Variant:
        kind = signature[0]
        if signature == "ay":
            sizes = (0, 1, 15, 16, 17, 64, 65, 5000, self.dice.randrange(100))
            data = GLib.Bytes.new(self.dice.randbytes(self.dice.choice(sizes)))
            return GLib.Variant.new_from_bytes(GLib.VariantType("ay"), data, True)
        if kind == "a":
            return self._array(signature, depth)
        if kind == "(":
            return GLib.Variant.new_tuple(*(self.value(s, depth + 1) for s in split(signature[1:-1])))
        if kind == "v":
            inner = self.dice.choice(_KINDS if depth < 3 else _KINDS[:8])
            return GLib.Variant.new_variant(self.value(inner, depth + 1))
        return GLib.Variant(kind, self._basic(kind))

    def _array(self, signature: str, depth: int) -> GLib.Variant:
        element = signature[1:]
        array = GLib.VariantBuilder(GLib.VariantType(signature))
        for _ in range(self.dice.choice((0, 1, 1, 2, 3, 20) if depth < 2 else (0, 1))):
            if element[0] == "{":
                key, value = split(element[1:-1])
                pair = (self.value(key, depth + 1), self.value(value, depth + 1))
                array.add_value(GLib.Variant.new_dict_entry(*pair))
            else:
                array.add_value(self.value(element, depth + 1))
        return array.end()

    def _basic(self, kind: str) -> object:
        dice = self.dice
        if kind in _INTEGERS:
            bits, signed = _INTEGERS[kind]
            low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
            small = min(high, dice.randrange(200))
            return dice.choice((low, high, 0, 1, small, dice.randint(low, high), high // 2))
        if kind == "b":
            return dice.random() < 0.5
        if kind == "d":
            return dice.choice(_DOUBLES)
        if kind == "o":
            return dice.choice(self.paths)
        if kind == "g":
            return dice.choice(("", "s", "a{sv}", "(((y)))", "v" * 255))
        if kind == "h":
            return dice.choice((0, 1, 2**31 - 1))
        assert kind == "s", f"no values of type {kind}"
        return dice.choice(self.words) if dice.random() < 0.6 else dice.choice(_TEXTS)


def split(signature: str) -> list[str]:
    """The complete types of a signature."""
    types = []
    while signature:
        end = 1
        while not GLib.VariantType.string_is_valid(signature[:end]):
            end += 1
        types.append(signature[:end])
        signature = signature[end:]
    return types
