"""
Is Packshot as fast and as small as it claims to be? One file per question.

    make bench                                    all of them, in about ten minutes
    python -m benchmarks throughput claims        some of them
    PICTURES=folder python -m benchmarks latency  with your own JPEG and PNG files instead of drawn ones
    python -m benchmarks --markdown               as `docs/performance.md` shows it

Absolute speeds say more about the machine than about us, so wherever there is something to compare with,
the figure is a ratio, and both sides are measured in turn in one run: A B A B. Everything is real (a
process of `packshot serve`, PostgreSQL, HTTP, files) and private (free ports, a folder that is removed).

The machine must have nothing else to do. Beside other work the ratios are wrong, not only noisy: Linux
shares the cores between sessions, and the whole system has more of them than what it is compared with.
"""
