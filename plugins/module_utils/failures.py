# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classes of failure, which drive retry and escalation. Pure names, for operations, the core and everybody else."""

from __future__ import annotations

TRANSIENT = "transient"
"""Unreachable, timed out, 429, 5xx: worth another try by itself."""
FAILED = "failed"
"""The device, the pipeline or the record system said no: a person investigates."""
REJECTED = "rejected"
"""A person said no: never retried."""
TIMEOUT = "timeout"
"""It took longer than the step allows."""
CANCELLED = "cancelled"
"""Stopped because somebody cancelled the run or a sibling failed fast."""
UNKNOWN = "unknown"
"""Nobody can tell whether it happened: a person is asked, nothing is run again blindly."""
FAILURE_CLASSES = (TRANSIENT, FAILED, REJECTED, TIMEOUT, CANCELLED, UNKNOWN)
