"""Packshot: a self-hosted pipeline that turns product image URLs into small, safe pictures."""

__version__ = "0.1.0"
