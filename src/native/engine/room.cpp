#include "engine/room.h"

#include <algorithm>

#include "base/error.h"

namespace engram::engine {

bool Room::fits(Load load) const {
  return taken_.memories == 0 || (taken_.memories + load.memories <= capacity_.memories &&
                                  taken_.bytes + load.bytes <= capacity_.bytes);
}

void Room::add(Load load) {
  taken_.memories += load.memories;
  taken_.bytes += load.bytes;
  most_.memories = std::max(most_.memories, taken_.memories);
  most_.bytes = std::max(most_.bytes, taken_.bytes);
}

bool Room::take(Load load, std::optional<Seconds> timeout, const std::function<void()>& between) {
  std::unique_lock lock(mutex_);
  if (line_.empty() && fits(load) && !closed_) {
    add(load);
    return true;
  }
  const auto me = line_.insert(line_.end(), Waiting{interrupts_});
  const struct Leave {
    Room& room;
    std::list<Waiting>::iterator me;
    std::unique_lock<std::mutex>& lock;
    ~Leave() {
      if (!lock.owns_lock()) lock.lock();
      room.line_.erase(me);
      room.changed_.notify_all();  // the next in the line may fit
    }
  } leave{*this, me, lock};
  const auto over = [&] {
    return closed_ || me->interrupts != interrupts_ || (line_.begin() == me && fits(load));
  };
  if (!wait_sliced(lock, changed_, timeout, between, over)) return false;
  if (closed_) throw StoreClosed("the store was closed while the call waited for room in the queue");
  if (!(line_.begin() == me && fits(load))) return false;
  add(load);
  return true;
}

bool Room::try_take(Load load) {
  const std::lock_guard lock(mutex_);
  if (!fits(load)) return false;
  add(load);
  return true;
}

void Room::give_back(Load load) {
  const std::lock_guard lock(mutex_);
  taken_.memories -= load.memories;
  taken_.bytes -= load.bytes;
  if (!line_.empty()) changed_.notify_all();
}

void Room::hold(Load load) {
  const std::lock_guard lock(mutex_);
  add(load);
}

void Room::interrupt() {
  const std::lock_guard lock(mutex_);
  ++interrupts_;
  changed_.notify_all();
}

void Room::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

Load Room::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

Load Room::most() const {
  const std::lock_guard lock(mutex_);
  return most_;
}

}  // namespace engram::engine
