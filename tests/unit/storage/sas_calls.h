/* Signatures for tests: a query that is signed with the account's first key, or with the delegation key that it names. */
#ifndef TESTS_UNIT_STORAGE_SAS_CALLS_H
#define TESTS_UNIT_STORAGE_SAS_CALLS_H

#include "storage_fixture.h"

#include "delegation_key.h"
#include "sas.h"

/* The signature of text, in base64; ret is done by the caller. */
static inline void sas_mac(eg_bytes key, eg_str text, eg_buf *ret) {
    uint8_t mac[EG_SHA256_LEN];
    eg_hmac_sha256(key, eg_str_bytes(text), mac);
    eg_buf_init(ret, 256);
    assert_int_equal(eg_base64((eg_bytes){mac, sizeof mac}, ret), EG_OK);
}

/* ret: fields and their signature, for what is asked for at `r`. */
static inline void sas_sign(store *s, const char *fields, const eg_sas_request *r, char ret[4096]) {
    eg_arena *arena = eg_arena_new(65536);
    eg_sas sas = {.kind = EG_SAS_NONE};
    eg_buf text;
    eg_buf signature;
    eg_buf encoded;
    snprintf(ret, 4096, "%s&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%%3D", fields);
    assert_int_equal(eg_sas_parse(arena, eg_str_of(ret), &sas, NULL), EG_OK);
    eg_buf_init(&text, EG_STRING_TO_SIGN_MAX);
    const bool named = sas.f[EG_SAS_SRH].len > 0 || sas.f[EG_SAS_SRQ].len > 0;
    assert_int_equal(eg_sas_string(&sas, r, named ? 1 : 0, &text), EG_OK);
    if (sas.kind == EG_SAS_DELEGATION) {
        uint8_t key[EG_SHA256_LEN];
        const eg_delegation d = {sas.f[EG_SAS_SKOID], sas.f[EG_SAS_SKTID], sas.f[EG_SAS_SKT], sas.f[EG_SAS_SKE], sas.f[EG_SAS_SKS], sas.f[EG_SAS_SKV], sas.f[EG_SAS_SKDUTID]};
        assert_int_equal(eg_delegation_key(s->storage, store_account(s), &d, key), EG_OK);
        sas_mac((eg_bytes){key, sizeof key}, eg_buf_str(&text), &signature);
    } else {
        eg_secret *key = NULL;
        int64_t created;
        assert_int_equal(eg_account_keys_get(s->storage, store_account(s), EG_ACCOUNT_KEY_1, &key, &created), EG_OK);
        sas_mac(eg_secret_bytes(key), eg_buf_str(&text), &signature);
        eg_secret_free(key);
    }
    eg_buf_init(&encoded, 512);
    assert_int_equal(eg_percent_encode(eg_buf_str(&signature), false, &encoded), EG_OK);
    snprintf(ret, 4096, "%s&sig=%s", fields, encoded.ptr);
    eg_buf_done(&text);
    eg_buf_done(&signature);
    eg_buf_done(&encoded);
    eg_arena_free(arena);
}

#endif
