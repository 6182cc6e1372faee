/* Fuzzes eg_config_parse and eg_config_render: a configuration that is accepted, written and read again is the same.
 *
 *   ./dev fuzz config */
#include "config/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX ((size_t)4 << 20)

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    eg_config *c = NULL;
    eg_config *again = NULL;
    eg_problem p = {0};
    if (eg_config_parse((eg_str){(const char *)data, size}, "/etc/embergate/fuzz.yaml", &c, &p) != EG_OK) {
        require(c == NULL && p.message[0] != '\0' && p.where[0] != '\0');
        return 0;
    }
    require(c->listener_count > 0 && c->tenant_count > 0);
    eg_buf first;
    eg_buf second;
    eg_buf_init(&first, TEXT_MAX);
    eg_buf_init(&second, TEXT_MAX);
    require(eg_config_render(c, &first) == EG_OK);
    require(eg_config_parse(eg_buf_str(&first), "/etc/embergate/again.yaml", &again, &p) == EG_OK);
    require(eg_config_render(again, &second) == EG_OK && eg_str_eq(eg_buf_str(&first), eg_buf_str(&second)));
    eg_buf_done(&first);
    eg_buf_done(&second);
    eg_config_free(again);
    eg_config_free(c);
    return 0;
}
