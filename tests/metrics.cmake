# SPDX-License-Identifier: Apache-2.0
chancery_test(metrics adapter_metrics)
