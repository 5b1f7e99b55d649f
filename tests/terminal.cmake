# SPDX-License-Identifier: Apache-2.0
chancery_test(json lib_base proto_embargo)
foreach(name card contacts draft forecast near pick progress rates report roll text told)
  chancery_test(${name} adapter_terminal)
endforeach()

# the fuzz targets of files that people send need the terminal, which the loop over fuzz/*.c does not name
cmake_language(DEFER CALL target_link_libraries fuzz_card PRIVATE adapter_terminal)
cmake_language(DEFER CALL target_link_libraries fuzz_contacts PRIVATE adapter_terminal)
