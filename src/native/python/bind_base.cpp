#include <cerrno>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "base/crc32c.h"
#include "base/error.h"
#include "python/bindings.h"
#include "python/gil.h"

namespace py = pybind11;

namespace engram::python {
namespace {

// The Python classes live in engram._errors, so that they are documented and typed there.
py::object error_class(const char* name) {
  return py::module_::import("engram._errors").attr(name);
}

// As Python names files: a path that is not UTF-8 keeps its bytes.
py::object text(std::string_view bytes) {
  PyObject* decoded =
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<py::ssize_t>(bytes.size()), "surrogateescape");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(decoded);
}

void raise(const char* name, const std::exception& error) {
  PyErr_SetObject(error_class(name).ptr(), text(error.what()).ptr());
}

void raise_corruption(const CorruptionError& error) {
  const py::object raised =
      error_class("CorruptionError")(text(error.what()), text(error.file), error.offset);
  PyErr_SetObject(error_class("CorruptionError").ptr(), raised.ptr());
}

// Where nothing above had more to say of a full disk: a file that is written whole and beside the one it
// replaces, so that nothing has changed.
void raise_io(const IoError& error) {
  if (error.code == ENOSPC || error.code == EDQUOT) {
    raise("OutOfSpace", OutOfSpace(std::string(error.what()) + "; free some space and try again"));
  } else {
    raise("EngramError", error);
  }
}

void translate(std::exception_ptr pointer) {
  if (!pointer) return;
  try {
    std::rethrow_exception(pointer);
  } catch (const CorruptionError& error) {
    raise_corruption(error);
  } catch (const DimensionMismatch& error) {
    raise("DimensionMismatch", error);
  } catch (const InvalidVector& error) {
    raise("InvalidVector", error);
  } catch (const InvalidInput& error) {
    raise("InvalidInput", error);
  } catch (const StoreLocked& error) {
    raise("StoreLocked", error);
  } catch (const StoreClosed& error) {
    raise("StoreClosed", error);
  } catch (const ReadOnlyStore& error) {
    raise("ReadOnlyStore", error);
  } catch (const QueueFull& error) {
    raise("QueueFull", error);
  } catch (const UnsupportedFormat& error) {
    raise("UnsupportedFormat", error);
  } catch (const DurabilityError& error) {
    raise("DurabilityError", error);
  } catch (const OutOfSpace& error) {
    raise("OutOfSpace", error);
  } catch (const IoError& error) {
    raise_io(error);
  } catch (const Error& error) {
    raise("EngramError", error);
  }
}

}  // namespace

void bind_base(py::module_& module) {
  py::register_local_exception_translator(&translate);
  module.def(
      "crc32c",
      [](const py::bytes& data) {
        const std::string_view bytes(data);
        return crc32c(0, std::as_bytes(std::span(bytes)));
      },
      py::arg("data"));
  module.def("make_way", &std::this_thread::yield, py::call_guard<Released>());
  // For what the child of a fork must not destroy, not even when its interpreter ends.
  module.def("leak", [](const py::object& thing) { thing.inc_ref(); }, py::arg("thing"));
}

}  // namespace engram::python
