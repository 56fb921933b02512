# weft_room(NAME DEPS target...): the library of src/NAME from all its .cpp files, and one test program
# weft_NAME_test from its *_test.cpp files, each of whose cases ctest runs. The tests' own code is not optimised: that
# takes half of their build, and what they test is optimised.
include(GoogleTest)
set(weft_hot_rooms base message decide runtime telemetry http export proxy)
set(weft_test_options -O0 -U_FORTIFY_SOURCE)

function(weft_room name)
  cmake_parse_arguments(ROOM "" "" "DEPS;TEST_DEPS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  if(sources)
    add_library(weft_${name} STATIC ${sources})
    target_include_directories(weft_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(weft_${name} PUBLIC ${ROOM_DEPS})
    if(name IN_LIST weft_hot_rooms)
      target_compile_options(weft_${name} PRIVATE ${weft_lto_compile})
    endif()
    weft_precompile(weft_${name} weft_pch)
  else()
    add_library(weft_${name} INTERFACE)
    target_include_directories(weft_${name} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(weft_${name} INTERFACE ${ROOM_DEPS})
  endif()
  if(tests)
    add_executable(weft_${name}_test ${tests})
    target_link_libraries(weft_${name}_test PRIVATE weft_${name} ${ROOM_TEST_DEPS} GTest::gtest_main GTest::gmock)
    target_compile_definitions(weft_${name}_test PRIVATE WEFT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_compile_options(weft_${name}_test PRIVATE ${weft_test_options})
    weft_precompile(weft_${name}_test weft_test_pch)
    gtest_discover_tests(weft_${name}_test TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60
                         PROPERTIES TIMEOUT 60 LABELS ${name})
  endif()
endfunction()

# Precompiled headers: one for all rooms, one that adds GoogleTest for all tests. What is in them is what most files
# include anyway; a file still includes what it uses.
set(weft_pch_headers <algorithm> <array> <chrono> <coroutine> <cstdint> <deque> <expected> <functional> <map> <memory>
    <optional> <set> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>
    <fmt/format.h> <nlohmann/json.hpp>)

function(weft_make_pch target)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${target}.cpp "")
  add_library(${target} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${target}.cpp)
  target_link_libraries(${target} PRIVATE nlohmann_json::nlohmann_json)
  target_compile_definitions(${target} PRIVATE GTEST_HAS_PTHREAD=1)
  target_precompile_headers(${target} PRIVATE ${ARGN})
endfunction()

if(WEFT_PCH)
  # ccache can only reuse objects made with a precompiled header that is the same each time.
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  find_package(nlohmann_json REQUIRED)
  weft_make_pch(weft_pch ${weft_pch_headers})
  weft_make_pch(weft_test_pch ${weft_pch_headers} <gtest/gtest.h> <gmock/gmock.h>)
  target_compile_options(weft_test_pch PRIVATE ${weft_test_options})
endif()

function(weft_precompile target pch)
  if(WEFT_PCH)
    target_precompile_headers(${target} REUSE_FROM ${pch})
  endif()
endfunction()
