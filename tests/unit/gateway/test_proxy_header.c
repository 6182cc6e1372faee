/* PROXY protocol headers: what names a source, what is refused, and who may send one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "door/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static size_t header(uint8_t *out, unsigned version_command, unsigned family, const uint8_t *body, size_t n) {
    static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
    memcpy(out, signature, 12);
    out[12] = (uint8_t)version_command;
    out[13] = (uint8_t)family;
    out[14] = (uint8_t)(n >> 8);
    out[15] = (uint8_t)n;
    memcpy(out + 16, body, n);
    return 16 + n;
}

static const uint8_t v4[] = {203, 0, 113, 9, 10, 0, 0, 1, 0xc3, 0x50, 0x01, 0xbb};

static eg_err read_of(unsigned version_command, unsigned family, const uint8_t *body, size_t n, char text[64], bool *local) {
    uint8_t bytes[EG_PROXY_HEADER_MAX * 2];
    struct sockaddr_storage s = {.ss_family = AF_UNSPEC};
    const size_t len = header(bytes, version_command, family, body, n);
    *local = false;
    const eg_err e = eg_proxy_header_read((eg_bytes){bytes, len}, &s, local);
    char address[INET6_ADDRSTRLEN] = "";
    text[0] = '\0';
    if (s.ss_family == AF_INET) {
        struct sockaddr_in a;
        memcpy(&a, &s, sizeof a);
        snprintf(text, 64, "%s %u", inet_ntop(AF_INET, &a.sin_addr, address, sizeof address), ntohs(a.sin_port));
    } else if (s.ss_family == AF_INET6) {
        struct sockaddr_in6 a;
        memcpy(&a, &s, sizeof a);
        snprintf(text, 64, "%s %u", inet_ntop(AF_INET6, &a.sin6_addr, address, sizeof address), ntohs(a.sin6_port));
    }
    return e;
}

static void sources(void **state) {
    (void)state;
    char text[64];
    bool local;
    uint8_t v6[36] = {0x20, 1, 0x0d, 0xb8}, with[32];
    v6[15] = 9;
    v6[33] = 80;
    assert_int_equal(read_of(0x21, 0x11, v4, sizeof v4, text, &local), EG_OK);
    assert_string_equal(text, "203.0.113.9 50000");
    assert_int_equal(read_of(0x21, 0x21, v6, sizeof v6, text, &local), EG_OK);
    assert_string_equal(text, "2001:db8::9 80");
    memcpy(with, v4, sizeof v4);
    memcpy(with + sizeof v4, "\x01\x00\x02h2\x04\x00\x00", 8);
    assert_int_equal(read_of(0x21, 0x11, with, sizeof v4 + 8, text, &local), EG_OK);
    assert_false(local);
    assert_int_equal(read_of(0x20, 0x00, v4, 0, text, &local), EG_OK);
    assert_true(local);
    assert_string_equal(text, "");
    assert_int_equal(read_of(0x20, 0x11, v4, sizeof v4, text, &local), EG_OK); /* LOCAL: whatever it names is skipped */
    assert_string_equal(text, "");
}

static void refused(void **state) {
    (void)state;
    char text[64];
    bool local;
    uint8_t none[12] = {0, 0, 0, 0, 10, 0, 0, 1, 0xc3, 0x50, 1, 0xbb}, no_port[12] = {203, 0, 113, 9, 10, 0, 0, 1, 0, 0, 1, 0xbb}, broken[14], big[EG_PROXY_HEADER_MAX] = {0};
    memcpy(broken, v4, sizeof v4);
    memcpy(broken + 12, "\x01\x00", 2);
    const struct { unsigned version_command, family; const uint8_t *body; size_t n; } rows[] = {
        {0x11, 0x11, v4, sizeof v4},     /* version 1 in version 2's clothes */
        {0x22, 0x11, v4, sizeof v4},     /* a command of nobody's */
        {0x21, 0x00, v4, sizeof v4},     /* PROXY without a family */
        {0x21, 0x12, v4, sizeof v4},     /* UDP */
        {0x21, 0x31, v4, sizeof v4},     /* UNIX */
        {0x21, 0x11, v4, sizeof v4 - 1}, {0x21, 0x21, v4, sizeof v4}, {0x21, 0x11, none, sizeof none}, {0x21, 0x11, no_port, sizeof no_port}, {0x21, 0x11, broken, sizeof broken},
        {0x21, 0x11, big, sizeof big},   /* longer than any balancer's */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (read_of(rows[i].version_command, rows[i].family, rows[i].body, rows[i].n, text, &local) != EG_ERR_INVALID || text[0]) {
            fail_msg("row %zu was read as %s", i, text);
        }
    }
    size_t n = 0;
    assert_int_equal(eg_proxy_header_length((const uint8_t *)"PROXY TCP4 203.0.113.9", &n), EG_ERR_INVALID);
    assert_int_equal(eg_proxy_header_length((const uint8_t *)"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\x00", &n), EG_ERR_INVALID); /* TLS */
    uint8_t bytes[64];
    size_t len = header(bytes, 0x21, 0x11, v4, sizeof v4);
    struct sockaddr_storage s;
    assert_int_equal(eg_proxy_header_read((eg_bytes){bytes, len - 1}, &s, &local), EG_ERR_INVALID);
    assert_int_equal(eg_proxy_header_read((eg_bytes){bytes, len + 1}, &s, &local), EG_ERR_INVALID);
}

static bool held(const char *prefix, const char *address) {
    eg_proxy_prefix p;
    struct sockaddr_in a4 = {.sin_family = AF_INET};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};
    struct sockaddr_storage s = {.ss_family = AF_UNSPEC};
    assert_int_equal(eg_proxy_prefix_parse(eg_str_of(prefix), &p), EG_OK);
    if (inet_pton(AF_INET, address, &a4.sin_addr) == 1) {
        memcpy(&s, &a4, sizeof a4);
    } else if (inet_pton(AF_INET6, address, &a6.sin6_addr) == 1) {
        memcpy(&s, &a6, sizeof a6);
    }
    return eg_proxy_prefix_holds(&p, &s);
}

static void balancers(void **state) {
    (void)state;
    assert_true(held("192.0.2.7", "192.0.2.7"));
    assert_true(held("192.0.2.7", "::ffff:192.0.2.7"));
    assert_false(held("192.0.2.7", "192.0.2.8"));
    assert_true(held("192.0.2.0/24", "192.0.2.255"));
    assert_false(held("192.0.2.0/24", "192.0.3.0"));
    assert_true(held("0.0.0.0/0", "203.0.113.1"));
    assert_false(held("0.0.0.0/0", "2001:db8::1"));
    assert_false(held("::/0", "203.0.113.1"));
    assert_true(held("2001:db8::/32", "2001:db8::1"));
    assert_false(held("2001:db8::/32", "unspecified"));
    static const char *const bad[] = {"", "192.0.2.7/33", "192.0.2.7/24", "192.0.2", "2001:db8::/129", "name", "192.0.2.0/", "192.0.2.0/24/1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_proxy_prefix p;
        assert_int_not_equal(eg_proxy_prefix_parse(eg_str_of(bad[i]), &p), EG_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sources), cmocka_unit_test(refused), cmocka_unit_test(balancers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
