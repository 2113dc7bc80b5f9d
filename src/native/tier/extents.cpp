#include "tier/extents.h"

#include <memory>
#include <utility>

namespace engram::tier {

std::size_t Extents::ask(format::Extent extent) {
  Asked asked{extent, cache_.find(owner_, extent.offset)};
  if (asked.block == nullptr) {
    pages_.file().advise(extent.offset, extent.bytes, Advice::kWillNeed);
  } else {
    hit_ += extent.bytes / format::kPage;
  }
  asked_.push_back(std::move(asked));
  return asked_.size() - 1;
}

Bytes Extents::take(std::size_t number) {
  Asked& asked = asked_[number];
  if (asked.block == nullptr) {
    auto bytes = std::make_shared<std::vector<std::byte>>(asked.extent.bytes);
    pages_.read(asked.extent.offset, *bytes);
    read_ += asked.extent.bytes / format::kPage;
    asked.block = std::move(bytes);
    cache_.put(owner_, asked.extent.offset, asked.block);
  }
  return *asked.block;
}

}  // namespace engram::tier
