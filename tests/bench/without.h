/* SPDX-License-Identifier: Apache-2.0 */
/* without.h - steps left out of a program that is measured, to show what they cost
 *
 * The linker sends calls of some functions to without_*.c (--wrap); the programs that are installed
 * are linked without those files, so there is nothing in them to switch off.  BENCH_WITHOUT names
 * what is left out, with commas between:
 *
 *   curve       no encryption: everybody is the seat whose CURVE key BENCH_SEAT_KEY states
 *   signatures  every signature is a good one
 *   tree        no leaf and no node is computed or stored
 */
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WRAPPED(type, name, ...)     \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

static inline bool without(const char *step)
{
    const char *steps = getenv("BENCH_WITHOUT");

    return steps && strstr(steps, step);
}
