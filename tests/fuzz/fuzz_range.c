/* Fuzzes eg_range_header_parse and eg_permissions_parse: what they accept lies within the file, or is a mode.
 *
 *   ./dev fuzz range */
#include "permissions.h"
#include "range_header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 2) {
        return 0;
    }
    const uint64_t length = eg_get_u16(data);
    const eg_str text = {(const char *)data + 2, n - 2};
    uint64_t from = 0;
    uint64_t to = 0;
    if (eg_range_header_parse(text, length, &from, &to) == EG_OK && !(from < to && to <= length)) {
        abort();
    }
    uint16_t mode = 0;
    if (eg_permissions_parse(text, &mode) == EG_OK && mode > 01777) {
        abort();
    }
    return 0;
}
