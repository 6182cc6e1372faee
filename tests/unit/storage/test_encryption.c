/* Customer-provided keys, encryption scopes and the encryption context, through the route table. covers: encryption.c file_key.c scope.c scope_admin.c */
#include "storage_fixture.h"

#define KEY_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SHA_A "Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU="
#define KEY_B "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SHA_B "AdD6vSUfy74rk7S5J7Jq0qGpkHcVLkXe0eZ4r6RdvsU="
#define WITH(key, sha) "x-ms-encryption-key", key, "x-ms-encryption-key-sha256", sha, "x-ms-encryption-algorithm", "AES256"

/* The digests above, so that a wrong constant is not taken for a refusal. */
static void digest_text(const char *key, char ret[64]) {
    uint8_t raw[32];
    uint8_t digest[EG_SHA256_LEN];
    size_t n = 0;
    eg_buf b;
    eg_buf_init(&b, 64);
    assert_int_equal(eg_unbase64(eg_str_of(key), raw, sizeof raw, &n), EG_OK);
    eg_sha256((eg_bytes){raw, n}, digest);
    assert_int_equal(eg_base64((eg_bytes){digest, sizeof digest}, &b), EG_OK);
    memcpy(ret, b.ptr, b.len);
    ret[b.len] = '\0';
    eg_buf_done(&b);
}

static void make(store *s, const char *path, const char *body) {
    const size_t n = strlen(body);
    char query[64];
    answer a = store_call(s, &(call){.method = "PUT", .path = path, .query = "resource=file", .headers = {WITH(KEY_A, SHA_A), "x-ms-encryption-context", "Y29udGV4dA=="}});
    assert_int_equal(a.status, 201);
    assert_string_equal(answer_header(&a, "x-ms-encryption-key-sha256"), SHA_A);
    assert_string_equal(answer_header(&a, "x-ms-request-server-encrypted"), "true");
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = path, .query = "action=append&position=0", .headers = {WITH(KEY_A, SHA_A)}, .body = body, .body_len = n}), EG_OK);
    snprintf(query, sizeof query, "action=flush&position=%zu", n);
    a = store_call(s, &(call){.method = "PATCH", .path = path, .query = query, .headers = {WITH(KEY_A, SHA_A)}});
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "x-ms-encryption-key-sha256"), SHA_A);
    answer_free(&a);
}

static void constants(void **state) {
    (void)state;
    char text[64];
    digest_text(KEY_A, text);
    assert_string_equal(text, SHA_A);
    digest_text(KEY_B, text);
    assert_string_equal(text, SHA_B);
}

static void whole_life(void **state) {
    store *s = *state;
    make(s, "/data/f", "hello");
    answer a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {WITH(KEY_A, SHA_A)}});
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "x-ms-encryption-key-sha256"), SHA_A);
    assert_string_equal(answer_header(&a, "x-ms-server-encrypted"), "true");
    assert_string_equal(answer_header(&a, "x-ms-encryption-context"), "Y29udGV4dA==");
    assert_int_equal(a.body.len, 5);
    assert_memory_equal(a.body.ptr, "hello", 5);
    answer_free(&a);
    /* The bare status needs no key, properties do. */
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f", .query = "action=getStatus"});
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "x-ms-encryption-context"), "Y29udGV4dA==");
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/data", .query = "resource=filesystem&recursive=false"});
    assert_non_null(strstr(a.body.ptr, "\"EncryptionContext\":\"Y29udGV4dA==\",\"CustomerProvidedKeySha256\":\"" SHA_A "\""));
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/data/f"}), EG_ERR_CUSTOMER_KEY_MISSING);
    assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/data/f", .headers = {WITH(KEY_A, SHA_A)}}), EG_OK);
    /* Another name changes nothing, and deleting needs no key. */
    assert_int_equal(store_rename(s, "/data/f", "/data/g"), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/g", .headers = {WITH(KEY_A, SHA_A)}}), EG_OK);
    assert_int_equal(store_delete(s, "/data/g", ""), EG_OK);
}

