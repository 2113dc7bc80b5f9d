// A fuzz target (libFuzzer, or tests/fuzz_main.cpp) for the reader of an index file: whatever the bytes, they
// are refused as corrupt or newer, or give a graph that can be searched and saved.
//
// The input is a list of edits to a real file. An edit may put all checksums right, for no mutation finds
// them.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/fault_file.h"
#include "hnsw/format.h"
#include "hnsw/graph.h"

namespace engram::hnsw {
namespace {

constexpr std::size_t kDim = 4;
constexpr std::size_t kCount = 24;
const Path kFile = "/graph";

struct Original {
  std::vector<std::byte> bytes;
  struct Part {
    std::size_t head;
    std::size_t size;  // of the payload behind it
  };
  std::vector<Part> sections;

  Original() {
    Options options;
    options.dim = kDim;
    options.metric = Metric::kL2;
    options.m = 4;
    Graph graph(options);
    std::mt19937 random(1);
    for (std::size_t i = 0; i < kCount; ++i) {
      std::array<float, kDim> vector;
      for (float& each : vector) each = static_cast<float>(random() % 100);
      const Slot slot = graph.insert(vector.data(), i);
      if (i % 7 == 3) graph.retire(slot);
    }
    FaultFileSystem files;
    graph.save(*files.open(kFile, OpenMode::kCreate));
    const std::unique_ptr<File> file = files.open(kFile, OpenMode::kRead);
    bytes.resize(file->size());
    file->read_at(0, bytes);
    for (std::size_t at = format::kHeaderBytes; at < bytes.size();) {
      sections.push_back({at, load_le<std::uint64_t>(bytes.data() + at + 8)});
      at += format::kSectionBytes + sections.back().size;
      at += (format::kAlignment - at % format::kAlignment) % format::kAlignment;
    }
  }

  // Makes a damaged copy of `bytes` say that it is whole.
  void put_checksums_right(std::vector<std::byte>& damaged) const {
    const auto put = [&](std::size_t begin, std::size_t size, std::size_t at) {
      if (begin + size <= damaged.size() && at + 4 <= damaged.size()) {
        store_le(damaged.data() + at, crc32c(0, Bytes(damaged).subspan(begin, size)));
      }
    };
    put(0, format::kHeaderBytes - 4, format::kHeaderBytes - 4);
    for (const Part& section : sections) {
      put(section.head + format::kSectionBytes, section.size, section.head + 4);
      put(section.head, format::kSectionBytes - 4, section.head + format::kSectionBytes - 4);
    }
  }
};

void use(const Graph& graph) {
  const std::vector<float> cue(graph.options().dim, 1.0f);
  std::vector<float> vector(graph.options().dim);
  graph.each_present([&](Slot slot) { graph.copy_vector(slot, vector.data()); });
  std::array<Hit, kCount> hits;
  const std::size_t found = graph.search(cue.data(), hits.size(), 64, kCount, nullptr, hits.data());
  if (found > graph.slots()) {
    std::fputs("more was found than there is\n", stderr);
    std::abort();
  }
  FaultFileSystem files;
  graph.save(*files.open(kFile, OpenMode::kCreate));
}

}  // namespace
}  // namespace engram::hnsw

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace engram;
  static const hnsw::Original original;
  std::vector<std::byte> bytes = original.bytes;
  bool right = false;
  ByteReader input(std::as_bytes(std::span(data, size)));
  while (input.left() > 0 && input.ok()) {
    const auto how = input.get<std::uint8_t>();
    const auto at = input.get<std::uint16_t>() % bytes.size();
    const Bytes with = input.get_bytes(std::min<std::size_t>(how >> 4, input.left()));
    for (std::size_t i = 0; i < with.size() && at + i < bytes.size(); ++i) bytes[at + i] = with[i];
    if ((how & 8) != 0) bytes.resize(at + 1);
    right = right || (how & 3) != 0;
  }
  if (right) original.put_checksums_right(bytes);
  FaultFileSystem files;
  files.open(hnsw::kFile, OpenMode::kCreate)->write_at(0, std::array<Bytes, 1>{bytes});
  try {
    hnsw::use(*hnsw::Graph::load(*files.open(hnsw::kFile, OpenMode::kRead), hnsw::kFile));
  } catch (const CorruptionError&) {
  } catch (const UnsupportedFormat&) {
  }
  return 0;
}
