/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/slice.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/mem.h"

uint8_t *buf_grow(struct buf *b, size_t size)
{
    if (!b->data || size > b->capacity - b->size) {
        size_t capacity = b->capacity ? b->capacity : 64;
        while (capacity - b->size < size)
            capacity *= 2;
        b->data = mem_grow(b->data, capacity);
        b->capacity = capacity;
    }
    b->size += size;
    return b->data + b->size - size;
}

void buf_add(struct buf *b, const void *data, size_t size)
{
    if (size)
        memcpy(buf_grow(b, size), data, size);
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_byte(struct buf *b, uint8_t byte)
{
    *buf_grow(b, 1) = byte;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *at = (char *)buf_grow(b, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(at, (size_t)n + 1, format, args);
    va_end(args);
    b->size--;
}

void buf_reset(struct buf *b)
{
    b->size = 0;
}

void buf_free(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){0};
}

const char *buf_cstr(struct buf *b)
{
    *buf_grow(b, 1) = '\0';
    b->size--;
    return (const char *)b->data;
}

void hex_encode(char *out, const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_decode(uint8_t *out, size_t size, const char *hex)
{
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return hex[2 * size] == '\0';
}

void base64_encode(struct buf *out, struct slice data)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < data.size; i += 3) {
        size_t left = data.size - i;
        uint32_t v = (uint32_t)data.data[i] << 16;
        if (left > 1)
            v |= (uint32_t)data.data[i + 1] << 8;
        if (left > 2)
            v |= data.data[i + 2];
        char four[4] = {letters[v >> 18], letters[v >> 12 & 63],
                        left > 1 ? letters[v >> 6 & 63] : '=', left > 2 ? letters[v & 63] : '='};
        buf_add(out, four, 4);
    }
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct buf *out, struct slice text)
{
    size_t start = out->size;

    if (text.size % 4 != 0)
        return ERR_MALFORMED;
    for (size_t i = 0; i < text.size; i += 4) {
        bool last = i + 4 == text.size;
        size_t pad = last && text.data[i + 3] == '=' ? (text.data[i + 2] == '=' ? 2 : 1) : 0;
        uint32_t v = 0;
        for (size_t k = 0; k < 4 - pad; k++) {
            int digit = base64_digit(text.data[i + k]);
            if (digit < 0)
                goto malformed;
            v |= (uint32_t)digit << (18 - 6 * k);
        }
        if ((pad == 2 && v & 0xffff) || (pad == 1 && v & 0xff))
            goto malformed;
        uint8_t three[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        buf_add(out, three, 3 - pad);
    }
    return 0;
malformed:
    out->size = start;
    return ERR_MALFORMED;
}
