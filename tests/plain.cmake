# SPDX-License-Identifier: Apache-2.0
# What a disk is failed under, or a power cut replayed for, thousands of times, and whose memory is
# measured: the programs once more as they are released, without sanitizers, in plain/.
set(PLAIN_DIR ${CMAKE_BINARY_DIR}/bin)
if(CHANCERY_SANITIZE)
  set(PLAIN_DIR ${CMAKE_BINARY_DIR}/plain)
endif()

function(plain_sources to from)
  get_target_property(folder ${from} SOURCE_DIR)
  get_target_property(sources ${from} SOURCES)
  list(TRANSFORM sources PREPEND ${folder}/ REGEX "^[^/]")
  target_sources(${to} PRIVATE ${sources})
endfunction()

function(plain_library library)
  add_library(plain_${library} STATIC EXCLUDE_FROM_ALL)
  plain_sources(plain_${library} ${library})
  add_dependencies(plain_${library} ${library}) # what it is generated from
  target_include_directories(plain_${library} PUBLIC
    $<TARGET_PROPERTY:${library},INTERFACE_INCLUDE_DIRECTORIES>)
  target_compile_options(plain_${library} PUBLIC -O2 -fno-sanitize=all)
  target_link_options(plain_${library} PUBLIC -fno-sanitize=all -Wl,--as-needed)
  target_link_libraries(plain_${library} PUBLIC PkgConfig::UV PkgConfig::ZMQ PkgConfig::LMDB
    PkgConfig::PROTOBUF_C PkgConfig::SODIUM PkgConfig::CRYPTO PkgConfig::UTF8PROC PkgConfig::JANSSON PkgConfig::ARCHIVE
    PkgConfig::EXPAT PkgConfig::CURL PkgConfig::SECCOMP PkgConfig::P11 Threads::Threads lzma ${INIH})
endfunction()

# chancery_plain(PROGRAM LIBRARY...): all that it is linked of, the highest layer first.
function(chancery_plain program)
  if(NOT CHANCERY_SANITIZE)
    return()
  endif()
  add_executable(plain_${program})
  plain_sources(plain_${program} ${program})
  set_target_properties(plain_${program} PROPERTIES
    OUTPUT_NAME ${program} RUNTIME_OUTPUT_DIRECTORY ${PLAIN_DIR})
  foreach(library ${ARGN})
    if(NOT TARGET plain_${library})
      plain_library(${library})
    endif()
    target_link_libraries(plain_${program} PRIVATE plain_${library})
  endforeach()
endfunction()
