// What a recall pays for what is pending: microseconds a scan, by depth of the queue, by codes and by
// vectors.
//
//   engine_bench [DIMENSION ...]
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/entry.h"
#include "engine/pending_scan.h"

namespace engram::engine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kNearest = 10;
constexpr int kCues = 41;

std::vector<float> draw(std::mt19937_64& random, std::size_t dim) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dim);
  for (float& x : vector) x = normal(random);
  return vector;
}

struct Filled {
  Filled(std::size_t dim, std::size_t depth) : coder(hnsw::Metric::kL2, dim) {
    std::mt19937_64 random(1);
    queue.use_codes(coder.code_bytes());
    for (std::size_t i = 0; i < depth; ++i) {
      const std::vector<float> vector = draw(random, dim);
      Entry entry;
      entry.id = "id";
      entry.vector = reinterpret_cast<const std::byte*>(vector.data());
      std::vector<std::byte> payload;
      encode(entry, dim, payload);
      const std::shared_ptr<Chunk> chunk = make_chunk(std::move(payload), dim, "bench", coder);
      chunk->last_key = chunk->memories[0].key = 8 * (i + 1);
      vectors.push_back(chunk->memories[0].vector);
      queue.push(std::array{chunk});
    }
  }

  Coder coder;
  Queue queue;
  std::vector<const float*> vectors;
};

// The median over the cues, in microseconds.
template <class Scan>
double median(std::size_t dim, Scan&& scan) {
  std::mt19937_64 random(2);
  std::vector<double> times;
  for (int i = 0; i < kCues; ++i) {
    const std::vector<float> cue = draw(random, dim);
    const Clock::time_point begin = Clock::now();
    scan(cue.data());
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  std::nth_element(times.begin(), times.begin() + kCues / 2, times.end());
  return times[kCues / 2];
}

void measure(std::size_t dim, std::size_t depth) {
  const Filled filled(dim, depth);
  const auto blocks = filled.queue.view().blocks;
  std::size_t ranked = 0;
  const double codes = median(dim, [&](const float* cue) {
    PendingScan scan(filled.coder, cue, 8 * depth, kNearest);
    for (const auto& block : *blocks) scan.scan(*block);
    ranked = scan.ranked();
  });
  std::vector<float> distances(depth);
  const double vectors = median(dim, [&](const float* cue) {
    simd::active().l2_rows(cue, filled.vectors.data(), depth, dim, distances.data());
    std::nth_element(distances.begin(), distances.begin() + std::min(kNearest, depth - 1), distances.end());
  });
  std::printf("%6zu %8zu %10.1f %10.1f %8zu\n", dim, depth, codes, vectors, ranked);
}

}  // namespace
}  // namespace engram::engine

int main(int count, char** arguments) {
  std::printf("%6s %8s %10s %10s %8s\n", "dim", "pending", "codes us", "floats us", "ranked");
  for (int i = 1; i < std::max(count, 2); ++i) {
    const std::size_t dim = count > 1 ? std::strtoul(arguments[i], nullptr, 10) : 128;
    for (const std::size_t depth : {1, 100, 1'000, 10'000, 65'536}) engram::engine::measure(dim, depth);
  }
  return 0;
}
