/* Fuzzes eg_jwk_set_parse and eg_jwk_set_find: the key sets that a provider sends. What is accepted holds only public keys that may verify,
 * each found under its own name.
 *
 *   ./dev fuzz jwks */
#include "identity/jws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    eg_jwk_set *set = NULL;
    eg_problem p = {0};
    if (eg_jwk_set_parse((eg_str){(const char *)data, size}, &set, &p) != EG_OK) {
        require(set == NULL && p.message[0] != '\0');
        return 0;
    }
    require(size <= EG_JWK_SET_MAX && set->count > 0 && set->count <= EG_JWK_SET_KEYS_MAX);
    for (size_t i = 0; i < set->count; i++) {
        const eg_jwk *k = &set->keys[i];
        require(k->key != NULL && k->alg != EG_JWS_ALG_NONE && k->kid[0] != '\0' && eg_utf8_valid(eg_str_of(k->kid)));
        const eg_jwk *found = eg_jwk_set_find(set, eg_str_of(k->kid));
        require(found != NULL && strcmp(found->kid, k->kid) == 0);
    }
    require(eg_jwk_set_find(set, EG_LIT("")) == NULL);
    eg_jwk_set_unref(set);
    return 0;
}
