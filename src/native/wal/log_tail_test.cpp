// Torn tails and damage, missing files and foreign ones: what a log's reader makes of them.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "wal/format.h"
#include "wal/log_testing.h"

namespace engram::wal {
namespace {

// The bytes of a world with one segment of three groups of two records, not closed.
struct ThreeGroups {
  std::unique_ptr<FaultFileSystem> files;
  Texts texts;
  Path segment = kFolder / "00000001.wal";
  std::vector<std::byte> bytes;  // of the file, up to the end of the last group
  std::size_t last_group = 0;    // where that begins
};

ThreeGroups three_groups(bool closed) {
  ThreeGroups made;
  FaultFileSystem files;
  const std::unique_ptr<Log> log = open_log(files, {}, nullptr);
  for (const char* text : {"the first record", "the second", "the third, which is the last of all"}) {
    made.texts.emplace_back(text);
    log->append(bytes_of(text), std::nullopt, 0);
  }
  if (closed) log->close();
  made.files = files.after_kill();
  const std::unique_ptr<File> file = made.files->open(made.segment, OpenMode::kRead);
  made.last_group = kSegmentHeaderBytes;
  for (int i = 0; i < 2; ++i) made.last_group += kGroupHeaderBytes + record_bytes(made.texts[i].size());
  made.bytes.resize(made.last_group + kGroupHeaderBytes + record_bytes(made.texts[2].size()) +
                    (closed ? kGroupHeaderBytes : 0));
  EXPECT_EQ(file->read_at(0, made.bytes), made.bytes.size());
  return made;
}

void replace(FileSystem& files, const Path& path, Bytes bytes) {
  const std::unique_ptr<File> file = files.open(path, OpenMode::kReadWrite);
  file->truncate(0);
  file->write_at(0, std::array<Bytes, 1>{bytes});
}

TEST(LogTail, ATornLastGroupIsDroppedWhereverItIsTorn) {
  const ThreeGroups made = three_groups(false);
  for (std::size_t size = made.last_group; size < made.bytes.size(); ++size) {
    for (const bool zeros_follow : {false, true}) {
      SCOPED_TRACE("torn at byte " + std::to_string(size) + (zeros_follow ? ", zeros follow" : ""));
      const std::unique_ptr<FaultFileSystem> files = made.files->after_kill();
      std::vector<std::byte> torn(made.bytes.begin(), made.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      if (zeros_follow) torn.resize(made.bytes.size() + 4096);
      replace(*files, made.segment, torn);
      const Texts texts = recovered(*files);
      const std::size_t padding = padded(made.texts[2].size()) - made.texts[2].size();
      const bool whole = zeros_follow && size + padding >= made.bytes.size();
      EXPECT_EQ(texts, Texts(made.texts.begin(), made.texts.end() - (whole ? 0 : 1)));
      EXPECT_EQ(recovered(*files), texts);
    }
  }
}

// Every bit of a log's file, of one that was killed and of one that was closed: what is read is right or
// refused, and refused whenever a later header proves that the damaged part was synced.
TEST(LogTail, NoFlippedBitIsReadAsSomethingElse) {
  for (const bool closed : {false, true}) {
    const ThreeGroups made = three_groups(closed);
    for (std::size_t byte = 0; byte < made.bytes.size(); ++byte) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        SCOPED_TRACE("byte " + std::to_string(byte) + " bit " + std::to_string(bit) +
                     (closed ? ", closed" : ""));
        const std::unique_ptr<FaultFileSystem> files = made.files->after_kill();
        files->flip(made.segment, byte, bit);
        try {
          const Texts texts = recovered(*files);
          ASSERT_TRUE(is_prefix(texts, made.texts));
          const bool provable =
              byte < made.last_group || (closed && byte < made.bytes.size() - kGroupHeaderBytes);
          ASSERT_TRUE(!provable || texts == made.texts) << "silently lost";
        } catch (const CorruptionError& error) {
          ASSERT_EQ(error.file, made.segment.string());
          ASSERT_LT(error.offset, made.bytes.size());
          ASSERT_NE(std::string(error.what()).find("engram repair"), std::string::npos);
        }
      }
    }
  }
}

TEST(LogTail, ProvenDamageNamesFileOffsetAndChecksums) {
  const ThreeGroups made = three_groups(false);
  const std::size_t record = kSegmentHeaderBytes + kGroupHeaderBytes;
  made.files->flip(made.segment, record + kRecordHeaderBytes + 3, 0);
  try {
    recovered(*made.files);
    FAIL();
  } catch (const CorruptionError& error) {
    const std::string what = error.what();
    EXPECT_EQ(error.offset, record);
    EXPECT_TRUE(what.starts_with("log segment 00000001.wal is damaged at byte 104 (checksum ")) << what;
    EXPECT_NE(what.find(") below what a later record proves was synced; run `engram repair`"),
              std::string::npos);
  }
}

TEST(LogFiles, AMissingAForeignANewerAndARenamedSegmentAreRefused) {
  FaultFileSystem files;
  std::mt19937_64 random(1);
  Seen seen;
  live(files, Sync::kAlways, 40, random, seen);
  const std::vector<std::string> names = files.list(kFolder);
  ASSERT_GE(names.size(), 4u);
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    const std::unique_ptr<FaultFileSystem> missing = files.after_kill();
    missing->remove(kFolder / names[i]);
    EXPECT_THROW(recovered(*missing), CorruptionError) << names[i] << " missing";
  }
  const std::unique_ptr<FaultFileSystem> foreign = files.after_kill();
  replace(*foreign, kFolder / names[1], bytes_of("not a segment of any log"));
  EXPECT_THROW(recovered(*foreign), CorruptionError);

  const std::unique_ptr<FaultFileSystem> newer = files.after_kill();
  std::vector<std::byte> header(kSegmentHeaderBytes);
  newer->open(kFolder / names[1], OpenMode::kRead)->read_at(0, header);
  store_le(header.data() + 8, kFormatVersion + 1);
  store_le(header.data() + 60, crc32c(0, Bytes(header).first(60)));
  replace(*newer, kFolder / names[1], header);
  EXPECT_THROW(recovered(*newer), UnsupportedFormat);

  const std::unique_ptr<FaultFileSystem> renamed = files.after_kill();
  renamed->rename(kFolder / names[1], kFolder / "00000777.wal");
  EXPECT_THROW(recovered(*renamed), CorruptionError);

  const std::unique_ptr<FaultFileSystem> another = files.after_kill();
  FaultFileSystem other;
  Seen of_other;
  live(other, Sync::kAlways, 40, random, of_other);
  std::vector<std::byte> bytes(8192);
  bytes.resize(other.open(kFolder / names[1], OpenMode::kRead)->read_at(0, bytes));
  replace(*another, kFolder / names[1], bytes);
  EXPECT_THROW(recovered(*another), CorruptionError);

  const std::unique_ptr<FaultFileSystem> extra = files.after_kill();
  extra->open(kFolder / "notes.txt", OpenMode::kCreate);
  EXPECT_EQ(recovered(*extra), seen.issued);
}

}  // namespace
}  // namespace engram::wal
