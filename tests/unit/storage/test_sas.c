/* Shared access signatures against what azure-storage-blob and -file-datalake make, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sas.h"

#include <embergate/clock.h>

#define DAY ((int64_t)86400 * 1000000000)

static int64_t now; /* 2026-01-02 */

static int set_now(void **state) {
    (void)state;
    return eg_sas_time(EG_LIT("2026-01-02"), &now) == EG_OK ? 0 : -1;
}

/* Whether the signature is that of the string, under the bytes 0 to 63. */
static bool fits(const eg_sas *s, const eg_sas_request *r) {
    uint8_t key[64];
    bool found = false;
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (uint8_t)i;
    }
    for (unsigned form = 0; form < EG_SAS_FORMS; form++) {
        uint8_t mac[EG_SHA256_LEN];
        eg_buf b;
        eg_buf_init(&b, EG_STRING_TO_SIGN_MAX);
        if (eg_sas_string(s, r, form, &b) == EG_OK) {
            eg_hmac_sha256((eg_bytes){key, sizeof key}, eg_buf_bytes(&b), mac);
            found = found || memcmp(mac, s->signature, sizeof mac) == 0;
        }
        eg_buf_done(&b);
    }
    return found;
}

/* Made by azure-storage-blob 12.30 and azure-storage-file-datalake 12.25. */
#define ACCOUNT_SAS "st=2020-01-01T00%3A00%3A00Z&se=2030-01-02T03%3A04%3A05Z&sp=rwl&sip=10.0.0.1-10.0.0.9&spr=https&sv=2026-10-06&ss=b&srt=sco&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D"
#define CONTAINER_SAS "se=2030-01-02T03%3A04%3A05Z&sp=rl&sv=2026-10-06&si=pol&sr=c&sig=EYEN42SSGFK4myJdnFodVt1mJJ7Ne022rLlNZawVHbY%3D"
#define BLOB_SAS "st=2020-01-01T00%3A00%3A00Z&se=2030-01-02T03%3A04%3A05Z&sp=rw&sv=2026-10-06&sr=b&rscd=attachment%3B%20filename%3Dx&rsct=text/plain&sig=rRcuqDB/ra4AdOpfQcMrxcRogFmVYL1ScZkSn1Vo1lM%3D"
#define DIRECTORY_SAS "se=2030-01-02T03%3A04%3A05Z&sp=rl&sv=2026-10-06&sr=d&sdd=2&sig=vWNfrA90uonkNv3c%2B3OOYj19PdsC%2BFsLPuMj8qi78Ao%3D"
#define KEY_OF "&skoid=aaaaaaaa-0000-4000-8000-000000000001&sktid=11111111-1111-4111-8111-111111111111&skt=2026-01-01T00%3A00%3A00Z&ske=2026-01-05T00%3A00%3A00Z&sks=b&skv=2026-10-06"
#define UD_BLOB "se=2030-01-02T03%3A04%3A05Z&sp=r&sv=2026-10-06&sr=b" KEY_OF "&sig=yRrQnMaLhNVaf2u8DEmVi8NUh0ZqwI2zyTrwf/NKvgc%3D"
#define UD_DIRECTORY "se=2030-01-02T03%3A04%3A05Z&sp=rl&sv=2026-10-06&sr=d&sdd=2&suoid=bbbbbbbb-0000-4000-8000-000000000002&scid=cccccccc-0000-4000-8000-000000000003" KEY_OF \
    "&sig=fJzM/Zl3dleUy257qNDTUHhgxaTj%2Bedu7Fe6MjO2uOA%3D"

/* By 12.31.1: bound to a user; to a user of a tenant; to headers and parameters. */
#define UD_USER "se=2030-01-02T03%3A04%3A05Z&sp=r&sv=2026-10-06&sduoid=bbbbbbbb-0000-4000-8000-000000000002&sr=b" KEY_OF "&sig=R4hJcrz0KsXVJUZegCRPFDQOReEsIrbKVitMj%2B1GZN0%3D"
#define UD_USER_TENANT "se=2030-01-02T03%3A04%3A05Z&sp=r&sv=2026-10-06&sduoid=bbbbbbbb-0000-4000-8000-000000000002&sr=b" KEY_OF \
    "&skdutid=11111111-1111-4111-8111-111111111111&sig=6Rhacs2wE3dQZ9XxA%2BwerqG6l6Rcpt2Iz8Z7ycsGsPo%3D"
#define UD_HEADERS "se=2030-01-02T03%3A04%3A05Z&sp=rw&sv=2026-10-06&sr=b" KEY_OF "&srh=x-ms-blob-type,x-ms-meta-a&srq=comp,blockid&sig=y9eRrKUkNT3ikV31ocPJVVTZZ90dvyEzQMw5Zy/8%2Bxs%3D"

