/* What libmicrohttpd gets to read: every byte that the door sends into a lane is recorded, and none of them is a peer's. The linker puts __wrap_send in send's place. */
#include "door_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

#define MARK "a-peers-own-words"
#define KEPT "GET / HTTP/1.1\r\nHost: lane\r\n\r\n"
#define LAST "GET / HTTP/1.1\r\nHost: lane\r\nConnection: close\r\n\r\n"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static char lane[65536];
static size_t lane_len;

ssize_t __real_send(int fd, const void *bytes, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags) {
    int domain = 0;
    socklen_t size = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX) {
        pthread_mutex_lock(&lock);
        const size_t room = sizeof lane - lane_len, kept = n < room ? n : room;
        memcpy(lane + lane_len, bytes, kept);
        lane_len += kept;
        pthread_mutex_unlock(&lock);
    }
    return __real_send(fd, bytes, n, flags);
}

static bool takes(eg_str *rest, const char *head) {
    const size_t n = strlen(head);
    if (rest->len < n || memcmp(rest->ptr, head, n) != 0) {
        return false;
    }
    *rest = (eg_str){rest->ptr + n, rest->len - n};
    return true;
}

static void nothing_of_a_peer_is_read_by_the_library(void **state) {
    (void)state;
    static const char *const requests[] = {
        "GET /stream?n=1000&" MARK AT_HEAD MARK ": " MARK "\r\n\r\n",
        "HEAD /stream?n=1000&" MARK AT_HEAD "X: " MARK "\r\n\r\n",
        "PUT /stream?n=1000" AT_HEAD "Content-Length: 17\r\n\r\n" MARK,
        "POST /stream?n=1000" AT_HEAD "Transfer-Encoding: chunked\r\n\r\n11\r\n" MARK "\r\n0\r\n\r\n",
        "GET /stream?n=1000" AT_HEAD "Authorization: Bearer " MARK "\r\nConnection: close\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        client *c = enter();
        answer a;
        assert_true(client_sends(c, requests[i]));
        assert_true(client_read(c, strncmp(requests[i], "HEAD", 4) == 0, &a));
        client_close(c);
    }
    pthread_mutex_lock(&lock);
    eg_str rest = {lane, lane_len};
    size_t heads = 0;
    while (rest.len > 0 && (takes(&rest, KEPT) || takes(&rest, LAST))) {
        heads++;
    }
    assert_int_equal(rest.len, 0);
    assert_true(heads >= 2); /* a lane was used, more than once */
    pthread_mutex_unlock(&lock);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(nothing_of_a_peer_is_read_by_the_library, set_up, tear_down)};
    return cmocka_run_group_tests(tests, make_group, end_group);
}
