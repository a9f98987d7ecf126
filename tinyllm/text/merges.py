"""Byte pair encoding on integers: learn merges from words, apply merges to words.

A word is a sequence of ids.  Learning repeats (Gage 1994, Sennrich et al. 2016):

    (x, y)  = the pair of neighbours that occurs most often, counted over all words
    z       = a new id;  every x y becomes z, from left to right

Ties go to the smaller x, then to the smaller y.  A pair that occurs once is no pattern: learning ends there.
What stands between two borders of tokens was merged by itself, whatever surrounds it; so the same bytes are
never reached in two ways, every merge makes a new token and no pair comes back.

Applying looks at one word alone: of all its neighbours that were ever merged, the pair that was learned
first is merged, at its leftmost place, until none is left.

What makes learning fast: a word is stored once with its count; the counts of pairs are kept from merge to
merge, since a merge changes them only beside the places where it happens,

    a x y b  ->  a z b:     (a, x) (x, y) (y, b)  one less,   (a, z) (z, b)  one more

and the most frequent pair comes from a heap whose entries are checked against the counts when they are taken.

Arrays: tokens int32, all words one after the other; starts int64 (words + 1,): word w is
tokens[starts[w]:starts[w + 1]].  A pair in an array is one int64: x * 2^32 + y.
"""
import heapq

import numpy as np

from tinyllm.kernels.jit import jit

NO_PAIR = np.int64(2**31 - 1)  # a rank above every other


@jit
def merge_pair(tokens, starts, lengths, words, x, y, z, pairs, places, signs):
    """Replace x y by z in the given words, in place; returns how many changes of counts were written.

    lengths  int64 (all words,), shrinks as tokens are merged
    words    int64, the words to walk; a word without the pair stays as it is
    pairs, places, signs  for each change: the pair, the word where it happens, +1 or -1; at most 5 for a
    merge
    """
    n = 0
    for word in words:
        start, end = starts[word], starts[word] + lengths[word]
        i, o = start, start  # read at i, write at o
        while i < end:
            if i + 1 < end and tokens[i] == x and tokens[i + 1] == y:
                pairs[n], signs[n], places[n] = (x << 32) + y, -1, word
                n += 1
                if o > start:
                    left = np.int64(tokens[o - 1])
                    pairs[n], signs[n], places[n] = (left << 32) + x, -1, word
                    pairs[n + 1], signs[n + 1], places[n + 1] = (left << 32) + z, 1, word
                    n += 2
                if i + 2 < end:
                    right = np.int64(tokens[i + 2])
                    pairs[n], signs[n], places[n] = (y << 32) + right, -1, word
                    pairs[n + 1], signs[n + 1], places[n + 1] = (z << 32) + right, 1, word
                    n += 2
                tokens[o] = z
                i += 2
            else:
                tokens[o] = tokens[i]
                i += 1
            o += 1
        lengths[word] = o - start
    return n


@jit
def rank_of(pair, pairs, ranks):
    """The rank of a pair in the sorted pairs, by halving; NO_PAIR for one that was never merged."""
    low, high = 0, len(pairs)
    while low < high:
        middle = (low + high) // 2
        if pairs[middle] < pair:
            low = middle + 1
        else:
            high = middle
    if low < len(pairs) and pairs[low] == pair:
        return ranks[low]
    return NO_PAIR


