#include "hnsw/walk.h"

namespace engram::hnsw {

float score_one(const Field& field, Slot slot) {
  const std::byte* const code = field.nodes.code(slot);
  float distance;
  field.kernels.score_codes(field.query, &code, 1, field.dim, &distance);
  return distance;
}

Nearest descend(const Field& field, Nearest from, Gathered& gathered) {
  const std::size_t bytes = field.nodes.code_bytes();
  for (;;) {
    std::size_t count = 0;
    for (const Slot& link : field.nodes.links(from.slot, field.level)) {
      const Slot neighbour = load_link(link);
      if (neighbour == kNoSlot) break;
      gathered.slots[count] = neighbour;
      gathered.codes[count] = field.nodes.code(neighbour);
      prefetch(gathered.codes[count++], bytes);
    }
    if (count == 0) return from;
    field.kernels.score_codes(field.query, gathered.codes.data(), count, field.dim,
                              gathered.distances.data());
    const auto best = std::min_element(gathered.distances.begin(),
                                       gathered.distances.begin() + static_cast<std::ptrdiff_t>(count));
    if (!(*best < from.distance)) return from;
    from = {gathered.slots[static_cast<std::size_t>(best - gathered.distances.begin())], *best};
  }
}

}  // namespace engram::hnsw
