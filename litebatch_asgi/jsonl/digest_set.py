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
            self._count += 1
            if self._count >= FEW:
                self._few = None
                while few:
                    kept = few.pop()
                    self._add(kept, int.from_bytes(kept))
            return True
        is_new = self._add(digest, number)
        self._count += is_new
        return is_new

    def _add(self, digest: bytes, number: int) -> bool:
        low, high = number & _MASK, number >> _BITS & _MASK
        low_byte, low_bit, high_byte, high_bit = low >> 3, 1 << (low & 7), high >> 3, 1 << (high & 7)
        for each in self._filters:
            bits = each.bits
            if bits[low_byte] & low_bit and bits[high_byte] & high_bit and each.holds(digest):
                return False
        last = self._filters[-1] if self._filters else None
        if last is None or last.end >= _EACH * _SIZE:
            last = _Filter()
            self._filters.append(last)
        bits, end = last.bits, last.end
        bits[low_byte] |= low_bit
        bits[high_byte] |= high_bit
        last.digests[end : end + _SIZE] = digest
        last.end = end + _SIZE
        return True


class _Filter:
    """Two bits for each digest tell of most others that they are not there; only the rest is searched for."""

    def __init__(self) -> None:
        # mapped by themselves: the system has them back at once, whatever else is allocated meanwhile
        self.bits = mmap(-1, 1 << (_BITS - 3))
        self.digests = mmap(-1, _EACH * _SIZE)
        self.end = 0
        """bytes of the digests that are there"""

    def holds(self, digest: bytes) -> bool:
        """Whether it is among them."""
        at = self.digests.find(digest, 0, self.end)
        while at % _SIZE and at >= 0:  # the end of one and the beginning of the next
            at = self.digests.find(digest, at + 1, self.end)
        return at >= 0
