# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong for the user: one line and an exit status (1 failed, 2 usage, 3 no such thing)."""

FAILED, USAGE, NOT_FOUND = 1, 2, 3
NODE_GONE = 255     # of `lab exec`: not the command's status


class LabError(Exception):
    def __init__(self, message, status=FAILED):
        super().__init__(message)
        self.status = status
