/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - chancery-embargo: the embargo worker's process */
#include "workers/embargo/embargo.h"

int main(int argc, char **argv)
{
    return worker_main(&embargo, argc, argv);
}
