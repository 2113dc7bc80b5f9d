// Whatever happens to a segment's file, it gives the right answer or a CorruptionError.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "tier/format.h"
#include "tier/segment_testing.h"

namespace engram::tier {
namespace {

constexpr Kind kBoth[] = {Kind::kWarm, Kind::kCold};

std::vector<std::byte> bytes_of(FileSystem& files) {
  const std::unique_ptr<File> file = files.open(kSegment, OpenMode::kRead);
  std::vector<std::byte> bytes(file->size());
  EXPECT_EQ(file->read_at(0, bytes), bytes.size());
  return bytes;
}

void put(FileSystem& files, Bytes bytes) {
  const std::unique_ptr<File> file = files.open(kSegment, OpenMode::kOpenOrCreate);
  file->truncate(bytes.size());
  file->write_at(0, std::array<Bytes, 1>{bytes});
}

struct Answer {
  std::vector<std::uint64_t> numbers;
  std::vector<float> floats;
  std::string texts;
  bool operator==(const Answer&) const = default;
};

using Part = std::function<void(const Segment&, Answer&)>;

// All that can be asked of a segment, in parts that stand alone.
std::vector<Part> parts(Memories& memories) {
  std::vector<Part> all;
  all.push_back([](const Segment& segment, Answer& out) {
    out.numbers.assign(segment.keys().begin(), segment.keys().end());
  });
  all.push_back([](const Segment& segment, Answer& out) {
    out.numbers.assign(segment.hashes().begin(), segment.hashes().end());
  });
  all.push_back([](const Segment& segment, Answer& out) {
    for (Row row = 0; row < segment.rows(); ++row) out.texts += segment.id(row) + "\n";
  });
  all.push_back([](const Segment& segment, Answer& out) {
    for (Row row = 0; row < segment.rows(); ++row)
      out.floats.push_back(static_cast<float>(segment.confidence(row)));
  });
  all.push_back([](const Segment& segment, Answer& out) {
    out.floats.resize(segment.rows() * segment.dim());
    for (Row row = 0; row < segment.rows(); ++row)
      segment.copy_vector(row, out.floats.data() + row * segment.dim());
  });
  all.push_back([&memories](const Segment& segment, Answer& out) {
    const LiveRows live(segment.rows());
    for (std::size_t i = 0; i < 3; ++i) {
      for (const Hit& hit : search(segment, {.cue = memories.vector(i * 5), .k = 5, .ef = 12}, live)) {
        out.numbers.push_back(hit.row);
        out.floats.push_back(hit.distance);
      }
    }
  });
  return all;
}

// The answers of the file that is there; nothing where it said that it is damaged.
std::vector<std::optional<Answer>> ask(FileSystem& files, const std::vector<Part>& parts) {
  std::vector<std::optional<Answer>> answers(parts.size());
  PageCache cache(1 << 20);
  std::unique_ptr<Segment> segment;
  try {
    segment = Segment::open(files, kSegment, cache);
  } catch (const CorruptionError&) {
    return answers;
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    try {
      Answer answer;
      parts[i](*segment, answer);
      answers[i] = std::move(answer);
    } catch (const CorruptionError& error) {
      EXPECT_EQ(error.file, kSegment.string());
    }
  }
  return answers;
}

// How many parts were answered, all as they were before.
std::size_t expect_right_or_refused(FileSystem& files, const std::vector<Part>& parts,
                                    const std::vector<std::optional<Answer>>& right, std::uint64_t where) {
  const std::vector<std::optional<Answer>> answers = ask(files, parts);
  std::size_t given = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!answers[i]) continue;
    ++given;
    EXPECT_EQ(*answers[i], *right[i]) << "part " << i << " after damage at byte " << where;
  }
  return given;
}

// Wide enough that a search walks, or reads some of the lists only.
constexpr std::size_t kRows = 1200;
constexpr std::size_t kDim = 64;

