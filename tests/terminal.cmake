# SPDX-License-Identifier: Apache-2.0
chancery_test(json lib_base proto_embargo)
foreach(name draft forecast near pick progress rates report text told)
  chancery_test(${name} adapter_terminal)
endforeach()