static void refused(void **state) {
    store *s = *state;
    make(s, "/data/f", "hello");
    store_write(s, "/data/plain", "hello", 5);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f"}), EG_ERR_CUSTOMER_KEY_MISSING);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {WITH(KEY_B, SHA_B)}}), EG_ERR_CUSTOMER_KEY_MISMATCH);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/plain", .headers = {WITH(KEY_A, SHA_A)}}), EG_ERR_CUSTOMER_KEY_UNUSED);
    assert_int_equal(store_append(s, "/data/f", 5, "x", 1), EG_ERR_CUSTOMER_KEY_MISSING);
    assert_int_equal(store_flush(s, "/data/f", 5), EG_ERR_CUSTOMER_KEY_MISSING);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=append&position=5", .headers = {WITH(KEY_B, SHA_B)}, .body = "x", .body_len = 1}),
                     EG_ERR_CUSTOMER_KEY_MISMATCH);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setProperties"}), EG_ERR_CUSTOMER_KEY_MISSING);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=metadata"}), EG_ERR_CUSTOMER_KEY_MISSING);
    answer a = store_call(s, &(call){.method = "GET", .path = "/data/f"});
    assert_int_equal(a.status, 409);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "BlobUsesCustomerSpecifiedEncryption");
    answer_free(&a);
}

static void malformed(void **state) {
    store *s = *state;
    static const char *const rows[][7] = {
        {"x-ms-encryption-key", KEY_A, NULL},
        {"x-ms-encryption-key", KEY_A, "x-ms-encryption-key-sha256", SHA_A, NULL},
        {"x-ms-encryption-key", KEY_A, "x-ms-encryption-algorithm", "AES256", NULL},
        {"x-ms-encryption-key-sha256", SHA_A, NULL},
        {"x-ms-encryption-algorithm", "AES256", NULL},
        {WITH(KEY_A, SHA_B), NULL},
        {WITH("AAAA", SHA_A), NULL},
        {WITH("***", SHA_A), NULL},
        {"x-ms-encryption-key", KEY_A, "x-ms-encryption-key-sha256", SHA_A, "x-ms-encryption-algorithm", "AES128", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        call c = {.method = "PUT", .path = "/data/f", .query = "resource=file"};
        memcpy(c.headers, rows[i], sizeof rows[i]);
        assert_int_equal(store_do(s, c), EG_ERR_HTTP_HEADER);
    }
    assert_int_equal(store_head(s, "/data/f"), EG_ERR_PATH_NOT_FOUND);
}

/* Without the customer's key the keeper's data key alone opens no segment, and the digest in the row is not the only guard. */
static void the_key_is_needed(void **state) {
    store *s = *state;
    make(s, "/data/f", "hello");
    const eg_account *a = store_account(s);
    eg_kv_txn *t = NULL;
    eg_change where = {.account = a, .grant = &eg_grant_all, .container = EG_LIT(FS), .path = EG_LIT("f")};
    eg_place place;
    eg_inode i;
    eg_arena *arena = eg_arena_new(65536);
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_path_find(t, &where, &place, &i, NULL), EG_OK);
    assert_int_equal(eg_ns_inode_keep(&i, arena), EG_OK);
    eg_kv_read_end(t);
    i.attr[EG_ATTR_CUSTOMER_KEY] = (eg_bytes){NULL, 0};
    eg_content_reader *r = NULL;
    uint8_t got[8];
    size_t n = 0;
    assert_int_equal(eg_content_reader_new(s->storage, a, &i, (eg_span){0, 5}, &r), EG_OK);
    assert_int_equal(eg_content_reader_read(r, got, sizeof got, &n), EG_ERR_CORRUPT);
    eg_content_reader_free(r);
    eg_arena_free(arena);
}

static eg_err scope_add(store *s, const char *scope, const char *key) {
    eg_problem p = {0};
    return eg_storage_scope_add(s->storage, EG_LIT(ACCOUNT), eg_str_of(scope), eg_str_of(key), &p);
}

