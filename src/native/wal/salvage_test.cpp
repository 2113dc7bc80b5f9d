// What can be read of a damaged log: every bit flipped, every truncation, missing and foreign segments.
#include "wal/salvage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "wal/log_testing.h"
#include "wal/segment.h"

namespace engram::wal {
namespace {

const Texts kTexts{"the first record", "the second", "the third, which is the last of all"};

// A log of three groups of one record, closed; `reopened`: and one more in a segment of its own.
std::unique_ptr<FaultFileSystem> small_log(bool reopened) {
  FaultFileSystem files;
  {
    const std::unique_ptr<Log> log = open_log(files, {}, nullptr);
    for (const std::string& text : kTexts) log->append(bytes_of(text), std::nullopt, 0);
    log->close();
  }
  if (reopened) {
    const std::unique_ptr<Log> log = open_log(files, {}, nullptr);
    log->append(bytes_of("the fourth"), std::nullopt, 0);
    log->close();
  }
  return files.after_kill();
}

struct Found {
  Texts texts;
  std::vector<Lsn> lsns;
  Salvaged salvaged;
};

Found salvaged(FileSystem& files) {
  Found found;
  found.salvaged = salvage(files, kFolder, [&](const Record& record) {
    found.texts.push_back(text_of(record.payload));
    found.lsns.push_back(record.lsn);
  });
  return found;
}

std::vector<std::byte> slurp(FileSystem& files, const Path& path) {
  const std::unique_ptr<File> file = files.open(path, OpenMode::kRead);
  std::vector<std::byte> bytes(file->size());
  file->read_at(0, bytes);
  return bytes;
}

void spill(FileSystem& files, const Path& path, Bytes bytes) {
  const std::unique_ptr<File> file = files.open(path, OpenMode::kOpenOrCreate);
  file->truncate(0);
  file->write_at(0, std::array<Bytes, 1>{bytes});
}

TEST(Salvage, AWholeLogIsReadWholeAndNothingIsMissed) {
  const std::unique_ptr<FaultFileSystem> files = small_log(true);
  const Found found = salvaged(*files);
  EXPECT_EQ(found.texts, (Texts{kTexts[0], kTexts[1], kTexts[2], "the fourth"}));
  EXPECT_TRUE(found.salvaged.unreadable.empty());
  EXPECT_EQ(found.salvaged.begin, kFirstLsn);
  EXPECT_EQ(found.salvaged.records, 4u);
  EXPECT_TRUE(found.salvaged.ended);
}

TEST(Salvage, ALogThatWasCutIsSeenToHaveNoEnd) {
  FaultFileSystem files;
  const std::unique_ptr<Log> log = open_log(files, {}, nullptr);
  for (const std::string& text : kTexts) log->append(bytes_of(text), std::nullopt, 0);
  const std::unique_ptr<FaultFileSystem> killed = files.after_kill();
  log->close();
  const std::unique_ptr<FaultFileSystem> closed = files.after_kill();
  const Path path = kFolder / segment_name(1);
  std::size_t end = kSegmentHeaderBytes;
  for (const std::string& text : kTexts) end += kGroupHeaderBytes + record_bytes(text.size());
  for (FaultFileSystem* const each : {killed.get(), closed.get()}) {
    EXPECT_TRUE(salvaged(*each).salvaged.ended);
    const std::vector<std::byte> whole = slurp(*each, path);
    for (std::size_t size = 0; size < end; ++size) {
      spill(*each, path, Bytes(whole).first(size));
      const bool as_if_empty = size == kSegmentHeaderBytes;
      EXPECT_EQ(salvaged(*each).salvaged.ended, as_if_empty) << size;
    }
    each->remove(path);
    EXPECT_FALSE(salvaged(*each).salvaged.ended);
  }
}

TEST(Salvage, EveryBitFlipCostsAtMostTheRecordItHits) {
  const std::unique_ptr<FaultFileSystem> files = small_log(true);
  const Path path = kFolder / segment_name(1);
  const std::vector<std::byte> whole = slurp(*files, path);
  const Found all = salvaged(*files);
  std::size_t end = kSegmentHeaderBytes + kGroupHeaderBytes;  // the closing group
  for (const std::string& text : kTexts) end += kGroupHeaderBytes + record_bytes(text.size());
  ASSERT_LE(end, whole.size());
  for (std::size_t bit = 0; bit < end * 8; ++bit) {
    SCOPED_TRACE("bit " + std::to_string(bit));
    std::vector<std::byte> flipped = whole;
    flipped[bit / 8] ^= std::byte{1} << bit % 8;
    spill(*files, path, flipped);
    const Found found = salvaged(*files);
    EXPECT_TRUE(std::ranges::includes(all.lsns, found.lsns));
    ASSERT_GE(found.texts.size(), 3u);
    for (std::size_t i = 0, at = 0; i < found.texts.size(); ++i, ++at) {
      while (all.lsns[at] != found.lsns[i]) ++at;
      EXPECT_EQ(found.texts[i], all.texts[at]);
    }
    EXPECT_EQ(found.salvaged.unreadable.size(), 4 - found.texts.size());
    for (const Unreadable& stretch : found.salvaged.unreadable) {
      EXPECT_EQ(stretch.file, path);
      EXPECT_LT(stretch.begin, stretch.end);
    }
  }
}

TEST(Salvage, EveryTruncationKeepsWhatIsBeforeItAndTheNextSegment) {
  const std::unique_ptr<FaultFileSystem> files = small_log(true);
  const Path path = kFolder / segment_name(1);
  const std::vector<std::byte> whole = slurp(*files, path);
  std::size_t before = 0;
  for (std::size_t size = 0; size < std::min<std::size_t>(whole.size(), 400); ++size) {
    spill(*files, path, Bytes(whole).first(size));
    const Found found = salvaged(*files);
    ASSERT_FALSE(found.texts.empty());
    EXPECT_EQ(found.texts.back(), "the fourth");
    EXPECT_GE(found.texts.size(), before) << "a longer file holds no less";
    before = found.texts.size();
  }
}

TEST(Salvage, AMissingSegmentIsAStretchWithoutAFile) {
  const std::unique_ptr<FaultFileSystem> files = small_log(true);
  files->remove(kFolder / segment_name(1));
  const Found found = salvaged(*files);
  EXPECT_EQ(found.texts, Texts{"the fourth"});
  EXPECT_GT(found.salvaged.begin, kFirstLsn) << "what is below is for the caller to judge";
}

TEST(Salvage, ASecondCopyAndAForeignSegmentAreNotRead) {
  const std::unique_ptr<FaultFileSystem> files = small_log(true);
  const std::unique_ptr<FaultFileSystem> other = small_log(false);
  spill(*files, kFolder / segment_name(8), slurp(*files, kFolder / segment_name(1)));
  spill(*files, kFolder / segment_name(9), slurp(*other, kFolder / segment_name(1)));
  const Found found = salvaged(*files);
  EXPECT_EQ(found.texts, (Texts{kTexts[0], kTexts[1], kTexts[2], "the fourth"}));
}

TEST(Salvage, NoFolderIsNoRecord) {
  FaultFileSystem files;
  const Found found = salvaged(files);
  EXPECT_TRUE(found.texts.empty());
  EXPECT_EQ(found.salvaged.end, 0u);
}

}  // namespace
}  // namespace engram::wal
