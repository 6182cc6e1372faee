/* The CRC64 of Azure Storage (x-ms-content-crc64): reflected polynomial 0x9A6C9329AC4BC9B5, all ones before and after. */
#ifndef EG_STORAGE_CRC64_H
#define EG_STORAGE_CRC64_H

#include <embergate/bytes.h>

/* Of pieces, in order; begins with 0. Finds accidents of transport, nothing else. */
uint64_t eg_crc64_add(uint64_t crc, eg_bytes b);
/* As the header has it before its base64: least significant byte first. */
void eg_crc64_bytes(uint64_t crc, uint8_t ret[8]);

#endif
