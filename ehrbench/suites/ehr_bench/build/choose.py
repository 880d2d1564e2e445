"""Which of the kept samples become the benchmark's rows (protocol page, section 6.6), decided by a seed and by nothing else.

Every sample has a number that its own identity and the seed decide; the lowest are taken. So the choice does not depend on the
order of the patients, and only as many samples are held as may be taken: by task and answer or, where rare labels come first,
by task and set of labels, within which the numbers alone decide.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, defaultdict
from math import log

from ehrbench.suites.ehr_bench.build.sample import Sample

PER_TASK = 500
RARE_FIRST = frozenset({"chartevents", "emar", "next_event"})
"""Decision tasks whose rare labels are drawn more often: weight 1 / mean frequency of a sample's labels."""
_Drawn = tuple[float, tuple[int, int, int], Sample]


class Choice:
    """Takes samples in one at a time; at the end gives those that were drawn."""

    def __init__(self, seed: int, per_task: int = PER_TASK) -> None:
        """Begin with nothing; ``per_task`` is the most rows of a task."""
        self._seed, self._most = seed, per_task
        self._heaps: dict[tuple[str, str], list[_Drawn]] = defaultdict(list)
        self._by_labels: dict[str, dict[tuple[str, ...], list[_Drawn]]] = defaultdict(lambda: defaultdict(list))
        self._frequency: dict[str, Counter[str]] = defaultdict(Counter)
        self.counts: Counter[tuple[str, str]] = Counter()
        """Samples seen, by task and answer (empty for decisions)."""

    def add(self, sample: Sample) -> None:
        """Consider a sample."""
        task, target = sample.task, sample.target
        answer = str(target) if target in ("yes", "no") else ""
        self.counts[task, answer] += 1
        if task in RARE_FIRST:
            labels = (target,) if isinstance(target, str) else target
            frequency = self._frequency[task]
            for label in labels:
                frequency[label] += 1
            heap, number = self._by_labels[task][labels], self._number(sample)
        else:
            heap, number = self._heaps[task, answer], -self._number(sample)
        if len(heap) < self._most:
            heapq.heappush(heap, (number, _identity(sample), sample))
        elif number >= heap[0][0]:
            heapq.heappushpop(heap, (number, _identity(sample), sample))

    def chosen(self) -> dict[str, list[Sample]]:
        """The drawn samples by task, ordered by patient and place.

        Risk tasks of more than ``per_task`` samples have as many yes as no, as far as they last; smaller ones are taken whole.
        """
        found = {task: self._rare_first(task) for task in self._by_labels}
        by_task: dict[str, list[list[_Drawn]]] = defaultdict(list)
        for (task, _), heap in self._heaps.items():
            by_task[task].append(heap)
        for task, heaps in by_task.items():
            total = sum(n for (name, _), n in self.counts.items() if name == task)
            each = self._most if total <= self._most or len(heaps) == 1 else self._most // len(heaps)
            found[task] = [sample for heap in heaps for _, _, sample in sorted(heap, key=lambda d: (-d[0], d[1]))[:each]]
        return {task: sorted(samples, key=_identity) for task, samples in found.items()}

    def _rare_first(self, task: str) -> list[Sample]:
        """The lowest exponential waiting times, which are a weighted draw without replacement (Efraimidis and Spirakis)."""
        frequency = self._frequency[task]
        waiting = []
        for labels, heap in self._by_labels[task].items():
            mean = sum(frequency[label] for label in labels) / len(labels)
            waiting += [(-log(number) * mean, identity, sample) for number, identity, sample in heap]
        return [sample for _, _, sample in heapq.nsmallest(self._most, waiting, key=lambda drawn: drawn[:2])]

    def _number(self, sample: Sample) -> float:
        """Above 0, at most 1; evenly spread."""
        name = f"ehr_bench {self._seed} {sample.task} {_identity(sample)}"
        return (int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") + 1) / 2**64


def _identity(sample: Sample) -> tuple[int, int, int]:
    return sample.subject, sample.begin, sample.end
