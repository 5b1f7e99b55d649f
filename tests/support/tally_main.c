/* SPDX-License-Identifier: Apache-2.0 */
/* tally_main.c - the worker of tests as a process */
#include "tests/support/tally.h"

int main(int argc, char **argv)
{
    return worker_main(&tally, argc, argv);
}
