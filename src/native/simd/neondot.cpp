// NEON with the dot product instructions (FEAT_DotProd, optional from ARMv8.2): sixteen products of bytes
// added to four lanes at once.
#if defined(__aarch64__)

#include "simd/neon.h"
#include "simd/tables.h"

namespace engram::simd {
namespace {

struct NeonDot : Neon {
  using Sum = int32x4_t;
  struct Query {
    int8x16_t values;
    int32x4_t correction;  // 128 times the sum of the values
  };
  using Neon::multiply_add;  // of floats
  using Neon::total;

  static Sum no_sum() { return vdupq_n_s32(0); }
  static Query query(uint8x16_t bytes) {
    const int8x16_t values = vreinterpretq_s8_u8(bytes);
    return {values, vshlq_n_s32(vdotq_s32(no_sum(), values, vdupq_n_s8(1)), 7)};
  }
  // There is an instruction for signed by signed alone, so 128 is taken off the code (by flipping its highest
  // bit) and added again.
  static Sum multiply_add(uint8x16_t code, const Query& query, Sum sum) {
    const int8x16_t shifted = vreinterpretq_s8_u8(veorq_u8(code, vdupq_n_u8(0x80)));
    return vaddq_s32(vdotq_s32(sum, shifted, query.values), query.correction);
  }
  static Sum add_squared_differences(uint8x16_t a, uint8x16_t b, Sum sum) {
    const uint8x16_t apart = vabdq_u8(a, b);
    return vreinterpretq_s32_u32(vdotq_u32(vreinterpretq_u32_s32(sum), apart, apart));
  }
  static std::int32_t total(Sum sum) { return vaddvq_s32(sum); }
  static void finish(const CodeQuery& query, const std::byte* const (&codes)[4], const Sum (&sums)[4],
                     float* out) {
    finish_four(query, codes, vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3])), out);
  }
};

}  // namespace

constinit const Kernels kNeonDotKernels = table_of<NeonDot>("neondot");

}  // namespace engram::simd

#endif
