#include "python/bind_tiers.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <string>
#include <utility>

#include "base/error.h"
#include "python/gil.h"

namespace py = pybind11;

namespace engram::python {
namespace {

using engine::kTierNames;
using engine::kTiers;
using engine::Store;
template <class T>
using Array = py::array_t<T, py::array::c_style>;

// An array over the column itself, which it keeps.
template <class T>
py::array_t<T> array_of(SystemVector<T>&& column) {
  auto* const kept = std::make_unique<SystemVector<T>>(std::move(column)).release();
  const py::capsule owner(kept, [](void* held) { delete static_cast<SystemVector<T>*>(held); });
  return py::array_t<T>(static_cast<py::ssize_t>(kept->size()), kept->data(), owner);
}

py::dict tier_table(const Store& store, double now) {
  engine::TierTable table;
  {
    const Released released;
    table = store.tier_table(now);
  }
  py::dict columns;
  columns["key"] = array_of(std::move(table.keys));
  columns["tier"] = array_of(std::move(table.tiers));
  columns["activation"] = array_of(std::move(table.activations));
  columns["idle"] = array_of(std::move(table.idle));
  columns["bytes"] = array_of(std::move(table.bytes));
  return columns;
}

engine::MoveOptions options_of(std::uint64_t catalog_lsn, std::optional<double> bytes_per_second) {
  if (bytes_per_second && !(*bytes_per_second > 0)) {
    throw InvalidInput("bytes_per_second is " + std::to_string(*bytes_per_second) + ": give more than 0");
  }
  engine::MoveOptions how;
  how.catalog_lsn = catalog_lsn;
  how.bytes_per_second = bytes_per_second.value_or(engine::MoveOptions::kUnlimited);
  how.on_wait = check_signals;
  return how;
}

std::vector<engine::Tier> tiers_of(const Array<std::uint8_t>& targets) {
  std::vector<engine::Tier> tiers;
  tiers.reserve(static_cast<std::size_t>(targets.size()));
  for (py::ssize_t i = 0; i < targets.size(); ++i) {
    const std::uint8_t tier = targets.data()[i];
    if (tier >= kTiers) {
      throw InvalidInput("row " + std::to_string(i) + " names tier " + std::to_string(tier) +
                         ": there are 0 (hot), 1 (warm) and 2 (cold)");
    }
    tiers.push_back(static_cast<engine::Tier>(tier));
  }
  return tiers;
}

py::dict move(Store& store, const Array<std::uint64_t>& keys, const Array<std::uint8_t>& targets,
              std::uint64_t catalog_lsn, std::optional<double> bytes_per_second) {
  if (keys.ndim() != 1 || targets.ndim() != 1 || keys.size() != targets.size()) {
    throw InvalidInput("move wants one target for each of " + std::to_string(keys.size()) + " keys, not " +
                       std::to_string(targets.size()));
  }
  // Copied: another thread may write into the arrays meanwhile.
  const std::vector<std::uint64_t> wanted(keys.data(), keys.data() + keys.size());
  const std::vector<engine::Tier> tiers = tiers_of(targets);
  const engine::MoveOptions how = options_of(catalog_lsn, bytes_per_second);
  engine::MoveReport report;
  {
    const Released released;
    report = store.move(wanted, tiers, how);
  }
  py::dict moved;
  for (std::size_t from = 0; from < kTiers; ++from) {
    for (std::size_t to = 0; to < kTiers; ++to) {
      if (from != to) moved[py::make_tuple(kTierNames[from], kTierNames[to])] = report.moved[from][to];
    }
  }
  py::dict result;
  result["moved"] = moved;
  result["stayed"] = report.stayed;
  result["unknown"] = report.unknown;
  result["bytes"] = report.bytes;
  result["seconds"] = report.seconds;
  return result;
}

py::dict compact(Store& store, std::optional<double> bytes_per_second) {
  const engine::MoveOptions how = options_of(0, bytes_per_second);
  engine::CompactReport report;
  {
    const Released released;
    report = store.compact(how);
  }
  py::dict result;
  result["rewritten"] = report.rewritten;
  result["segments"] = report.segments;
  result["rows"] = report.rows;
  result["dropped"] = report.dropped;
  result["bytes"] = report.bytes;
  result["seconds"] = report.seconds;
  return result;
}

}  // namespace

void bind_tiers(py::class_<Store>& store) {
  store.def("tier_table", &tier_table, py::arg("now"))
      .def("move", &move, py::arg("keys").noconvert(), py::arg("targets").noconvert(), py::arg("catalog_lsn"),
           py::arg("bytes_per_second"))
      .def("compact", &compact, py::arg("bytes_per_second"));
}

}  // namespace engram::python
