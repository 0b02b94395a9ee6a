# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line. The lab itself (network, power, commands in nodes) is the C program labd; this sets it up and asks it."""
