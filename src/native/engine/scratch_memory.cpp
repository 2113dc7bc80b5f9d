#include "engine/scratch_memory.h"

namespace engram::engine {

ScratchMemory::~ScratchMemory() {
  if (file_ != nullptr) discard(files_, path_);
}

void ScratchMemory::open(std::byte* at, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (file_ == nullptr) file_ = files_.open(path_, OpenMode::kCreate);
  file_->allocate(used_, bytes);
  file_->map_over(at, used_, bytes);
  used_ += bytes;
}

}  // namespace engram::engine
