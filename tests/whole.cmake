# SPDX-License-Identifier: Apache-2.0
# Real processes on directories of their own.
include(${CMAKE_CURRENT_SOURCE_DIR}/plain.cmake)
foreach(name load say)
  add_executable(${name} support/${name}.c)
  target_link_libraries(${name} PRIVATE lib_worker proto_embargo proto_sanctions)
  chancery_target(${name})
endforeach()
add_executable(acked support/acked.c)
target_link_libraries(acked PRIVATE broker_log)
chancery_target(acked)
chancery_plain(chancery adapter_terminal lib_worker lib_client lib_zsock lib_base
  proto_embargo proto_sanctions proto_clock proto_alert proto_core)
chancery_plain(chancery-broker broker_core broker_log lib_zsock lib_base proto_core)
chancery_plain(chancery-init broker_log lib_base proto_core)
chancery_plain(chancery-log broker_log lib_base proto_core)
chancery_plain(acked broker_log lib_base proto_core)
chancery_plain(load lib_client lib_zsock lib_base proto_core)

function(chancery_integration name timeout)
  add_test(NAME integration.${name} COMMAND ${PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/integration/${name}.py)
  set_tests_properties(integration.${name} PROPERTIES TIMEOUT ${timeout}
    ENVIRONMENT "BUILD_DIR=${CMAKE_BINARY_DIR};PLAIN_DIR=${PLAIN_DIR};SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

chancery_integration(whole 900)
chancery_integration(kill 5400)
chancery_integration(worker 900)
chancery_integration(readme 600)
chancery_integration(fault 900)
chancery_integration(power 900)
chancery_integration(disk 900)
