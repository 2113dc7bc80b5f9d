# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# distutils: language=c++
"""The timed loops: no Python inside them, each over the C++ headers themselves.

Every function returns seconds for all its calls; `sink` keeps the compiler from dropping work nobody reads.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.string_view cimport string_view

cdef extern from "simd/kernels.h" namespace "engram::simd" nogil:
    cdef cppclass byte "std::byte":
        pass
    cdef struct CodeQuery:
        const int8_t* values
        float bias
        float norm2_weight
        float product_weight
        float offset_weight
        float sum_weight
    cdef cppclass Kernels:
        string_view name
        float (*l2)(const float*, const float*, size_t)
        float (*dot)(const float*, const float*, size_t)
        float (*cosine)(const float*, const float*, size_t)
        int32_t (*dot_u8s8)(const uint8_t*, const int8_t*, size_t)
        uint32_t (*l2_u8)(const uint8_t*, const uint8_t*, size_t)
        void (*score_codes)(const CodeQuery&, const byte* const*, size_t, size_t, float*)

cdef extern from "shim.h" namespace "engram::bench" nogil:
    double now()
    size_t kernel_count()
    const Kernels* kernels(size_t)
    uint32_t crc(const unsigned char*, size_t)
    void prefetch(const unsigned char*, size_t)
    uint64_t read_all(const uint64_t*, size_t)
    cdef cppclass RingUser:
        RingUser() except +
        void append(const unsigned char*, uint32_t)
        void drain()
        uint64_t taken()
    cdef cppclass LogUser:
        LogUser(const string&, int) except +
        void append(const unsigned char*, size_t) except +
    cdef cppclass PageReader:
        PageReader(const string&) except +
        size_t read(uint64_t) except +

ctypedef float (*FloatKernel)(const float*, const float*, size_t) noexcept nogil

DEF BLOCK = 32

cdef double sink = 0.0


def instruction_sets():
    """Names of the tables this processor runs, scalar first."""
    return [kernels(at).name.data()[:kernels(at).name.size()].decode() for at in range(kernel_count())]


def float_distances(size_t table, str kind, float[:, ::1] vectors, float[::1] query, int64_t[::1] order, bint ahead):
    """Distances of ``query`` to the vectors in ``order``; ``ahead``: each block of 32 is prefetched before the last
    one is scored, as a walk does."""
    global sink
    cdef const Kernels* chosen = kernels(table)
    cdef FloatKernel kernel
    if kind == "l2":
        kernel = <FloatKernel>chosen.l2
    elif kind == "dot":
        kernel = <FloatKernel>chosen.dot
    else:
        kernel = <FloatKernel>chosen.cosine
    cdef size_t count = order.shape[0], dim = query.shape[0], at, next_at
    cdef double begin, end
    cdef float total = 0
    with nogil:
        begin = now()
        for at in range(count):
            if ahead and at % BLOCK == 0 and at + 2 * BLOCK <= count:
                for next_at in range(at + BLOCK, at + 2 * BLOCK):
                    prefetch(<const unsigned char*>&vectors[order[next_at], 0], dim * 4)
            total += kernel(&query[0], &vectors[order[at], 0], dim)
        end = now()
    sink += total
    return end - begin


def byte_distances(size_t table, str kind, uint8_t[:, ::1] vectors, uint8_t[::1] query, int64_t[::1] order):
    """Exact integer products ("dot_u8s8") or squared distances ("l2_u8") of bytes."""
    global sink
    cdef const Kernels* chosen = kernels(table)
    cdef bint product = kind == "dot_u8s8"
    cdef size_t count = order.shape[0], dim = query.shape[0], at
    cdef double begin, end
    cdef int64_t total = 0
    with nogil:
        begin = now()
        for at in range(count):
            if product:
                total += chosen.dot_u8s8(&vectors[order[at], 0], <const int8_t*>&query[0], dim)
            else:
                total += chosen.l2_u8(&vectors[order[at], 0], &query[0], dim)
        end = now()
    sink += total
    return end - begin


def code_distances(size_t table, uint8_t[:, ::1] codes, int8_t[::1] query, int64_t[::1] order, bint ahead):
    """Distances of a prepared query to codes (16 bytes of header, then one byte a dimension), 32 at a time."""
    global sink
    cdef const Kernels* chosen = kernels(table)
    cdef size_t count = order.shape[0] // BLOCK * BLOCK, dim = query.shape[0], at, one
    cdef const byte* block[BLOCK]
    cdef float out[BLOCK]
    cdef CodeQuery prepared
    cdef double begin, end
    cdef float total = 0
    prepared.values = &query[0]
    prepared.bias = 1.0
    prepared.norm2_weight = 1.0
    prepared.product_weight = -2.0
    prepared.offset_weight = 0.5
    prepared.sum_weight = 0.25
    with nogil:
        begin = now()
        for at in range(0, count, BLOCK):
            if ahead and at + 2 * BLOCK <= count:
                for one in range(BLOCK):
                    prefetch(&codes[order[at + BLOCK + one], 0], dim + 16)
            for one in range(BLOCK):
                block[one] = <const byte*>&codes[order[at + one], 0]
            chosen.score_codes(prepared, block, BLOCK, dim, out)
            total += out[0] + out[BLOCK - 1]
        end = now()
    sink += total
    return (end - begin) * order.shape[0] / max(count, 1)


def bandwidth(uint64_t[::1] words):
    """Reading all of a large array once, in order."""
    global sink
    cdef double begin, end
    cdef uint64_t total
    with nogil:
        begin = now()
        total = read_all(&words[0], words.shape[0])
        end = now()
    sink += total % 3
    return end - begin


def checksums(const unsigned char[::1] content, size_t times):
    """CRC-32C of the same bytes, over and over."""
    global sink
    cdef double begin, end
    cdef uint32_t total = 0
    cdef size_t at
    with nogil:
        begin = now()
        for at in range(times):
            total ^= crc(&content[0], content.shape[0])
        end = now()
    sink += total
    return end - begin


def ring_appends(const unsigned char[::1] payload, size_t times):
    """Reserve, copy and publish by one thread, which takes and releases every 64 records."""
    global sink
    cdef RingUser* ring = new RingUser()
    cdef double begin, end
    cdef size_t at
    try:
        with nogil:
            begin = now()
            for at in range(times):
                ring.append(&payload[0], <uint32_t>payload.shape[0])
            ring.drain()
            end = now()
        sink += ring.taken() % 3
    finally:
        del ring
    return end - begin


def log_appends(str folder, bint synced, const unsigned char[::1] payload, size_t times):
    """Appends by one thread: ring, write(2) and, when ``synced``, fdatasync(2)."""
    cdef LogUser* log = new LogUser(folder.encode(), 0 if synced else 1)
    cdef double begin, end
    cdef size_t at
    try:
        begin = now()
        for at in range(times):
            log.append(&payload[0], payload.shape[0])
        end = now()
    finally:
        del log
    return end - begin


def page_reads(str path, const int64_t[::1] pages):
    """One 4 KiB page after the other through the file layer."""
    global sink
    cdef PageReader* reader = new PageReader(path.encode())
    cdef double begin, end
    cdef size_t at, total = 0
    try:
        begin = now()
        for at in range(<size_t>pages.shape[0]):
            total += reader.read(pages[at])
        end = now()
    finally:
        del reader
    sink += total % 3
    return end - begin
