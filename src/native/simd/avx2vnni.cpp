// AVX2 with VNNI: recent processors without AVX-512. Four products of bytes are added to each 32-bit lane by
// one instruction, without saturation.
#if defined(__x86_64__)

#include "simd/avx2.h"
#include "simd/tables.h"

namespace engram::simd {
namespace {

struct Avx2Vnni : Avx2 {
  using Query = __m256i;
  static Query query(__m256i bytes) { return bytes; }
  static Sum multiply_add(__m256i code, Query query, Sum sum) {
    return _mm256_dpbusd_avx_epi32(sum, code, query);
  }
  using Avx2::multiply_add;  // of floats
};

}  // namespace

constinit const Kernels kAvx2VnniKernels = table_of<Avx2Vnni>("avx2vnni");

}  // namespace engram::simd

#endif
