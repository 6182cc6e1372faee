/* CRC64 by eight tables, eight bytes a step. */
#include "crc64.h"

#include <pthread.h>

#define POLYNOMIAL UINT64_C(0x9A6C9329AC4BC9B5)
#define STEP 8

static uint64_t tables[STEP][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void) {
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        }
        tables[0][i] = crc;
    }
    for (unsigned i = 0; i < 256; i++) {
        for (int k = 1; k < STEP; k++) {
            tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xff];
        }
    }
}

static uint64_t little_endian(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

uint64_t eg_crc64_add(uint64_t crc, eg_bytes b) {
    pthread_once(&once, fill);
    const uint8_t *p = b.ptr;
    size_t n = b.len;
    crc = ~crc;
    for (; n >= STEP; p += STEP, n -= STEP) {
        const uint64_t v = crc ^ little_endian(p);
        crc = tables[7][v & 0xff] ^ tables[6][v >> 8 & 0xff] ^ tables[5][v >> 16 & 0xff] ^ tables[4][v >> 24 & 0xff] ^
            tables[3][v >> 32 & 0xff] ^ tables[2][v >> 40 & 0xff] ^ tables[1][v >> 48 & 0xff] ^ tables[0][v >> 56];
    }
    for (; n > 0; p++, n--) {
        crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
    }
    return ~crc;
}

void eg_crc64_bytes(uint64_t crc, uint8_t ret[8]) {
    for (int i = 0; i < 8; i++) {
        ret[i] = (uint8_t)(crc >> (8 * i));
    }
}
