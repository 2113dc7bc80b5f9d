// AVX-512 with VNNI: four products of bytes added to each 32-bit lane by one instruction, without saturation.
#if defined(__x86_64__)

#include "simd/avx512.h"
#include "simd/tables.h"

namespace engram::simd {
namespace {

struct Avx512Vnni : Avx512 {
  using Query = __m512i;
  static Query query(__m512i bytes) { return bytes; }
  static Sum multiply_add(__m512i code, Query query, Sum sum) {
    return _mm512_dpbusd_epi32(sum, code, query);
  }
  using Avx512::multiply_add;  // of floats
};

}  // namespace

constinit const Kernels kAvx512VnniKernels = table_of<Avx512Vnni>("avx512vnni");

}  // namespace engram::simd

#endif
