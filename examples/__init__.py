# Makes the examples runnable as `python -m examples.demo.demo`; imports nothing and is imported for nothing.
from __future__ import annotations
