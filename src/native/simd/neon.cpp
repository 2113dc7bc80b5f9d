// NEON as every 64-bit ARM processor has it.
#if defined(__aarch64__)

#include "simd/neon.h"

#include "simd/tables.h"

namespace engram::simd {

constinit const Kernels kNeonKernels = table_of<Neon>("neon");

}  // namespace engram::simd

#endif
