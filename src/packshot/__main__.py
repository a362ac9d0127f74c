"""`python -m packshot` is the command line."""

from packshot.cli import main

main()
