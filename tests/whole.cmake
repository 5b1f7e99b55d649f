# SPDX-License-Identifier: Apache-2.0
# Real processes on directories of their own.
foreach(name load say)
  add_executable(${name} support/${name}.c)
  target_link_libraries(${name} PRIVATE lib_worker proto_embargo proto_sanctions)
  chancery_target(${name})
endforeach()

function(chancery_integration name timeout)
  add_test(NAME integration.${name} COMMAND ${PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/integration/${name}.py)
  set_tests_properties(integration.${name} PROPERTIES TIMEOUT ${timeout}
    ENVIRONMENT "BUILD_DIR=${CMAKE_BINARY_DIR};SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

chancery_integration(whole 900)
chancery_integration(kill 5400)
chancery_integration(readme 600)
chancery_integration(fault 900)
chancery_integration(notify 600)
chancery_integration(docs 300)
chancery_integration(units 60)
