# SPDX-License-Identifier: Apache-2.0
foreach(name slice hash tree tile scan sign delegation note proof envelope conf program seal vectors)
  chancery_test(${name} lib_base)
endforeach()
chancery_test(bombs lib_base)
target_sources(test_bombs PRIVATE support/bombs.c)
target_sources(test_vectors PRIVATE support/vectors.c)
target_link_libraries(test_vectors PRIVATE PkgConfig::SODIUM)
target_link_libraries(test_proof PRIVATE PkgConfig::SODIUM)
target_link_libraries(test_sign PRIVATE PkgConfig::CRYPTO)
target_link_libraries(test_seal PRIVATE PkgConfig::SODIUM)

# softhsm2's library: where it is not installed, the tests of tokens are not there
find_library(SOFTHSM softhsm2 PATH_SUFFIXES softhsm)
if(SOFTHSM)
  chancery_test(token lib_base PkgConfig::SODIUM PkgConfig::P11)
  target_compile_definitions(test_token PRIVATE SOFTHSM="${SOFTHSM}")
  set_tests_properties(unit.token PROPERTIES ENVIRONMENT
    "LSAN_OPTIONS=print_suppressions=0:suppressions=${CMAKE_CURRENT_SOURCE_DIR}/support/softhsm.supp")
endif()

chancery_test(notify lib_notify)
chancery_test(sandbox lib_sandbox)
chancery_test(sandbox_parser lib_sandbox)

# the examples for other languages, checked without any code of ours
add_test(NAME lib.vectors COMMAND ${PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/vectors.py
  ${CMAKE_SOURCE_DIR}/proto/vectors.json)
set_tests_properties(lib.vectors PROPERTIES SKIP_RETURN_CODE 77)

# writes proto/vectors.json anew: only when the contract changes
add_executable(make_vectors EXCLUDE_FROM_ALL support/make_vectors.c support/vectors.c)
target_include_directories(make_vectors PRIVATE ${CMAKE_BINARY_DIR}/include/tests)
target_link_libraries(make_vectors PRIVATE lib_base PkgConfig::SODIUM)
chancery_target(make_vectors)
