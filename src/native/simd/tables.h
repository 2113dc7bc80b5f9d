// The tables that table.cpp chooses from: one source file each, compiled for its instruction set.
//
// Invariant: those files keep all they define but the table in anonymous namespaces and call no inline
// function of the standard library: the linker keeps one copy of such a function, and it might be the one
// with instructions this processor lacks. (.ci/run looks into the object files.)
#pragma once

#include "simd/kernels.h"

namespace engram::simd {

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx2VnniKernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx512VnniKernels;
#elif defined(__aarch64__)
extern const Kernels kNeonKernels;
extern const Kernels kNeonDotKernels;
#endif

// The table of that name, or the fastest when nothing is asked for (null or empty); InvalidInput as active()
// says.
const Kernels& choose(const char* asked);

}  // namespace engram::simd