TEST(SegmentDamage, AFlippedBitAnywhereIsRefusedOrDoesNotMatter) {
  for (const Kind kind : kBoth) {
    Memories memories(kRows, kDim, 31);
    FaultFileSystem files;
    seal_at(files, kind, memories);
    const std::vector<Part> asked = parts(memories);
    const std::vector<std::optional<Answer>> right = ask(files, asked);
    const std::uint64_t size = files.open(kSegment, OpenMode::kRead)->size();
    std::size_t given = 0;
    std::size_t times = 0;
    for (std::uint64_t at = 0; at < size; at += at < 512 ? 7 : 6007) {
      files.flip(kSegment, at, at % 8);
      given += expect_right_or_refused(files, asked, right, at);
      files.flip(kSegment, at, at % 8);
      ++times;
    }
    EXPECT_GT(given, times) << "damage in one place takes nearly everything away";
    EXPECT_LT(given, times * asked.size());
  }
}

TEST(SegmentDamage, EveryFlipIsSeenByVerify) {
  for (const Kind kind : kBoth) {
    Memories memories(20, 5, 32);
    FaultFileSystem files;
    seal_at(files, kind, memories);
    PageCache cache(0);
    Segment::open(files, kSegment, cache)->verify();
    const std::uint64_t size = files.open(kSegment, OpenMode::kRead)->size();
    for (std::uint64_t at = 0; at < size; at += 97) {
      files.flip(kSegment, at, at % 8);
      EXPECT_THROW(Segment::open(files, kSegment, cache)->verify(), CorruptionError) << "byte " << at;
      files.flip(kSegment, at, at % 8);
    }
  }
}

TEST(SegmentDamage, AFileThatWasCutIsRefused) {
  for (const Kind kind : kBoth) {
    Memories memories(20, 5, 33);
    FaultFileSystem files;
    seal_at(files, kind, memories);
    const std::vector<std::byte> whole = bytes_of(files);
    PageCache cache(0);
    for (std::size_t size = 0; size < whole.size(); size += size < 4200 ? 41 : 509) {
      files.open(kSegment, OpenMode::kReadWrite)->truncate(size);
      EXPECT_THROW(Segment::open(files, kSegment, cache), CorruptionError) << size << " bytes";
      put(files, whole);
    }
    put(files, whole);
    files.open(kSegment, OpenMode::kReadWrite)->truncate(whole.size() + 1);
    EXPECT_THROW(Segment::open(files, kSegment, cache), CorruptionError);
  }
}

TEST(SegmentDamage, AFileThatIsCutWhileItIsOpenIsRefused) {
  for (const Kind kind : kBoth) {
    Memories memories(kRows, kDim, 34);
    FaultFileSystem files;
    seal_at(files, kind, memories);
    PageCache cache(1 << 20);
    const std::unique_ptr<Segment> segment = Segment::open(files, kSegment, cache);
    files.open(kSegment, OpenMode::kReadWrite)->truncate(2 * format::kPage);
    std::vector<float> vector(kDim);
    EXPECT_THROW(segment->copy_vector(0, vector.data()), CorruptionError);
    EXPECT_THROW(search(*segment, {.cue = memories.vector(0)}, LiveRows(kRows)), CorruptionError);
    EXPECT_TRUE(segment->id_is(0, "what its hash says"));
    EXPECT_THROW(segment->verify(), CorruptionError);
  }
}

TEST(SegmentDamage, ADiskThatFailsToReadGivesAnErrorOnceAndTheAnswerAfterwards) {
  for (const Kind kind : kBoth) {
    Memories memories(kRows, kDim, 35);
    FaultFileSystem files;
    seal_at(files, kind, memories);
    const std::vector<Part> asked = parts(memories);
    const std::vector<std::optional<Answer>> right = ask(files, asked);
    const std::uint64_t before = files.calls();
    ask(files, asked);
    const std::uint64_t calls = files.calls() - before;
    std::size_t failed = 0;
    for (std::uint64_t i = 0; i < calls; i += 1 + calls / 20) {
      files.fail_at(files.calls() + i, EIO, false);
      try {
        ask(files, asked);
      } catch (const IoError& error) {
        EXPECT_EQ(error.code, EIO);
        ++failed;
      }
      files.heal();
      EXPECT_EQ(ask(files, asked), right);
    }
    EXPECT_GT(failed, 5U);
  }
}

