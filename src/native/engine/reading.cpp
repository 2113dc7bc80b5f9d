// Looking up by id, and what may be stored.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "engine/store.h"

namespace engram::engine {

bool Store::is_at(Place place, std::string_view id) const noexcept {
  if (place.is_pending()) return place.memory()->id == id;
  if (place.is_hot()) return rows_.at(place.slot()).id == id;
  return tiers_.at(place).file->id_is(place.row(), id);
}

std::string Store::id_at(Place place) const {
  if (place.is_pending()) return std::string(place.memory()->id);
  if (place.is_hot()) return rows_.at(place.slot()).id;
  return tiers_.at(place).id(place.row(), *ids_);
}

std::uint64_t Store::key_at(Place place) const {
  if (place.is_pending()) return place.memory()->key;
  if (place.is_hot()) return graph_->born(place.slot());
  return tiers_.at(place).keys[place.row()];
}

bool Store::alive_at(Place place) const {
  if (place.is_pending()) return place.memory()->dead_at.load(std::memory_order_acquire) == hnsw::kAlive;
  if (place.is_hot()) return graph_->dead_at(place.slot()) == hnsw::kAlive;
  return !tiers_.at(place).live.dead(place.row());
}

SharedActivation& Store::activation_at(Place place) const {
  if (place.is_pending()) return place.memory()->activation;
  if (place.is_hot()) return rows_.at(place.slot()).activation;
  return tiers_.at(place).activations[place.row()];
}

Place* Store::find(std::string_view id) {
  return ids_->find(ids_->hash(id), [&](Place place) { return is_at(place, id); });
}

const Place* Store::find(std::string_view id) const {
  return const_cast<Store*>(this)->find(id);
}

void Store::check_vector(const float* vector, std::optional<std::size_t> row) const {
  const float norm2 = simd::active().dot(vector, vector, manifest_.dim);
  const bool finite = std::isfinite(norm2);
  if (finite && (manifest_.metric != hnsw::Metric::kCosine || norm2 >= std::numeric_limits<float>::min()))
    return;
  const std::string which = row ? "the vector of row " + std::to_string(*row) : std::string("the vector");
  for (std::size_t i = 0; i < manifest_.dim; ++i) {
    if (!std::isfinite(vector[i])) {
      throw InvalidVector(which + " holds " + (std::isnan(vector[i]) ? "NaN" : "infinity") + " at position " +
                          std::to_string(i) + ": every element must be a finite number");
    }
  }
  throw InvalidVector(
      finite
          ? which +
                " has length zero, which has no direction to compare under the metric cosine: leave it out "
                "(or, of an empty text, the text), or create the store with the metric l2"
          : which + " is too long: its squared length overflows float32; scale the vectors down");
}

std::optional<Version> Store::get(std::string_view id, double now) const {
  const Use use = usable();
  Version version;
  version.vector.resize(manifest_.dim);
  std::shared_ptr<TierSegment> segment;
  tier::Row row = 0;
  {
    const std::shared_lock lock(table_mutex_);
    const Place* place = find(id);
    if (place == nullptr) return std::nullopt;
    touch(activation_at(*place), now);
    version.key = key_at(*place);
    if (place->is_pending()) {
      std::copy_n(place->memory()->vector, manifest_.dim, version.vector.begin());
    } else if (place->is_hot()) {
      graph_->copy_vector(place->slot(), version.vector.data());
    } else {
      segment = tiers_.shared(*place);
      row = place->row();
    }
  }
  // The disk is waited for without the lock; a segment does not change.
  if (segment != nullptr) segment->file->copy_vector(row, version.vector.data());
  return version;
}

std::optional<std::uint64_t> Store::key(std::string_view id) const {
  const Use use = usable();
  const std::shared_lock lock(table_mutex_);
  const Place* place = find(id);
  return place == nullptr ? std::nullopt : std::optional(key_at(*place));
}

std::optional<Payload> Store::payload(std::string_view id, std::uint64_t key) const {
  const Use use = usable();
  {
    const std::shared_lock lock(table_mutex_);
    const Place* place = find(id);
    if (place == nullptr || key_at(*place) != key) return std::nullopt;
  }
  const Uncommitted::Found found = uncommitted_.find(key);
  if (found.memory == nullptr) return std::nullopt;
  const PendingMemory& memory = *found.memory;
  Payload payload{std::nullopt, std::nullopt, memory.confidence, memory.created_at};
  if (memory.content) payload.content.emplace(*memory.content);
  if (memory.metadata) payload.metadata.emplace(*memory.metadata);
  return payload;
}

bool Store::contains(std::string_view id) const {
  const Use use = usable();
  const std::shared_lock lock(table_mutex_);
  return find(id) != nullptr;
}

std::size_t Store::size() const {
  const Use use = usable();
  const std::shared_lock lock(table_mutex_);
  return ids_->size();
}

std::vector<std::string> Store::ids() const {
  const Use use = usable();
  struct InSegment {
    const TierSegment* segment;
    tier::Row row;
    std::size_t at;  // in `found`
  };
  std::vector<std::pair<std::uint64_t, std::string>> found;
  std::vector<InSegment> to_read;
  std::shared_ptr<const TierView> view;
  {
    const std::shared_lock lock(table_mutex_);
    view = tiers_.view();
    found.reserve(ids_->size());
    ids_->for_each([&](std::uint64_t, Place place) {
      if (place.is_tier()) to_read.push_back({&tiers_.at(place), place.row(), found.size()});
      found.emplace_back(key_at(place), place.is_tier() ? std::string() : id_at(place));
    });
  }
  // Without the lock, and in the order they lie in the files.
  std::sort(to_read.begin(), to_read.end(), [](const InSegment& a, const InSegment& b) {
    return std::pair(a.segment, a.row) < std::pair(b.segment, b.row);
  });
  for (const InSegment& each : to_read) found[each.at].second = each.segment->id(each.row, *ids_);
  std::sort(found.begin(), found.end());
  std::vector<std::string> ids;
  ids.reserve(found.size());
  for (auto& [key, id] : found) ids.push_back(std::move(id));
  return ids;
}

}  // namespace engram::engine
