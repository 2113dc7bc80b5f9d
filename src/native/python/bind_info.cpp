#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "python/bindings.h"
#include "simd/kernels.h"

namespace py = pybind11;

namespace engram::python {
namespace {

std::string compiler() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#else
  return "unknown";
#endif
}

// What everything but the kernels was compiled for, by what the compiler says rather than what it was told.
std::string baseline() {
#if defined(__x86_64__) && defined(__AVX2__)
  return "x86-64-v3";
#elif defined(__x86_64__) && defined(__SSE4_2__) && defined(__POPCNT__)
  return "x86-64-v2";
#elif defined(__x86_64__)
  return "x86-64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "unknown";
#endif
}

py::dict build_info() {
  std::vector<std::string> available;
  for (const simd::Kernels* kernels : simd::available()) available.emplace_back(kernels->name);
  py::dict info;
  info["version"] = ENGRAM_VERSION;
  info["compiler"] = compiler();
  info["cxx"] = "C++" + std::to_string(__cplusplus / 100 % 100);
  info["baseline"] = baseline();
  info["isa"] = std::string(simd::active().name);
  info["isa_available"] = available;
  return info;
}

}  // namespace

void bind_info(py::module_& module) {
  module.def("build_info", &build_info,
             "What this copy of Engram was built with, and which kernels this processor runs.");
}

}  // namespace engram::python
