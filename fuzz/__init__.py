"""Mutated pictures against real decoder children: `make fuzz`."""