static void write_in(store *s, const char *path, const char *scope) {
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = path, .query = "resource=file", .headers = {scope ? "x-ms-encryption-scope" : NULL, scope}}), EG_OK);
    assert_int_equal(store_append(s, path, 0, "hello", 5), EG_OK);
    assert_int_equal(store_flush(s, path, 5), EG_OK);
}

/* The name of the key that a file's data key is wrapped under, "" for the tenant's own. */
static void key_of(store *s, const char *path, char ret[EG_KEY_NAME_MAX + 1]) {
    eg_kv_txn *t = NULL;
    eg_change where = {.account = store_account(s), .grant = &eg_grant_all, .container = EG_LIT(FS), .path = eg_str_of(path)};
    eg_place place;
    eg_inode i;
    eg_str name = {NULL, 0};
    uint32_t version = 0;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_path_find(t, &where, &place, &i, NULL), EG_OK);
    assert_true(eg_wrapped_key_head(i.attr[EG_ATTR_WRAPPED_KEY], &name, &version));
    memcpy(ret, name.len ? name.ptr : "", name.len);
    ret[name.len] = '\0';
    eg_kv_read_end(t);
}

static void scopes(void **state) {
    store *s = *state;
    char key[EG_KEY_NAME_MAX + 1];
    eg_problem p = {0};
    assert_int_equal(scope_add(s, "finance", ""), EG_OK);
    assert_int_equal(scope_add(s, "finance", ""), EG_ERR_EXISTS);
    assert_int_equal(scope_add(s, "Finance", ""), EG_ERR_INVALID);
    assert_int_equal(scope_add(s, "other", "nobodys-key"), EG_ERR_NOT_FOUND);
    assert_int_equal(s->keys->make_key(s->keys->ctx, EG_LIT(TENANT), EG_LIT("cmk")), EG_OK);
    assert_int_equal(scope_add(s, "managed", "cmk"), EG_OK);
    write_in(s, "/data/f", "finance");
    write_in(s, "/data/m", "managed");
    write_in(s, "/data/n", NULL);
    key_of(s, "f", key);
    assert_string_equal(key, "acct.finance");
    key_of(s, "m", key);
    assert_string_equal(key, "cmk");
    key_of(s, "n", key);
    assert_string_equal(key, "");
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/x", .query = "resource=file", .headers = {"x-ms-encryption-scope", "unknown"}}), EG_ERR_SCOPE_NOT_FOUND);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/x", .query = "resource=file", .headers = {WITH(KEY_A, SHA_A), "x-ms-encryption-scope", "finance"}}),
                     EG_ERR_HTTP_HEADER);
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/f"});
    assert_string_equal(answer_header(&a, "x-ms-encryption-scope"), "finance");
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/data", .query = "resource=filesystem&recursive=true"});
    eg_buf_add(&a.body, "", 1);
    assert_non_null(strstr(a.body.ptr, "\"EncryptionScope\":\"finance\""));
    answer_free(&a);
    /* Disabled: neither read nor written, the others unharmed; enabled again it is as before. */
    assert_int_equal(eg_storage_scope_enable(s->storage, EG_LIT(ACCOUNT), EG_LIT("finance"), false, &p), EG_OK);
    a = store_read(s, "/data/f");
    assert_int_equal(a.status, 403);
    assert_int_equal(a.err, EG_ERR_SCOPE_DISABLED);
    answer_free(&a);
    assert_int_equal(store_append(s, "/data/f", 5, "x", 1), EG_ERR_SCOPE_DISABLED);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/x", .query = "resource=file", .headers = {"x-ms-encryption-scope", "finance"}}), EG_ERR_SCOPE_DISABLED);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/m"}), EG_OK);
    assert_int_equal(eg_storage_scope_enable(s->storage, EG_LIT(ACCOUNT), EG_LIT("finance"), true, &p), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f"}), EG_OK);
    assert_int_equal(eg_storage_scope_enable(s->storage, EG_LIT(ACCOUNT), EG_LIT("nowhere"), true, &p), EG_ERR_SCOPE_NOT_FOUND);
    /* The account's own key. */
    assert_int_equal(eg_storage_scope_key(s->storage, EG_LIT(ACCOUNT), EG_LIT(""), EG_LIT("cmk"), &p), EG_OK);
    write_in(s, "/data/c", NULL);
    key_of(s, "c", key);
    assert_string_equal(key, "cmk");
    eg_buf json;
    eg_buf_init(&json, 65536);
    assert_int_equal(eg_storage_scope_list(s->storage, EG_LIT(ACCOUNT), &json, &p), EG_OK);
    eg_buf_add(&json, "", 1);
    assert_non_null(strstr(json.ptr, "{\"account\":\"acct\",\"scopes\":[{\"name\":\"\",\"state\":\"Enabled\",\"keySource\":\"Microsoft.Keyvault\",\"key\":\"cmk\""));
    assert_non_null(strstr(json.ptr, "{\"name\":\"finance\",\"state\":\"Enabled\",\"keySource\":\"Microsoft.Storage\",\"key\":\"acct.finance\""));
    eg_buf_done(&json);
}

