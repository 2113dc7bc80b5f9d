#include <cstdlib>
#include <string>

#include "base/error.h"
#include "simd/tables.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace engram::simd {
namespace {

#if defined(__x86_64__)
// What not every compiler's __builtin_cpu_supports() knows by name. Asked only where AVX2 is there, and with
// it the system's part.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1u << 4) != 0;
}
#elif defined(__aarch64__) && defined(__linux__)
bool has_dot_product() {
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}
#elif defined(__aarch64__)
bool has_dot_product() {
  return true;
}  // every Apple processor that runs macOS
#endif

// The tables this processor (and its operating system, which must save the wider registers) runs, slowest
// first. An array, because it needs no destructor that threads still running at exit could trip over.
struct Tables {
  const Kernels* list[5] = {&kScalarKernels};
  std::size_t count = 1;
  void add(const Kernels& kernels) { list[count++] = &kernels; }
};

#if defined(__x86_64__)
Tables detect() {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  Tables tables;
  if (avx2) tables.add(kAvx2Kernels);
  if (avx2 && has_avx_vnni()) tables.add(kAvx2VnniKernels);
  if (avx512) tables.add(kAvx512Kernels);
  if (avx512 && __builtin_cpu_supports("avx512vnni")) tables.add(kAvx512VnniKernels);
  return tables;
}
#elif defined(__aarch64__)
Tables detect() {
  Tables tables;
  tables.add(kNeonKernels);
  if (has_dot_product()) tables.add(kNeonDotKernels);
  return tables;
}
#else
Tables detect() {
  return {};
}
#endif

std::string names(std::span<const Kernels* const> tables) {
  std::string list;
  for (const Kernels* table : tables) {
    if (!list.empty()) list += ", ";
    list += table->name;
  }
  return list;
}

}  // namespace

const Kernels& choose(const char* asked) {
  if (asked == nullptr || *asked == '\0') return *available().back();
  for (const Kernels* table : available()) {
    if (table->name == asked) return *table;
  }
  throw InvalidInput("ENGRAM_ISA is \"" + std::string(asked) + "\"; this processor runs " +
                     names(available()) + ": set it to one of these, or unset it");
}

const Kernels& active() {
  static const Kernels& chosen = choose(std::getenv("ENGRAM_ISA"));
  return chosen;
}

std::span<const Kernels* const> available() {
  static const Tables tables = detect();
  return {tables.list, tables.count};
}

}  // namespace engram::simd
