"""What a process shows at /metrics, as figures that a test can ask for."""

from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families


class Figures:
    """The samples of one look."""

    def __init__(self, exposition: str) -> None:
        self.samples = [
            sample for family in text_string_to_metric_families(exposition) for sample in family.samples
        ]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name with these labels; there must be one."""
        found = [one.value for one in self.samples if one.name == name and _has(one.labels, labels)]
        assert found, (name, labels)
        return sum(found)

    def labels(self, name: str) -> set[str]:
        """The names of the labels that samples of this name have."""
        return {label for one in self.samples if one.name == name for label in one.labels}

    def values(self, label: str) -> set[str]:
        """Every value that a label has, in whichever metric."""
        return {one.labels[label] for one in self.samples if label in one.labels}


def _has(labels: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return labels.items() >= wanted.items()
