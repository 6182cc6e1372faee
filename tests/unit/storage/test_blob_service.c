/* Service and containers of the Blob API through their routes. covers: service.c blob_container.c */
#include "blob_calls.h"

static void service(void **state) {
    store *s = *state;
    static const char *const paths[] = {"/", "/data", "/data/f"};
    for (size_t i = 0; i < 3; i++) {
        answer a = blob_call(s, (call){.method = "GET", .path = paths[i], .query = "restype=account&comp=properties"});
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "x-ms-sku-name"), "Standard_LRS");
        assert_string_equal(answer_header(&a, "x-ms-account-kind"), "StorageV2");
        assert_string_equal(answer_header(&a, "x-ms-is-hns-enabled"), "true");
        answer_free(&a);
    }
    answer a = blob_call(s, (call){.method = "GET", .path = "/", .query = "restype=service&comp=stats"});
    assert_true(answer_has(&a, "<Status>live</Status>"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/", .query = "restype=service&comp=properties"});
    assert_true(answer_has(&a, "<DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>"));
    answer_free(&a);
    assert_int_equal(eg_storage_set_retention(s->storage, EG_LIT(ACCOUNT), 7), EG_OK);
    a = blob_call(s, (call){.method = "GET", .path = "/", .query = "restype=service&comp=properties"});
    assert_true(answer_has(&a, "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>7</Days></DeleteRetentionPolicy>"));
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/", .query = "restype=service&comp=properties", .body = "<x/>", .body_len = 4}),
        EG_ERR_STORAGE_NOT_BUILT);
}

static void containers(void **state) {
    store *s = *state;
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/other", .query = "restype=container", .headers = {"x-ms-meta-Made", "here"}}), EG_OK);
    answer a = blob_call(s, (call){.method = "PUT", .path = "/other", .query = "restype=container"});
    assert_int_equal(a.status, 409);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "ContainerAlreadyExists");
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/other", .query = "restype=container"});
    assert_string_equal(answer_header(&a, "x-ms-meta-Made"), "here");
    assert_non_null(answer_header(&a, "ETag"));
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/other", .query = "restype=container&comp=metadata", .headers = {"x-ms-meta-a", "1<2"}}), EG_OK);
    a = blob_call(s, (call){.method = "GET", .path = "/other", .query = "restype=container&comp=metadata"});
    assert_string_equal(answer_header(&a, "x-ms-meta-a"), "1<2");
    assert_null(answer_header(&a, "x-ms-meta-Made"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/", .query = "comp=list&include=metadata&prefix=oth"});
    assert_true(answer_has(&a, "<Metadata><a>1&lt;2</a></Metadata></Container>"));
    assert_false(answer_has(&a, "<Name>data</Name>"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/", .query = "comp=list&maxresults=1"});
    assert_false(answer_has(&a, "<Metadata>"));
    assert_true(answer_has(&a, "<NextMarker>data</NextMarker>"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/absent", .query = "restype=container&comp=metadata"});
    assert_int_equal(a.status, 404);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "ContainerNotFound");
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/other", .query = "restype=container&comp=metadata", .headers = {"x-ms-meta-1", "x"}}), EG_ERR_METADATA);
    a = blob_call(s, (call){.method = "DELETE", .path = "/other", .query = "restype=container"});
    assert_int_equal(a.status, 202);
    answer_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(service, store_open, store_close),
        cmocka_unit_test_setup_teardown(containers, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
