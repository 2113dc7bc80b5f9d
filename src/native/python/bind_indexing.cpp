// What the indexer thread calls: batches of the queue into the graph, their rows into the catalog.
#include "python/bind_indexing.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "engine/row_crc.h"
#include "python/gil.h"

namespace py = pybind11;

namespace engram::python {
namespace {

using engine::Queue;
using engine::Seconds;
using engine::Store;
using NoGil = py::call_guard<Released>;
using OptionalText = std::optional<std::string_view>;

// The rows of a batch for the catalog, one after another: a thread that asks for some hundred at once holds
// the GIL no longer than those take.
class Rows {
 public:
  explicit Rows(const Queue::Batch& batch) : batch_(batch) {}

  py::tuple next() {
    for (; chunk_ < batch_.chunks.size(); ++chunk_, row_ = 0) {
      const auto& memories = batch_.chunks[chunk_]->memories;
      while (row_ < memories.size()) {
        const engine::PendingMemory& memory = memories[row_++];
        // As of the batch's end, not as of now: what replaced it later may not outlive a power cut.
        if (memory.dead_at.load(std::memory_order_acquire) >= batch_.through) return row_of(memory);
      }
    }
    throw py::stop_iteration();
  }

 private:
  static py::tuple row_of(const engine::PendingMemory& memory) {
    return py::make_tuple(memory.key, memory.id, memory.content, memory.metadata, memory.confidence,
                          memory.created_at);
  }

  const Queue::Batch& batch_;
  std::size_t chunk_ = 0;
  std::size_t row_ = 0;
};

py::list retired_of(const Queue::Batch& batch) {
  py::list keys;
  for (const auto& chunk : batch.chunks) {
    for (const std::uint64_t key : chunk->retired) keys.append(key);
  }
  return keys;
}

std::optional<Queue::Batch> take_batch(Store& store, std::size_t most, double timeout) {
  const Released released;
  // A wait of ten years is no different from a longer one, and fits every clock.
  Queue::Batch batch = store.take(most, Seconds(std::clamp(timeout, 0.0, 3.15e8)));
  if (batch.chunks.empty()) return std::nullopt;
  return batch;
}

// A text as str or as UTF-8, or None, as SQLite hands them out.
OptionalText text_of(const py::handle value) {
  if (value.is_none()) return std::nullopt;
  if (!py::isinstance<py::bytes>(value) && !py::isinstance<py::str>(value)) {
    throw py::type_error("a text of a row is neither bytes nor str");
  }
  return py::cast<std::string_view>(value);
}

// Errors: TypeError where a field is of another type than is written.
std::uint32_t crc_of(const py::handle key, const py::handle id, const py::handle content,
                     const py::handle metadata, const py::handle confidence, const py::handle created_at) {
  const bool sound = py::isinstance<py::int_>(key) && !id.is_none() &&
                     py::isinstance<py::float_>(confidence) && py::isinstance<py::float_>(created_at);
  if (!sound) throw py::type_error("a field of a row is of another type");
  return engine::row_crc(static_cast<std::uint64_t>(py::cast<std::int64_t>(key)), *text_of(id),
                         text_of(content), text_of(metadata), PyFloat_AS_DOUBLE(confidence.ptr()),
                         PyFloat_AS_DOUBLE(created_at.ptr()));
}

// The fields of all rows, one after another, each row followed by its checksum.
py::list with_crcs(const std::vector<py::tuple>& rows) {
  constexpr std::size_t kFields = 6;
  py::list values(rows.size() * (kFields + 1));
  std::size_t at = 0;
  for (const py::tuple& row : rows) {
    if (row.size() != kFields) throw py::type_error("a row has six fields");
    for (std::size_t i = 0; i < kFields; ++i) values[at++] = row[i];
    values[at++] = crc_of(row[0], row[1], row[2], row[3], row[4], row[5]);
  }
  return values;
}

void bind_batch(py::module_& module) {
  py::class_<Rows>(module, "BatchRows")
      .def("__iter__", [](Rows& rows) -> Rows& { return rows; })
      .def("__next__", &Rows::next);
  py::class_<Queue::Batch>(module, "Batch")
      .def(
          "rows", [](const Queue::Batch& batch) { return Rows(batch); }, py::keep_alive<0, 1>())
      .def_property_readonly("retired", &retired_of)
      .def_property_readonly("through", [](const Queue::Batch& batch) { return batch.through; })
      .def("__len__", [](const Queue::Batch& batch) { return batch.weight; });
}

}  // namespace

void bind_indexing(py::module_& module, py::class_<Store>& store) {
  bind_batch(module);
  module.def("row_crc", &crc_of, py::arg("key"), py::arg("id"), py::arg("content"), py::arg("metadata"),
             py::arg("confidence"), py::arg("created_at"));
  module.def("with_crcs", &with_crcs, py::arg("rows"));
  store.def("take_batch", &take_batch, py::arg("most"), py::arg("timeout"))
      .def_property_readonly("depth", &Store::depth)
      .def(
          "index",
          [](Store& self, const Queue::Batch& batch, bool background) {
            self.index(batch, background ? Priority::kIdle : Priority::kCaller);
          },
          py::arg("batch"), py::arg("background"), NoGil())
      .def("set_aside", &Store::set_aside, py::arg("batch"), NoGil())
      .def("retry_aside", &Store::retry_aside, NoGil())
      .def_property_readonly("aside", &Store::aside)
      .def("uncommitted", &Store::uncommitted, NoGil())
      .def_property_readonly("commit_due", &Store::commit_due)
      .def("sync_for", &Store::sync_for, py::arg("batch"), NoGil())
      .def("committed", &Store::committed, py::arg("batch"), NoGil())
      .def("interrupt_waits", &Store::interrupt_waits, NoGil())
      .def("stop_indexing", &Store::stop_indexing, NoGil());
}

}  // namespace engram::python
