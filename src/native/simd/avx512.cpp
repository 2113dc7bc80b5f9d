// AVX-512 without VNNI: Skylake-X and what has no more than it.
#if defined(__x86_64__)

#include "simd/avx512.h"

#include "simd/tables.h"

namespace engram::simd {

constinit const Kernels kAvx512Kernels = table_of<Avx512>("avx512");

}  // namespace engram::simd

#endif
