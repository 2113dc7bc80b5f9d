# GTest::gtest_main and GTest::gmock, compiled here from the source that Debian's libgtest-dev or googletest
# packages install, so that a sanitizer sees into it and it exists for every processor we build for.
set(ENGRAM_GTEST_SOURCE /usr/src/googletest CACHE PATH "A checkout of GoogleTest")
if(EXISTS ${ENGRAM_GTEST_SOURCE}/googletest/src/gtest-all.cc)
  # Not by add_subdirectory: its own CMake files ask for a CMake older than those of today support quietly.
  add_library(engram_gtest STATIC EXCLUDE_FROM_ALL
    ${ENGRAM_GTEST_SOURCE}/googletest/src/gtest-all.cc
    ${ENGRAM_GTEST_SOURCE}/googlemock/src/gmock-all.cc
    ${ENGRAM_GTEST_SOURCE}/googletest/src/gtest_main.cc)
  foreach(part googletest googlemock)
    target_include_directories(engram_gtest SYSTEM PUBLIC ${ENGRAM_GTEST_SOURCE}/${part}/include)
    target_include_directories(engram_gtest PRIVATE ${ENGRAM_GTEST_SOURCE}/${part})
  endforeach()
  target_link_libraries(engram_gtest PUBLIC Threads::Threads)
  add_library(GTest::gtest_main ALIAS engram_gtest)
  add_library(GTest::gmock ALIAS engram_gtest)
else()
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    message(FATAL_ERROR "GoogleTest was not found: install it (Debian, Ubuntu: apt install libgtest-dev), "
      "or give the path of its source by -DENGRAM_GTEST_SOURCE=...")
  endif()
endif()
