#include "python/bindings.h"

PYBIND11_MODULE(_native, module) {
  module.doc() = "Engram's native core; import engram instead.";
  engram::python::bind_base(module);
  engram::python::bind_info(module);
  engram::python::bind_index(module);
  engram::python::bind_store(module);
  engram::python::bind_salvage(module);
}
