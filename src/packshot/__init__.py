"""Packshot: a self-hosted pipeline that turns product image URLs into small, safe pictures."""

__version__ = "0.2.0.dev0"
