"""Tests of the hook: the vectors of tests/hook-vectors, and one test for each requirement."""
