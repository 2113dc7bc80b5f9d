// The kinds of error Engram reports; the bindings map each to the Python class of the same name.
//
// A message is a sentence that names the value and the remedy. Nothing has changed when one is thrown,
// but for DurabilityError, after which the log accepts nothing more.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace engram {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct InvalidInput : Error {  // also a ValueError in Python
  using Error::Error;
};
struct DimensionMismatch : Error {  // also a ValueError in Python
  using Error::Error;
};
struct InvalidVector : Error {  // also a ValueError in Python
  using Error::Error;
};
struct StoreLocked : Error {
  using Error::Error;
};
struct StoreClosed : Error {
  using Error::Error;
};
struct ReadOnlyStore : Error {
  using Error::Error;
};
struct QueueFull : Error {
  using Error::Error;
};
struct UnsupportedFormat : Error {  // a file of a newer format version
  using Error::Error;
};
struct DurabilityError : Error {
  using Error::Error;
};
struct OutOfSpace : Error {
  using Error::Error;
};

struct CorruptionError : Error {
  CorruptionError(std::string file_path, std::uint64_t byte_offset, const std::string& message)
      : Error(message), file(std::move(file_path)), offset(byte_offset) {}
  std::string file;
  std::uint64_t offset;
};

// A call to the operating system failed. Only base/file.cpp throws it; what it means (a lost sync, a full
// disk, a store that is not there) is for the room above to say.
struct IoError : Error {
  IoError(int errno_value, std::string file_path, const std::string& message)
      : Error(message), code(errno_value), path(std::move(file_path)) {}
  int code;
  std::string path;
};

}  // namespace engram
