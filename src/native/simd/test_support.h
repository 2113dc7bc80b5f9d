// For the tests of this room: vectors at the very end or beginning of readable memory, the dimensions to try,
// and one test instance a table.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "simd/tables.h"

namespace engram::simd::test {

// A copy of some elements that ends where memory ends (or begins where it begins): a read beyond it faults.
template <class T>
class Guarded {
 public:
  enum class Against { kBehind, kBefore };

  explicit Guarded(std::span<const T> values, Against against = Against::kBehind) : count_(values.size()) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t body = values.size_bytes() / page * page + page;  // never empty
    mapped_ = body + 2 * page;
    void* at = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::runtime_error("mmap");
    base_ = static_cast<std::byte*>(at);
    if (mprotect(base_ + page, body, PROT_READ | PROT_WRITE) != 0) throw std::runtime_error("mprotect");
    data_ =
        reinterpret_cast<T*>(base_ + page + (against == Against::kBehind ? body - values.size_bytes() : 0));
    if (!values.empty()) std::memcpy(static_cast<void*>(data_), values.data(), values.size_bytes());
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, mapped_); }

  T* data() const { return data_; }
  std::span<T> span() const { return {data_, count_}; }

 private:
  std::size_t count_;
  std::size_t mapped_;
  std::byte* base_;
  T* data_;
};

using Random = std::mt19937_64;

inline std::vector<float> random_floats(Random& random, std::size_t count, float magnitude = 1.0f) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random) * magnitude;
  return values;
}

template <class Byte>
std::vector<Byte> random_bytes(Random& random, std::size_t count) {
  std::vector<Byte> values(count);
  for (Byte& value : values) value = static_cast<Byte>(random());
  return values;
}

// Every dimension up to 300, and those around the widths of registers and of common models.
inline std::vector<std::size_t> dimensions() {
  std::vector<std::size_t> all;
  for (std::size_t dim = 1; dim <= 300; ++dim) all.push_back(dim);
  for (const std::size_t dim : {383,  384,  385,  511,  512,  513,  767,   768,   769,   960,  1000,
                                1023, 1024, 1536, 3072, 4097, 8191, 32768, 33001, 65535, 65536}) {
    all.push_back(dim);
  }
  return all;
}

// Runs a test once for each table of this processor.
class EachTable : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels() const { return *GetParam(); }
  const Kernels& scalar() const { return kScalarKernels; }
};

inline std::string table_name(const ::testing::TestParamInfo<const Kernels*>& info) {
  return std::string(info.param->name);
}

#define ENGRAM_FOR_EACH_TABLE(suite)                                                                \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, ::testing::ValuesIn(available().begin(), available().end()), \
                           table_name)

}  // namespace engram::simd::test
