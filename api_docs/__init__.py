"""
What other tools read about the API, written from the program by `make api-docs`, and never by hand.

A test compares the files with what the program says today.
"""