static void containers_have_a_default(void **state) {
    store *s = *state;
    assert_int_equal(scope_add(s, "finance", ""), EG_OK);
    assert_int_equal(scope_add(s, "other", ""), EG_OK);
    const call strict = {.method = "PUT", .path = "/strict", .query = "resource=filesystem",
        .headers = {"x-ms-default-encryption-scope", "finance", "x-ms-deny-encryption-scope-override", "true"}};
    assert_int_equal(store_do(s, strict), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/loose", .query = "resource=filesystem", .headers = {"x-ms-default-encryption-scope", "finance"}}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/wrong", .query = "resource=filesystem", .headers = {"x-ms-default-encryption-scope", "nothing"}}),
                     EG_ERR_SCOPE_NOT_FOUND);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/wrong", .query = "resource=filesystem", .headers = {"x-ms-deny-encryption-scope-override", "true"}}),
                     EG_ERR_HTTP_HEADER);
    write_in(s, "/strict/f", NULL);
    write_in(s, "/strict/g", "finance");
    write_in(s, "/loose/o", "other");
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/strict/f"});
    assert_string_equal(answer_header(&a, "x-ms-encryption-scope"), "finance");
    answer_free(&a);
    a = store_call(s, &(call){.method = "HEAD", .path = "/loose/o"});
    assert_string_equal(answer_header(&a, "x-ms-encryption-scope"), "other");
    answer_free(&a);
    const call overrides[] = {
        {.method = "PUT", .path = "/strict/x", .query = "resource=file", .headers = {"x-ms-encryption-scope", "other"}},
        {.method = "PUT", .path = "/strict/x", .query = "resource=file", .headers = {WITH(KEY_A, SHA_A)}},
    };
    for (size_t i = 0; i < 2; i++) {
        a = store_call(s, &overrides[i]);
        assert_int_equal(a.status, 403);
        assert_string_equal(answer_header(&a, "x-ms-error-code"), "RequestForbiddenByContainerEncryptionPolicy");
        answer_free(&a);
    }
    a = store_call(s, &(call){.method = "HEAD", .path = "/strict", .query = "resource=filesystem"});
    assert_string_equal(answer_header(&a, "x-ms-default-encryption-scope"), "finance");
    assert_string_equal(answer_header(&a, "x-ms-deny-encryption-scope-override"), "true");
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/", .query = "resource=account"});
    eg_buf_add(&a.body, "", 1);
    assert_non_null(strstr(a.body.ptr, "\"DefaultEncryptionScope\":\"finance\",\"DenyEncryptionScopeOverride\":\"true\""));
    answer_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants),
        cmocka_unit_test_setup_teardown(whole_life, store_open, store_close),
        cmocka_unit_test_setup_teardown(refused, store_open, store_close),
        cmocka_unit_test_setup_teardown(malformed, store_open, store_close),
        cmocka_unit_test_setup_teardown(the_key_is_needed, store_open, store_close),
        cmocka_unit_test_setup_teardown(scopes, store_open, store_close),
        cmocka_unit_test_setup_teardown(containers_have_a_default, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
