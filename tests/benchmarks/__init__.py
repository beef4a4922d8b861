"""Benchmarks: `./run bench NAME [--json]`. Each prints CPU per message beside its rate, since machines are noisy.

A benchmark runs the real processes of a local stack; what it measures is in its docstring.
"""
