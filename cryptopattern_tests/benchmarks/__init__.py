"""Benchmarks: each module here runs ours and its rival on the same work in the same run.

A benchmark is a module with a function `run() -> list[Figure]`; it is found by its place in this package.
`python -m cryptopattern_tests.benchmarks [NAME...]` runs all or those named.
"""
