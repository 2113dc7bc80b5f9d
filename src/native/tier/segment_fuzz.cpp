// A fuzz target (libFuzzer, or tests/fuzz_main.cpp) for the reading of a segment: whatever its bytes, opening
// and asking it ends with an answer or a CorruptionError or UnsupportedFormat, and never with anything else;
// and as long as no checksum was put right, the answer is the right one.
//
// The input is a list of edits to a real warm or cold segment. An edit may put right the checksums of the
// page it hit, for no mutation finds them.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "tier/format.h"
#include "tier/segment_testing.h"

namespace engram::tier {
namespace {

using format::kPage;

constexpr std::size_t kRows = 1100;  // enough for a walk, and for many lists
constexpr std::size_t kDim = 60;

struct Answer {
  std::vector<std::uint64_t> numbers;
  std::vector<float> floats;
  bool operator==(const Answer&) const = default;
};

struct Original {
  explicit Original(Kind kind) : memories(kRows, kDim, 1) {
    seal_at(files, kind, memories);
    const std::unique_ptr<File> file = files.open(kSegment, OpenMode::kRead);
    bytes.resize(file->size());
    file->read_at(0, bytes);
    header = format::decode_header(bytes, bytes.size(), kSegment);
  }
  Memories memories;
  FaultFileSystem files;
  std::vector<std::byte> bytes;
  format::Header header;
};

Answer ask(FileSystem& files, Memories& memories) {
  PageCache cache(1 << 20);
  const std::unique_ptr<Segment> segment = Segment::open(files, kSegment, cache);
  Answer answer;
  const LiveRows live(segment->rows());
  if (segment->dim() == kDim) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (const Hit& hit : search(*segment, {.cue = memories.vector(i * 7), .k = 5, .ef = 10}, live)) {
        answer.numbers.push_back(hit.row);
        answer.floats.push_back(hit.distance);
      }
    }
  }
  const Row last = static_cast<Row>(segment->rows() - 1);
  for (const Row row : {Row{0}, last / 2, last}) {
    answer.numbers.push_back(segment->keys()[row]);
    answer.numbers.push_back(segment->hashes()[row]);
    answer.numbers.push_back(segment->id(row).size());
    answer.floats.push_back(static_cast<float>(segment->confidence(row)));
  }
  segment->verify();
  return answer;
}

void put_checksums_right(const format::Header& header, std::vector<std::byte>& bytes, std::uint64_t page) {
  store_le(bytes.data() + kPage - 4, crc32c(0, Bytes(bytes).first(kPage - 4)));
  for (const std::uint64_t changed : {std::uint64_t{0}, page}) {
    const std::uint64_t sums =
        header.section(format::Section::kChecksums).offset + changed / format::kSumsInPage * kPage;
    store_le(bytes.data() + sums + changed % format::kSumsInPage * 4,
             format::page_sum(changed, Bytes(bytes).subspan(changed * kPage, kPage)));
    store_le(bytes.data() + sums + kPage - 4,
             format::page_sum(sums / kPage, Bytes(bytes).subspan(sums, kPage - 4)));
  }
}

// Returns whether it put checksums right.
bool edit(const Original& original, std::vector<std::byte>& bytes, ByteReader& input) {
  const auto how = input.get<std::uint8_t>();
  // Half of the edits go to the header, where most numbers of consequence are.
  const std::uint64_t at = input.get<std::uint32_t>() % ((how & 1) != 0 ? 400 : original.bytes.size());
  const Bytes with = input.get_bytes(std::min<std::size_t>(1 + (how >> 4), input.left()));
  for (std::size_t i = 0; i < with.size() && at + i < bytes.size(); ++i) bytes[at + i] = with[i];
  if ((how & 8) != 0) bytes.resize(std::min<std::size_t>(bytes.size(), at));
  const bool whole = bytes.size() == original.bytes.size();
  if ((how & 2) == 0 || !whole || at / kPage >= original.header.pages()) return false;
  put_checksums_right(original.header, bytes, at / kPage);
  return true;
}

void check(Original& original, const Answer& right, ByteReader& input) {
  std::vector<std::byte> bytes = original.bytes;
  bool forged = false;
  while (input.left() > 0 && input.ok()) forged = edit(original, bytes, input) || forged;
  FaultFileSystem files;
  files.open(kSegment, OpenMode::kCreate)->write_at(0, std::array<Bytes, 1>{Bytes(bytes)});
  try {
    if (ask(files, original.memories) == right || forged) return;
  } catch (const CorruptionError&) {
    return;
  } catch (const UnsupportedFormat&) {
    return;
  }
  std::fputs("a damaged segment gave another answer\n", stderr);
  std::abort();
}

}  // namespace
}  // namespace engram::tier

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace engram::tier;
  static std::array<Original, 2> originals{Original(Kind::kWarm), Original(Kind::kCold)};
  static const std::array<Answer, 2> right{ask(originals[0].files, originals[0].memories),
                                           ask(originals[1].files, originals[1].memories)};
  engram::ByteReader input(std::as_bytes(std::span(data, size)));
  const std::size_t which = input.get<std::uint8_t>() % 2;
  check(originals[which], right[which], input);
  return 0;
}
