// Recall, latency and pages a query of a warm and a cold segment of real vectors:
//   ENGRAM_DATA=<folder with base_u8.npy, query_u8.npy> tier_bench <folder for the segments> <kind> <first>
//   <rows>
//
// Seals rows [first, first + rows) of the base unless the segment is there already, then searches each query
// at several breadths: with the kernel's and the own cache dropped before each query ("cold caches"), and
// with both warm. The judge is a scan of all rows. docs/performance.md has what it gave.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "simd/kernels.h"
#include "tier/segment.h"

namespace engram::tier {
namespace {

using Clock = std::chrono::steady_clock;

struct Matrix {
  std::size_t rows = 0;
  std::size_t dim = 0;
  std::vector<float> values;
  const float* row(std::size_t i) const { return values.data() + i * dim; }
};

// Rows [first, first + most) of a two-dimensional .npy of uint8.
Matrix read_npy(const std::string& path, std::size_t first, std::size_t most) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> head(10);
  file.read(head.data(), 10);
  const std::size_t size = static_cast<unsigned char>(head[8]) + 256U * static_cast<unsigned char>(head[9]);
  std::string text(size, ' ');
  file.read(text.data(), static_cast<std::streamsize>(size));
  Matrix matrix;
  std::size_t rows = 0;
  if (!file ||
      std::sscanf(text.c_str() + text.find("'shape'"), "'shape': (%zu, %zu)", &rows, &matrix.dim) != 2) {
    std::fprintf(stderr, "%s is no .npy of two dimensions\n", path.c_str());
    std::exit(1);
  }
  matrix.rows = std::min(most, rows - std::min(first, rows));
  std::vector<unsigned char> bytes(matrix.rows * matrix.dim);
  file.seekg(static_cast<std::streamoff>(10 + size + first * matrix.dim));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  matrix.values.assign(bytes.begin(), bytes.end());
  return matrix;
}

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// The distance of the k-th nearest row of each query: a hit at most that far is a right one.
std::vector<float> judge(const Matrix& base, const Matrix& queries, std::size_t k) {
  std::vector<float> kth(queries.rows);
  parallel_for(queries.rows, 4, thread_count(0), [&](std::size_t, std::size_t begin, std::size_t end) {
    std::vector<float> distances(base.rows);
    for (std::size_t q = begin; q < end; ++q) {
      for (std::size_t i = 0; i < base.rows; ++i) {
        distances[i] = simd::active().l2(queries.row(q), base.row(i), base.dim);
      }
      std::nth_element(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(k - 1),
                       distances.end());
      kth[q] = distances[k - 1];
    }
  });
  return kth;
}

void measure(const Path& path, const Matrix& queries, const std::vector<float>& kth, std::size_t k,
             std::size_t ef, bool dropped) {
  PageCache cache(std::size_t{256} << 20);
  std::unique_ptr<Segment> segment = Segment::open(FileSystem::system(), path, cache);
  const LiveRows live(segment->rows());
  std::vector<double> times;
  std::vector<Hit> hits(k);
  double right = 0;
  double read = 0;
  double hit = 0;
  for (int round = dropped ? 1 : 0; round < 2; ++round) {
    times.clear();
    right = read = hit = 0;
    for (std::size_t q = 0; q < queries.rows; ++q) {
      if (dropped) {
        segment.reset();
        FileSystem::system().open(path, OpenMode::kRead)->advise(0, 0, Advice::kDontNeed);
        segment = Segment::open(FileSystem::system(), path, cache);
      }
      const auto begin = Clock::now();
      const Found found = segment->search({.cue = queries.row(q), .k = k, .ef = ef}, {live, 0}, hits.data());
      times.push_back(milliseconds(Clock::now() - begin));
      for (std::size_t i = 0; i < found.count; ++i) right += hits[i].distance <= kth[q] ? 1 : 0;
      read += static_cast<double>(found.pages_read);
      hit += static_cast<double>(found.pages_hit);
    }
  }
  std::sort(times.begin(), times.end());
  const auto count = static_cast<double>(queries.rows);
  std::printf("%-7s ef %4zu recall@%zu %.4f  ms p50 %.3f p99 %.3f  pages read %.1f hit %.1f\n",
              dropped ? "dropped" : "cached", ef, k, right / count / static_cast<double>(k),
              times[times.size() / 2], times[times.size() * 99 / 100], read / count, hit / count);
}

void seal_rows(const Path& path, Kind kind, const Matrix& base) {
  std::vector<std::string> ids;
  std::vector<RowIn> rows;
  for (std::size_t i = 0; i < base.rows; ++i) ids.push_back("m" + std::to_string(i));
  for (std::size_t i = 0; i < base.rows; ++i) rows.push_back({i, i, ids[i], 1.0, base.row(i)});
  const auto begin = Clock::now();
  seal(FileSystem::system(), path, kind, {.dim = base.dim, .metric = hnsw::Metric::kL2}, rows, {});
  std::printf("sealed in %.1f s\n", milliseconds(Clock::now() - begin) / 1000);
}

int run(const Path& folder, Kind kind, std::size_t first, std::size_t rows) {
  const char* const data = std::getenv("ENGRAM_DATA");
  if (data == nullptr) {
    std::fprintf(stderr, "set ENGRAM_DATA to a folder with base_u8.npy and query_u8.npy\n");
    return 1;
  }
  const Matrix base = read_npy(std::string(data) + "/base_u8.npy", first, rows);
  const Matrix queries = read_npy(std::string(data) + "/query_u8.npy", 0, 1000);
  const Path path = folder / (std::string("bench-") + std::to_string(first) + "-" +
                              std::to_string(base.rows) + (kind == Kind::kWarm ? ".warm" : ".cold"));
  if (!FileSystem::system().exists(path)) seal_rows(path, kind, base);
  PageCache cache(0);
  const std::unique_ptr<Segment> segment = Segment::open(FileSystem::system(), path, cache);
  const auto raw = static_cast<double>(base.values.size() * sizeof(float));
  std::printf("%zu rows, disk %.3f times the vectors, %.2f bytes of memory a row\n", base.rows,
              static_cast<double>(segment->disk_bytes()) / raw,
              static_cast<double>(segment->memory_bytes()) / static_cast<double>(base.rows));
  const std::vector<float> kth = judge(base, queries, 10);
  for (const bool dropped : {true, false}) {
    for (const std::size_t ef : {32, 64, 128}) measure(path, queries, kth, 10, ef, dropped);
  }
  return 0;
}

}  // namespace
}  // namespace engram::tier

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "tier_bench <folder> warm|cold <first row> <rows>\n");
    return 1;
  }
  const auto kind = std::string(argv[2]) == "warm" ? engram::tier::Kind::kWarm : engram::tier::Kind::kCold;
  return engram::tier::run(argv[1], kind, std::stoul(argv[3]), std::stoul(argv[4]));
}
