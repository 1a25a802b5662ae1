# SPDX-License-Identifier: LGPL-2.1-or-later
"""Amazfit Smart Chip 2 (Dynamic Core 2) from Python, by way of the daemon core2d.

    from amazfit import Core2

    chip = Core2.find(timeout=10)
    chip.connect()
    print(chip.steps)

The names, arguments and results are those of the older library ``amazfit``, which talked to the
Bluetooth adapter itself. Programs written for it run unchanged. What differs, and why:

* Several programs can use a chip at the same time: core2d holds the connection, restores it when it
  drops, and keeps it after the program has ended. So `Core2.find` and `Core2.find_all` also return
  chips that core2d is connected to, which do not advertise.
* `Core2.connect` has core2d remember a chip that it has not found by a scan.
* `Core2.steps` goes on above 255.
* `Core2.find` returns as soon as it has found a chip, and both searches end at their time-out.
* `Core2.key` is None before a pairing unless the constructor was given a key.
* What the chip does not tell is None, never a made-up number.
* Callbacks run in a thread of this module, one after the other; they may use the chip.
* polkit may ask the user for a password (to add a chip, to pair, to see the key).

Every failure is a RuntimeError; its subclass Core2Error has the D-Bus name of the error.
"""

from ._client import Core2Error
from ._core2 import Core2

__all__ = ["Core2", "Core2Error"]
