# SPDX-License-Identifier: Apache-2.0
chancery_test(un adapter_sanctions)
chancery_test(list adapter_sanctions PkgConfig::UTF8PROC)
chancery_test(feed adapter_sanctions lib_worker)
