#include "engine/salvage.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fault_file.h"
#include "engine/manifest.h"
#include "engine/store_testing.h"

namespace engram::engine {
namespace {

const Path kStore = "/data/store";

// A store after the first `count` operations of a life, killed, and what they leave.
struct Killed {
  std::unique_ptr<FaultFileSystem> files;
  Model model;
};

Killed killed_store(const std::vector<Operation>& operations) {
  Killed made;
  FaultFileSystem living;
  living.make_folder("/data");
  const std::unique_ptr<Store> store = open(living, wal::Sync::kAlways);
  for (const Operation& operation : operations) {
    operation.apply(*store);
    operation.apply(made.model);
  }
  made.files = living.after_kill();
  return made;
}

// What the entries of a log leave, applied one after another.
Model replayed(FileSystem& files, wal::Salvaged& found) {
  Model model;
  std::uint64_t last = 0;
  found =
      salvage_log(files, log_path(kStore), kDim, [&](std::uint64_t lsn, const std::vector<Decoded>& entries) {
        EXPECT_GT(lsn, last) << "records come in the order of the log";
        last = lsn;
        for (const Decoded& decoded : entries) {
          const std::string id(decoded.entry.id);
          model.erase(id);
          if (decoded.entry.op == Op::kStore) {
            std::memcpy(model[id].data(), decoded.entry.vector, sizeof(Vector));
          }
        }
      });
  return model;
}

std::vector<Operation> without_checkpoints(std::uint64_t seed) {
  std::vector<Operation> operations = scenario(seed);
  std::erase_if(operations,
                [](const Operation& operation) { return operation.kind == Operation::Kind::kCheckpoint; });
  return operations;
}

TEST(StoreSalvage, TheLogOfASoundStoreGivesAllOfIt) {
  const Killed made = killed_store(without_checkpoints(3));
  wal::Salvaged found;
  EXPECT_EQ(replayed(*made.files, found), made.model);
  EXPECT_TRUE(found.unreadable.empty());
  EXPECT_LT(found.begin, found.end);
}

TEST(StoreSalvage, ADamagedRecordIsLeftOutAndNamed) {
  const Killed made = killed_store(without_checkpoints(3));
  const Path segment = log_path(kStore) / "00000001.wal";
  int named = 0;
  for (std::size_t byte = 200; byte < 800; byte += 7) {
    const std::unique_ptr<FaultFileSystem> files = made.files->after_kill();
    files->flip(segment, byte, 3);
    wal::Salvaged found;
    const Model model = replayed(*files, found);
    named += !found.unreadable.empty();
    EXPECT_TRUE(model == made.model || !found.unreadable.empty()) << byte;  // equal: what says nothing
  }
  EXPECT_GT(named, 50);
}

TEST(StoreSalvage, RecordsOfAnotherDimensionAreUnreadableAndNothingElse) {
  const Killed made = killed_store(without_checkpoints(4));
  std::size_t seen = 0;
  std::size_t forgets = 0;
  const wal::Salvaged found = salvage_log(*made.files, log_path(kStore), kDim + 1,
                                          [&](std::uint64_t, const std::vector<Decoded>& entries) {
                                            seen += entries.size();
                                            for (const Decoded& each : entries)
                                              forgets += each.entry.op == Op::kForget;
                                          });
  EXPECT_EQ(seen, forgets);  // they have none
  EXPECT_FALSE(found.unreadable.empty());
  for (const wal::Unreadable& each : found.unreadable) EXPECT_LT(each.begin, each.end);
}

TEST(StoreSalvage, RowsSayOfWhichCheckpointTheyAreAndDamageIsRefused) {
  FaultFileSystem files;
  RowColumns rows;
  rows.add(0, "first", 1.0);
  rows.add(7, "second", 0.25);
  const std::unique_ptr<File> file = files.open("/rows", OpenMode::kCreate);
  write_rows(*file, 4096, rows);
  file->sync_data();
  const SalvagedRows found = salvage_rows(files, "/rows");
  EXPECT_EQ(found.lsn, 4096u);
  EXPECT_EQ(found.rows.slots, rows.slots);
  EXPECT_EQ(found.rows.confidences, rows.confidences);
  EXPECT_EQ(found.rows.id_bytes, rows.id_bytes);
  for (std::uint64_t byte = 0; byte < file->size(); ++byte) {
    if (byte >= 44 && byte < 48) continue;  // says nothing
    const std::unique_ptr<FaultFileSystem> damaged = files.after_kill();
    damaged->flip("/rows", byte, byte % 8);
    EXPECT_THROW(salvage_rows(*damaged, "/rows"), CorruptionError) << byte;
  }
}

}  // namespace
}  // namespace engram::engine
