# SPDX-License-Identifier: Apache-2.0
chancery_test(zsock lib_zsock)
chancery_test(keep lib_client)
foreach(name client client_keep client_return)
  chancery_test(${name} lib_client)
  target_sources(test_${name} PRIVATE support/peer.c)
endforeach()
chancery_test(session lib_client broker_log)
add_dependencies(test_session chancery-broker chancery-init)
