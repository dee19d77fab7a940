"""A set of digests that only grows, in a third of the memory that a set of Python's takes."""

from __future__ import annotations

from mmap import mmap

FEW = 1 << 16
"""so many are kept in a set, which is quicker and still small"""
_SIZE = 16
_EACH = 1 << 20
"""digests to one filter: about one of 4,000 new ones looks as if it might be there when it is full"""
_BITS = 26
_MASK = (1 << _BITS) - 1


class DigestSet:
    """Digests of 16 bytes, as `id_digest` makes them: they must be as good as random."""

    def __init__(self) -> None:
        self._few: set[bytes] | None = set()
        self._filters: list[_Filter] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, digest: bytes, number: int) -> bool:
        """Add a digest, `number` being its bytes as a big-endian one; whether it was not there before."""
        few = self._few
        if few is not None:
            if digest in few:
                return False
            few.add(digest)
        else:
            low, high = number & _MASK, number >> _BITS & _MASK
            for each in self._filters:
                if each.holds(digest, low, high):
                    return False
            self._keep(digest, low, high)
        self._count += 1
        if few is not None and self._count >= FEW:
            self._few = None
            while few:
                digest = few.pop()
                number = int.from_bytes(digest)
                self._keep(digest, number & _MASK, number >> _BITS & _MASK)
        return True

    def _keep(self, digest: bytes, low: int, high: int) -> None:
        if not self._filters or self._filters[-1].is_full:
            self._filters.append(_Filter())
        self._filters[-1].add(digest, low, high)


class _Filter:
    """Two bits for each digest tell of most others that they are not there; only the rest is searched for."""

    def __init__(self) -> None:
        # mapped by themselves: the system has them back at once, whatever else is allocated meanwhile
        self._bits = mmap(-1, 1 << (_BITS - 3))
        self._digests = mmap(-1, _EACH * _SIZE)
        self._end = 0

    @property
    def is_full(self) -> bool:
        """Whether the next one belongs into another filter."""
        return self._end >= _EACH * _SIZE

    def holds(self, digest: bytes, low: int, high: int) -> bool:
        bits = self._bits
        if not bits[low >> 3] >> (low & 7) & 1 or not bits[high >> 3] >> (high & 7) & 1:
            return False
        at = self._digests.find(digest, 0, self._end)
        while at % _SIZE and at >= 0:  # the end of one and the beginning of the next
            at = self._digests.find(digest, at + 1, self._end)
        return at >= 0

    def add(self, digest: bytes, low: int, high: int) -> None:
        bits = self._bits
        bits[low >> 3] |= 1 << (low & 7)
        bits[high >> 3] |= 1 << (high & 7)
        self._digests[self._end : self._end + _SIZE] = digest
        self._end += _SIZE
