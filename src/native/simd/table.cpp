#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "simd/tables.h"

namespace engram::simd {
namespace {

// The tables this processor (and its operating system, which must save the wider registers) runs, slowest
// first.
std::vector<const Kernels*> detect() {
  std::vector<const Kernels*> tables = {&kScalarKernels};
  return tables;
}

std::string names(std::span<const Kernels* const> tables) {
  std::string list;
  for (const Kernels* table : tables) {
    if (!list.empty()) list += ", ";
    list += table->name;
  }
  return list;
}

const Kernels& choose() {
  const char* asked = std::getenv("ENGRAM_ISA");
  if (asked == nullptr || *asked == '\0') return *available().back();
  for (const Kernels* table : available()) {
    if (table->name == asked) return *table;
  }
  throw InvalidInput("ENGRAM_ISA is \"" + std::string(asked) + "\"; this processor runs " +
                     names(available()) + ": set it to one of these, or unset it");
}

}  // namespace

const Kernels& active() {
  static const Kernels& chosen = choose();
  return chosen;
}

std::span<const Kernels* const> available() {
  static const std::vector<const Kernels*> tables = detect();
  return tables;
}

}  // namespace engram::simd
