/* Fuzzes what comes from providers and browsers while the command signs in: eg_loopback_read, eg_provider_read, eg_token_answer_read, eg_id_token_check.
 * An answer that is believed has a code or an error, and never without our state.
 *
 *   ./dev fuzz sign_in */
#include "sign_in.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 1) {
        return 0;
    }
    const eg_str text = {(const char *)data + 1, n - 1};
    eg_problem p = {0};
    if (data[0] % 4 == 0) {
        const eg_loopback_expected expected = {"s", "https://i", (data[0] & 4) != 0};
        eg_loopback_answer a = {.code = ""};
        if (eg_loopback_read(text, 1, &expected, &a) == EG_OK && ((a.code[0] == '\0') == (a.error[0] == '\0') || !memmem(text.ptr, text.len, "state=", 6))) {
            abort();
        }
    } else if (data[0] % 4 == 1) {
        eg_provider provider;
        if (eg_provider_read(text, "https://i", &provider, &p) == EG_OK && strncmp(provider.token, "https://", 8) != 0) {
            abort();
        }
    } else if (data[0] % 4 == 2) {
        eg_token_answer a = {.expires_in_s = 0};
        if (eg_token_answer_read(data[0] & 4 ? 200 : 400, text, &a, &p) == EG_OK && (a.access.len == 0) == (a.error[0] == '\0')) {
            abort();
        }
        eg_token_answer_done(&a);
    } else {
        char name[128] = "";
        const eg_id_token_expected expected = {"https://i", "c", NULL, 0};
        if (eg_id_token_check(text, &expected, name, &p) == EG_OK && strlen(name) >= sizeof name) {
            abort();
        }
    }
    return 0;
}
