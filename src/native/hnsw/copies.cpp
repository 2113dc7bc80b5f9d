// Nodes of equal codes.
//
// Linked as others are, they would have nothing but each other for neighbours: a walk that enters their
// plateau could not leave it, and one that dies could take others out of reach. So of each code one node is
// linked, and the others are its copies, in a chain that begins at it, doubly linked through their lists on
// level 0:
//
//   node: first copy, neighbours ...        copy: the one before, the next
//
// A walk comes to a copy through its node alone. Whoever links passes copies by and sees nodes only. A copy
// that retires leaves the chain at once; a node that retires is first succeeded by its first copy, which is
// linked as a newcomer is and keeps the rest of the chain.
//
// Invariants, under `copying`: a copy that is present is in the chain of a node that is present, and present
// is every copy in a chain; a node never turns into a copy; no list but the one before it in its chain holds
// a copy.

#include <algorithm>
#include <cstring>
#include <mutex>

#include "hnsw/impl.h"

namespace engram::hnsw {

bool Graph::Impl::same_code(Slot a, Slot b) const {
  return std::memcmp(nodes.code(a), nodes.code(b), nodes.code_bytes()) == 0;
}

// Whether the chain that a copy says it is in holds it.
bool Graph::Impl::in_chain(Slot copy) const {
  const Slot before = load_link(nodes.level0(copy)[0]);
  const Slot next = load_link(nodes.level0(copy)[1]);
  if (before == kNoSlot || !nodes.present.test(before)) return false;
  if (load_link(nodes.level0(before)[nodes.copies.test(before) ? 1 : 0]) != copy) return false;
  if (next == kNoSlot) return true;
  return nodes.present.test(next) && nodes.copies.test(next) && load_link(nodes.level0(next)[0]) == copy;
}

// Makes a newcomer the copy of a node among scratch.candidates; false when none has its code.
bool Graph::Impl::hang(Slot slot, Scratch& scratch) {
  return std::any_of(scratch.candidates.begin(), scratch.candidates.end(), [&](const Candidate& candidate) {
    return same_code(candidate.slot, slot) && hang_under(slot, candidate.slot);
  });
}

bool Graph::Impl::hang_under(Slot slot, Slot node) {
  const std::lock_guard lock(copying);
  if (!nodes.present.test(node) || nodes.leaving.test(node) || nodes.copies.test(node)) return false;
  const Slot next = nodes.first_copy(node);
  const std::span<Slot> own = nodes.level0(slot);
  store_link(own[0], node);
  store_link(own[1], next);
  nodes.copies.set(slot);
  {
    const std::lock_guard list(lock_of(node));
    const std::span<Slot> links = nodes.level0(node);
    if (next == kNoSlot && !make_room_in_front(links)) {
      nodes.copies.clear(slot);
      return false;
    }
    store_link(links[0], slot);
  }
  if (next != kNoSlot) store_link(nodes.level0(next)[0], slot);
  for (std::size_t l = 1; l <= nodes.level(slot); ++l) copy_links(nodes.links(slot, l), {});
  return true;
}

// Moves the first link behind the others, or into the place of one that is not the last to its node; false
// when there is none.
bool Graph::Impl::make_room_in_front(std::span<Slot> links) {
  const auto free =
      std::find_if(links.begin(), links.end(), [](const Slot& link) { return load_link(link) == kNoSlot; });
  if (free != links.end()) {
    store_link(*free, load_link(links[0]));
    return true;
  }
  for (std::size_t i = links.size(); i-- > 0;) {
    if (!nodes.remove_link_to(load_link(links[i]))) continue;
    store_link(links[i], load_link(links[0]));
    return true;
  }
  return false;
}

// Takes a copy out of its chain. Its own links stay, for a walk that stands on it.
void Graph::Impl::unhang(Slot copy) {
  const Slot before = load_link(nodes.level0(copy)[0]);
  const Slot next = load_link(nodes.level0(copy)[1]);
  if (next != kNoSlot) store_link(nodes.level0(next)[0], before);
  if (nodes.copies.test(before)) {
    store_link(nodes.level0(before)[1], next);
    return;
  }
  const std::lock_guard list(lock_of(before));
  const std::span<Slot> links = nodes.level0(before);
  if (next != kNoSlot) {
    store_link(links[0], next);
    return;
  }
  const auto end =
      std::find_if(links.begin(), links.end(), [](const Slot& link) { return load_link(link) == kNoSlot; });
  store_link(links[0], load_link(*(end - 1)));
  store_link(*(end - 1), kNoSlot);
}

// Turns the first copy of a node into a node with the neighbours in scratch.kept; false when it is the first
// no more.
bool Graph::Impl::step_in(Slot copy, Slot node, Scratch& scratch) {
  const std::lock_guard lock(copying);
  if (nodes.first_copy(node) != copy) return false;
  const std::lock_guard list(lock_of(copy));
  std::span<Slot> links = nodes.level0(copy);
  if (const Slot next = load_link(links[1]); next != kNoSlot) {
    store_link(links[0], next);
    links = links.subspan(1);
  }
  copy_links(links, scratch.kept);
  nodes.copies.clear(copy);
  nodes.add_link_to(copy);  // the node's, which was not counted while it led to a copy
  return true;
}

// Takes a slot out of its chain, or lets its copies succeed it: nothing hangs from it afterwards, nor will,
// and it is present no more.
void Graph::Impl::leave(Slot slot, Scratch& scratch) {
  for (;;) {
    Slot heir = kNoSlot;
    {
      const std::lock_guard lock(copying);
      if (nodes.copies.test(slot)) {
        unhang(slot);
      } else {
        heir = nodes.first_copy(slot);
      }
      if (heir == kNoSlot) {
        nodes.present.clear(slot);
        return;
      }
    }
    link(heir, scratch, slot);
  }
}

}  // namespace engram::hnsw