static void vectors(void **state) {
    (void)state;
    const struct {
        const char *query, *path;
        eg_sas_kind kind;
        bool fits;
    } rows[] = {
        {ACCOUNT_SAS, "anything", EG_SAS_ACCOUNT, true},
        {CONTAINER_SAS, "d/f", EG_SAS_SERVICE, true},
        {BLOB_SAS, "d/f x+%\xc3\xa9", EG_SAS_SERVICE, true},
        {BLOB_SAS, "d/f", EG_SAS_SERVICE, false},
        {DIRECTORY_SAS, "d/e", EG_SAS_SERVICE, true},
        {DIRECTORY_SAS, "d/e/f/g", EG_SAS_SERVICE, true},
        {DIRECTORY_SAS, "d/ee", EG_SAS_SERVICE, false},
        {DIRECTORY_SAS, "d", EG_SAS_SERVICE, false},
        {UD_BLOB, "d/f", EG_SAS_DELEGATION, true},
        {UD_BLOB, "d/g", EG_SAS_DELEGATION, false},
        {UD_DIRECTORY, "d/e/f", EG_SAS_DELEGATION, true},
        {UD_USER, "d/f", EG_SAS_DELEGATION, true},
        {UD_USER_TENANT, "d/f", EG_SAS_DELEGATION, true},
        {UD_HEADERS, "d/f", EG_SAS_DELEGATION, true},
        {UD_HEADERS, "d/g", EG_SAS_DELEGATION, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_arena *arena = eg_arena_new(65536);
        eg_sas s;
        const eg_sas_request r = {.account = EG_LIT("acct"), .container = EG_LIT("data"), .path = eg_str_of(rows[i].path), .address = "10.0.0.5", .now_ns = now,
            .headers = strstr(rows[i].query, "srh=") ? EG_LIT("x-ms-blob-type:BlockBlob\nx-ms-meta-a:b c\n") : EG_LIT(""),
            .parameters = strstr(rows[i].query, "srq=") ? EG_LIT("\ncomp:block\nblockid:AA==") : EG_LIT("")};
        assert_int_equal(eg_sas_parse(arena, eg_str_of(rows[i].query), &s, NULL), EG_OK);
        assert_int_equal(s.kind, rows[i].kind);
        if (fits(&s, &r) != rows[i].fits) {
            fail_msg("row %zu", i);
        }
        eg_sas_request other = r;
        other.account = EG_LIT("acct2");
        assert_false(fits(&s, &other));
        eg_arena_free(arena);
    }
}

static void malformed(void **state) {
    (void)state;
    const char *const bad[] = {
        "", "sig=", "sig=abc", "sv=2026-10-06&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg", "sv=2017-01-01&" "sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D",
        "sv=new&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D",
        ACCOUNT_SAS "&sr=b", ACCOUNT_SAS "&si=p", ACCOUNT_SAS "&sp=r", UD_BLOB "&si=pol", UD_BLOB "&sduoid=x", UD_BLOB "&skdutid=x", ACCOUNT_SAS "&srh=x", CONTAINER_SAS "&srq=x", CONTAINER_SAS "&sduoid=bbbbbbbb-0000-4000-8000-000000000002",
        "sv=2025-05-05&sr=b&sp=r" KEY_OF "&sduoid=bbbbbbbb-0000-4000-8000-000000000002&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D",
        "sv=2025-07-05&sr=b&sp=r" KEY_OF "&srh=range&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", CONTAINER_SAS "&rscc=a%0Ab",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_arena *arena = eg_arena_new(65536);
        eg_sas s;
        eg_problem p = {0};
        if (eg_sas_parse(arena, eg_str_of(bad[i]), &s, &p) != EG_ERR_AUTH_FAILED) {
            fail_msg("row %zu", i);
        }
        assert_null(strstr(p.message, "kzem9")); /* no signature in what is said */
        eg_arena_free(arena);
    }
    assert_true(eg_sas_present(EG_LIT("a=b&sig=x")));
    assert_false(eg_sas_present(EG_LIT("a=sig&sigs=x")));
    assert_false(eg_sas_present(EG_LIT("")));
}

static void checks(void **state) {
    (void)state;
    const struct {
        const char *query, *address;
        int64_t days;
        eg_err owed;
    } rows[] = {
        {ACCOUNT_SAS, "10.0.0.1", 0, EG_OK},
        {ACCOUNT_SAS, "10.0.0.9", 0, EG_OK},
        {ACCOUNT_SAS, "::ffff:10.0.0.5", 0, EG_OK},
        {ACCOUNT_SAS, "10.0.0.10", 0, EG_ERR_SAS_SOURCE_IP},
        {ACCOUNT_SAS, "::1", 0, EG_ERR_SAS_SOURCE_IP},
        {ACCOUNT_SAS, "10.0.0.5", 3650, EG_ERR_AUTH_FAILED},
        {ACCOUNT_SAS, "10.0.0.5", -3650, EG_ERR_AUTH_FAILED},
        {"sv=2020-12-06&sr=c&sp=r&se=2030-01-01&spr=http&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "10.0.0.5", 0, EG_ERR_SAS_PROTOCOL},
        {"sv=2020-12-06&sr=c&sp=r&se=2030-01-01&spr=https,http&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "10.0.0.5", 0, EG_OK},
        {"sv=2020-12-06&sr=c&sp=r&st=0001-01-01T00:00:00Z&se=9999-12-31T23:59:59Z&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "10.0.0.5", 0, EG_OK}, /* for ever, as many write it */
        {"sv=2020-12-06&sr=c&sp=r&st=9999-12-31&se=9999-12-31&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "10.0.0.5", 0, EG_ERR_AUTH_FAILED},
        {"sv=2020-12-06&sr=c&sp=r&se=0001-01-01&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "10.0.0.5", 0, EG_ERR_AUTH_FAILED},
        {"sv=2020-12-06&sr=c&sp=r&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "10.0.0.5", 0, EG_ERR_AUTH_FAILED},
        {"sv=2020-12-06&sr=c&se=2030-01-01&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "10.0.0.5", 0, EG_ERR_AUTH_FAILED},
        {"sv=2020-12-06&sr=c&sp=r&se=soon&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "10.0.0.5", 0, EG_ERR_AUTH_FAILED},
        {"sv=2020-12-06&sr=c&sp=r&se=2030-01-01&sip=1.2.3&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", "1.2.3.4", 0, EG_ERR_SAS_SOURCE_IP},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_arena *arena = eg_arena_new(65536);
        eg_sas s;
        const eg_sas_request r = {.account = EG_LIT("acct"), .container = EG_LIT("data"), .path = EG_LIT("d"), .address = rows[i].address, .now_ns = now + rows[i].days * DAY};
        assert_int_equal(eg_sas_parse(arena, eg_str_of(rows[i].query), &s, NULL), EG_OK);
        if (eg_sas_check(&s, &r, NULL) != rows[i].owed) {
            fail_msg("row %zu", i);
        }
        eg_arena_free(arena);
    }
}

static void bounds(void **state) {
    (void)state;
    eg_arena *arena = eg_arena_new(65536);
    eg_sas s;
    eg_sas_bounds b;
    eg_sas_request r = {.account = EG_LIT("acct"), .container = EG_LIT("data"), .path = EG_LIT("d/e/f")};
    assert_int_equal(eg_sas_parse(arena, EG_LIT(DIRECTORY_SAS), &s, NULL), EG_OK);
    assert_int_equal(eg_sas_bounds_of(&s, &r, &b), EG_OK);
    assert_true(eg_str_is(b.path, "d/e") && b.beneath && eg_str_is(b.container, "data"));
    r.path = EG_LIT("d");
    assert_int_equal(eg_sas_bounds_of(&s, &r, &b), EG_ERR_AUTH_FAILED);
    assert_int_equal(eg_sas_parse(arena, EG_LIT(BLOB_SAS), &s, NULL), EG_OK);
    assert_int_equal(eg_sas_bounds_of(&s, &r, &b), EG_OK);
    assert_true(eg_str_is(b.path, "d") && !b.beneath);
    r.path = EG_LIT("");
    assert_int_equal(eg_sas_bounds_of(&s, &r, &b), EG_ERR_AUTH_FAILED);
    s.f[EG_SAS_SR] = EG_LIT("x");
    assert_int_equal(eg_sas_bounds_of(&s, &r, &b), EG_ERR_AUTH_FAILED);
    assert_int_equal(eg_sas_parse(arena, EG_LIT(ACCOUNT_SAS), &s, NULL), EG_OK);
    s.f[EG_SAS_SP] = EG_LIT("rp");
    assert_int_equal(eg_sas_bounds_of(&s, &r, &b), EG_OK);
    assert_int_equal(b.container.len, 0);
    assert_int_equal(b.letters, eg_sas_letter('r')); /* 'p' of an account SAS is about messages */
    eg_arena_free(arena);
}

/* A body may hold any byte: what follows a NUL is part of the time, and no time has it. */
static void times(void **state) {
    (void)state;
    const eg_str good[] = {EG_LIT("2030-01-02"), EG_LIT("2030-01-02T03:04Z"), EG_LIT("2030-01-02T03:04:05Z"), EG_LIT("2030-01-02T03:04:05.1234567Z")};
    const eg_str bad[] = {EG_LIT(""), EG_LIT("Z"), EG_LIT("2030-01-02T03:04"), EG_LIT("2030-01-02T03:04:05"), EG_LIT("2030-13-02"), EG_LIT("2030-01\0" "02"),
        EG_LIT("2030-01-02T03\0" "04Z"), EG_LIT("2030-01-02T03:04:05Z\0Z"), EG_LIT("2030-01-02T03:04:05-01:00\0\6.Z"), EG_LIT("2030-01-02T03:04:05-01:00Z"),
        EG_LIT("2030-01-02T03:04:05.1234567891234567891234567891234567Z")};
    int64_t t;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(eg_sas_time(good[i], &t), EG_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_sas_time(bad[i], &t), EG_ERR_INVALID);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors), cmocka_unit_test(malformed), cmocka_unit_test(checks), cmocka_unit_test(bounds), cmocka_unit_test(times)};
    return cmocka_run_group_tests(tests, set_now, NULL);
}
