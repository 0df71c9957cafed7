"""The bundled sample, made by code of ours: a simulated market and screenshots drawn from it.

`python -m cryptopattern_tests.samples --to data/samples` writes it. Property tests of the reader use
`charts` to draw pictures whose numbers are known. Nothing of this is part of the installed package.
"""