@jit
def apply_merges(tokens, starts, pairs, ranks, merged):
    """Merge every word in place; returns ends (words,): the ids of word w are tokens[starts[w]:ends[w]].

    pairs   int64 sorted, with ranks int64: merge number ranks[i] is of pairs[i]
    merged  int32, merged[r] is the id that merge number r makes
    """
    ends = np.empty(len(starts) - 1, np.int64)
    longest = 0
    for word in range(len(ends)):
        longest = max(longest, starts[word + 1] - starts[word])
    before = np.empty(longest + 1, np.int64)  # neighbours in the word, as tokens vanish
    after = np.empty(longest + 1, np.int64)
    rank = np.empty(longest + 1, np.int64)    # of the pair that starts here
    for word in range(len(ends)):
        ids = tokens[starts[word]:starts[word + 1]]
        length = len(ids)
        heap = [NO_PAIR << 32]  # entries: rank * 2^32 + place; this one is never taken
        for i in range(length):
            before[i], after[i], rank[i] = i - 1, i + 1, NO_PAIR
            if i + 1 < length:
                rank[i] = rank_of((np.int64(ids[i]) << 32) + ids[i + 1], pairs, ranks)
                if rank[i] < NO_PAIR:
                    heapq.heappush(heap, (rank[i] << 32) + i)
        while heap[0] >> 32 < NO_PAIR:
            top = heapq.heappop(heap)
            i = top & 0xFFFFFFFF
            if rank[i] != top >> 32:  # one of the two is gone since
                continue
            ids[i] = merged[rank[i]]
            gone = after[i]
            rank[gone] = NO_PAIR
            after[i] = after[gone]
            if after[i] < length:
                before[after[i]] = i
            for left in (before[i], i):
                if left < 0:
                    continue
                rank[left] = NO_PAIR
                if after[left] < length:
                    rank[left] = rank_of((np.int64(ids[left]) << 32) + ids[after[left]], pairs, ranks)
                    if rank[left] < NO_PAIR:
                        heapq.heappush(heap, (rank[left] << 32) + left)
        i, o = 0, 0
        while i < length:
            ids[o] = ids[i]
            i, o = after[i], o + 1
        ends[word] = starts[word] + o
    return ends


def _grouped(pairs, words, changes):
    """For each distinct pair: the pair, the sum of its changes, the words where they happen."""
    order = np.argsort(pairs, kind="stable")
    pairs, words, changes = pairs[order], words[order], changes[order]
    firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
    if not len(firsts):
        return
    ends = [*firsts[1:].tolist(), len(pairs)]
    sums = np.add.reduceat(changes, firsts)
    for pair, change, first, end in zip(pairs[firsts].tolist(), sums.tolist(), firsts.tolist(), ends):
        yield pair, change, words[first:end]


def _neighbours(tokens, starts):
    """Every pair of neighbours in a word and, for each, its word: two int64 arrays."""
    word_of = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    inside = word_of[:-1] == word_of[1:]
    pairs = (tokens[:-1].astype(np.int64) << 32) + tokens[1:]
    return pairs[inside], word_of[:-1][inside]


def learn_merges(tokens, starts, counts, strings, limit):
    """The merges learned from words, [(x, y, z), ...], in order; strings grows by what each z stands for.

    tokens, starts  the words, each once; tokens is written over
    counts          int64 (words,), how often each word occurs
    strings         list of bytes: what each id stands for; ids are its indices
    limit           stop when strings has this many entries
    """
    lengths = np.diff(starts)
    pairs, words = _neighbours(tokens, starts)
    count, where = {}, {}  # of each pair: how often it occurs, arrays of the words where it may be
    for pair, total, found in _grouped(pairs, words, counts[words]):
        count[pair], where[pair] = total, [found]
    heap = [(-total, pair) for pair, total in count.items()]
    heapq.heapify(heap)
    merges = []
    while heap and len(strings) < limit:
        total, pair = -heap[0][0], heapq.heappop(heap)[1]
        if total != count[pair]:  # it lost some since: back into the heap with what is left
            if count[pair] > 0:
                heapq.heappush(heap, (-count[pair], pair))
            continue
        if total < 2:
            break
        x, y, z = pair >> 32, pair & 0xFFFFFFFF, len(strings)
        strings.append(strings[x] + strings[y])
        merges.append((x, y, z))
        words = np.unique(np.concatenate(where.pop(pair)))
        room = 5 * int(lengths[words].sum() // 2)
        pairs, places, signs = (np.empty(room, np.int64) for _ in range(3))
        n = merge_pair(tokens, starts, lengths, words, x, y, z, pairs, places, signs)
        for pair, change, found in _grouped(pairs[:n], places[:n], signs[:n] * counts[places[:n]]):
            count[pair] = count.get(pair, 0) + change
            if change > 0:
                where.setdefault(pair, []).append(found)
                heapq.heappush(heap, (-count[pair], pair))
    return merges
