/* Fuzzes count_alive of compute/cluster_probe.c: what listens where a cluster's master should answers in any way, and becomes a number of workers or a refusal.
 *
 *   ./dev fuzz probe */
#include "cluster_probe.c" /* Exception to "every file by itself": the function is static, and it is what is fuzzed */

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    unsigned alive = 0;
    eg_buf b;
    eg_buf_init(&b, ANSWER_MAX);
    if (eg_buf_add(&b, data, size) == EG_OK && count_alive(&b, &alive) == EG_OK && alive > size / sizeof "ALIVE") {
        abort();
    }
    eg_buf_done(&b);
    return 0;
}
