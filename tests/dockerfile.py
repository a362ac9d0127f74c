"""
Reads a Dockerfile, as far as ours goes: stages, steps, and what the last stage says about running it.

An instruction that we do not use is an error here, because nobody would have looked at what it does.
"""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

DOING: Final = {"RUN", "COPY", "ENV", "WORKDIR"}
SAYING: Final = {
    "CMD",
    "ENTRYPOINT",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
}


@dataclass(frozen=True)
class Step:
    """An instruction, and what follows it on its line."""

    instruction: str
    text: str

    @property
    def words(self) -> list[str]:
        """What the text says: a JSON array, or words as the shell takes them."""
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


@dataclass
class Stage:
    """What is built on one base image."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def all(self, instruction: str) -> list[Step]:
        """The steps with this instruction."""
        return [step for step in self.steps if step.instruction == instruction]

    def says(self, instruction: str) -> list[str]:
        """The words of the one step with this instruction."""
        (step,) = self.all(instruction)
        return step.words

    @property
    def environment(self) -> dict[str, str]:
        """All that ENV sets."""
        return dict(word.split("=", 1) for step in self.all("ENV") for word in step.words)

    @property
    def health_check(self) -> list[str]:
        """The command that tells whether a container is well."""
        (step,) = self.all("HEALTHCHECK")
        command: list[str] = json.loads(step.text.partition("CMD ")[2])
        return command


def read_dockerfile(path: Path) -> list[Stage]:
    """Read the stages, in order."""
    stages: list[Stage] = []
    for instruction, _, text in (line.partition(" ") for line in _lines(path.read_text())):
        if instruction == "FROM":
            base, _, name = text.partition(" AS ")
            stages.append(Stage(base, name or "image"))
        else:
            assert instruction in DOING | SAYING, instruction
            stages[-1].steps.append(Step(instruction, text.strip()))
    return stages


def sources(copy: Step) -> tuple[str, Sequence[str], str]:
    """What a COPY takes: the stage it comes from (empty for our folder), the paths, and where they go."""
    flags = [word for word in copy.words if word.startswith("--")]
    *paths, target = [word for word in copy.words if word not in flags]
    return "".join(flags).removeprefix("--from="), paths, target


def _lines(text: str) -> Iterator[str]:
    """Join what a backslash continues; leave out comments and empty lines."""
    kept = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in "\n".join(kept).replace("\\\n", " ").splitlines():
        yield " ".join(line.split()) if not line.startswith("RUN") else line
