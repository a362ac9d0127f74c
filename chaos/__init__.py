"""
The proof that nothing is lost: real processes and servers, broken one after the other while products come in.

    make chaos                       # everything, about 40 minutes
    make chaos ARGS=--short          # a few faults of each kind, about three minutes

`faults` says what is broken and how often, `books` what must be true afterwards; docs/reliability.md has
the figures. Nothing of it is in the program: workers that die at a chosen step are made by `worker`.
"""
