"""A set of digests that only grows, in a third of the memory that a set of Python's takes."""

from __future__ import annotations

from mmap import mmap

FEW = 1 << 16
"""so many are kept in a set, which is quicker and still small"""
_SIZE = 16
_SEEN = (1 << 23) - 1
_BUCKET = (1 << 9) - 1
_BUCKET_BYTES = 2320 * _SIZE
"""of a million digests that are spread by chance hardly one bucket gets more"""


class DigestSet:
    """Digests of 16 bytes, as `id_digest` makes them."""

    def __init__(self) -> None:
        self._few: set[bytes] | None = set()
        self._filters: list[_Filter] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, digest: bytes) -> bool:
        """Add a digest; whether it was not there before."""
        few = self._few
        if few is None:
            return self._add(digest)
        if digest in few:
            return False
        few.add(digest)
        self._count += 1
        if self._count >= FEW:
            self._few, self._count = None, 0
            while few:
                self._add(few.pop())
        return True

    def _add(self, digest: bytes) -> bool:
        # by a hash whose seed nobody knows: who makes up the ids cannot have them meet in one place
        place = hash(digest)
        spot, bucket = place & _SEEN, place >> 32 & _BUCKET
        for each in self._filters:
            if each.seen[spot] and each.holds(digest, bucket):
                return False
        last = self._filters[-1] if self._filters else None
        if last is None or last.used[bucket] >= _BUCKET_BYTES:
            last = _Filter()
            self._filters.append(last)
        used = last.used[bucket]
        start = bucket * _BUCKET_BYTES + used
        last.seen[spot] = 1
        last.digests[start : start + _SIZE] = digest
        last.used[bucket] = used + _SIZE
        self._count += 1
        return True


class _Filter:
    """A byte for each digest tells of most others that they are not there; the rest is searched for."""

    def __init__(self) -> None:
        # mapped by themselves: the system has them back at once, whatever else is allocated meanwhile
        self.seen = mmap(-1, _SEEN + 1)
        self.digests = mmap(-1, (_BUCKET + 1) * _BUCKET_BYTES)
        self.used = [0] * (_BUCKET + 1)
        """bytes of each bucket"""

    def holds(self, digest: bytes, bucket: int) -> bool:
        """Whether it is among them."""
        start = bucket * _BUCKET_BYTES
        end = start + self.used[bucket]
        at = self.digests.find(digest, start, end)
        while at % _SIZE and at >= 0:  # the end of one and the beginning of the next
            at = self.digests.find(digest, at + 1, end)
        return at >= 0
