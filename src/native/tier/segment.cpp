#include "tier/segment.h"

#include "tier/cold.h"
#include "tier/warm.h"

namespace engram::tier {

std::unique_ptr<Segment> Segment::open(FileSystem& files, const Path& path, PageCache& cache) {
  auto pages = std::make_unique<Pages>(files, path);
  if (pages->header().kind == Kind::kWarm) return std::make_unique<WarmSegment>(std::move(pages));
  return std::make_unique<ColdSegment>(std::move(pages), cache);
}

}  // namespace engram::tier
