// AVX2 with FMA and F16C: every x86-64-v3 processor.
#if defined(__x86_64__)

#include "simd/avx2.h"

#include "simd/tables.h"

namespace engram::simd {

constinit const Kernels kAvx2Kernels = table_of<Avx2>("avx2");

}  // namespace engram::simd

#endif