TEST(SegmentDamage, APageInAnothersPlaceIsRefused) {
  Memories memories(kRows, kDim, 36);
  FaultFileSystem files;
  seal_at(files, Kind::kCold, memories);
  const std::vector<Part> asked = parts(memories);
  const std::vector<std::optional<Answer>> right = ask(files, asked);
  std::vector<std::byte> bytes = bytes_of(files);
  // The two pages of checksums aside, which are the last.
  for (std::size_t page = 1; page + 2 < bytes.size() / format::kPage; page += 13) {
    std::vector<std::byte> swapped = bytes;
    std::swap_ranges(swapped.begin() + static_cast<std::ptrdiff_t>(page * format::kPage),
                     swapped.begin() + static_cast<std::ptrdiff_t>((page + 1) * format::kPage),
                     swapped.begin() + static_cast<std::ptrdiff_t>((page + 1) * format::kPage));
    put(files, swapped);
    expect_right_or_refused(files, asked, right, page * format::kPage);
  }
}

TEST(SegmentDamage, ANewerVersionIsUnsupportedNotDamaged) {
  Memories memories(3, 4, 37);
  FaultFileSystem files;
  seal_at(files, Kind::kWarm, memories);
  std::vector<std::byte> bytes = bytes_of(files);
  store_le(bytes.data() + 8, std::uint32_t{2});
  store_le(bytes.data() + 4092, crc32c(0, Bytes(bytes).first(4092)));
  put(files, bytes);
  PageCache cache(0);
  EXPECT_THROW(Segment::open(files, kSegment, cache), UnsupportedFormat);
}

// As a program with a bug, or with ill will, would write it: every checksum right, the numbers not.
TEST(SegmentDamage, NumbersThatCannotBeAreRefusedEvenWithRightChecksums) {
  for (const Kind kind : kBoth) {
    Memories memories(kRows, kDim, 38);
    FaultFileSystem files;
    seal_at(files, kind, memories);
    const std::vector<std::byte> whole = bytes_of(files);
    const format::Header header = format::decode_header(whole, whole.size(), kSegment);
    const std::vector<Part> asked = parts(memories);
    std::mt19937_64 random(38);
    std::size_t refused = 0;
    for (int times = 0; times < 120; ++times) {
      std::vector<std::byte> bytes = whole;
      const std::uint64_t page = random() % header.pages();
      const std::uint64_t at = page * format::kPage + (page == 0 ? random() % 300 : random() % 4088);
      store_le(bytes.data() + at, random() >> (random() % 64));
      store_le(bytes.data() + 4092, crc32c(0, Bytes(bytes).first(4092)));
      for (const std::uint64_t changed : {std::uint64_t{0}, page}) {
        const format::Extent& sums = header.section(format::Section::kChecksums);
        std::byte* const there = bytes.data() + sums.offset + changed / format::kSumsInPage * format::kPage;
        store_le(there + changed % format::kSumsInPage * 4,
                 format::page_sum(changed, Bytes(bytes).subspan(changed * format::kPage, format::kPage)));
        store_le(there + 4092,
                 format::page_sum(static_cast<std::uint64_t>(there - bytes.data()) / format::kPage,
                                  Bytes(there, 4092)));
      }
      put(files, bytes);
      try {
        for (const std::optional<Answer>& answer : ask(files, asked)) refused += answer ? 0 : 1;
      } catch (const UnsupportedFormat&) {
        ++refused;
      }
    }
    EXPECT_GT(refused, 2U);
  }
}

}  // namespace
}  // namespace engram::tier
