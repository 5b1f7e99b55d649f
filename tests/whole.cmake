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
chancery_plain(chancery adapter_terminal lib_worker lib_client lib_zsock lib_notify lib_base
  proto_embargo proto_sanctions proto_clock proto_alert proto_core)
chancery_plain(chancery-broker broker_core broker_log lib_zsock lib_notify lib_base proto_core)
chancery_plain(chancery-init broker_log lib_base proto_core)
chancery_plain(chancery-log broker_backup broker_proof broker_log lib_base proto_core)
chancery_plain(chancery-embargo worker_embargo lib_worker lib_client lib_zsock lib_notify lib_base
  proto_embargo proto_sanctions proto_core)
chancery_plain(chancery-audit worker_embargo lib_worker lib_client lib_zsock lib_notify lib_base
  proto_embargo proto_sanctions proto_core)
chancery_plain(chancery-sanctions adapter_sanctions lib_worker lib_client lib_zsock lib_notify lib_base
  proto_sanctions proto_core)
chancery_plain(chancery-list-parse adapter_sanctions list_sandbox lib_base proto_sanctions proto_core)
chancery_plain(chancery-alert adapter_alert lib_worker lib_client lib_zsock lib_notify lib_base
  proto_embargo proto_alert proto_sanctions proto_core)
chancery_plain(acked broker_log lib_base proto_core)
chancery_plain(load lib_client lib_zsock lib_base proto_core)

# spoils a stopped instance's log
add_executable(plant support/plant.c)
target_link_libraries(plant PRIVATE broker_log PkgConfig::LMDB)
chancery_target(plant)

function(chancery_integration name timeout)
  add_test(NAME integration.${name} COMMAND ${PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/integration/${name}.py)
  set_tests_properties(integration.${name} PROPERTIES TIMEOUT ${timeout}
    ENVIRONMENT "BUILD_DIR=${CMAKE_BINARY_DIR};PLAIN_DIR=${PLAIN_DIR};SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

chancery_integration(whole 900)
chancery_integration(kill 5400)
chancery_integration(worker 900)
chancery_integration(readme 600)
chancery_integration(fault 14400)
chancery_integration(power 5400)
chancery_integration(disk 900)
chancery_integration(drill 600)
chancery_integration(pause 3600)
chancery_integration(net 3600)
chancery_integration(combine 3600)
chancery_integration(soak 9000)
chancery_integration(clock 600)
chancery_integration(notify 600)
chancery_integration(docs 300)
chancery_integration(units 60)
chancery_integration(parser 600)
chancery_integration(trust 600)
chancery_integration(verify 900)
chancery_integration(damage 1800)
chancery_integration(package 1800)
foreach(name demo diff doctor export lists metrics names publish purge receipts service usage watch)
  chancery_integration(${name} 600)
endforeach()
chancery_integration(examples 900)
