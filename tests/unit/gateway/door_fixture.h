/* A real door with a small app on a free port of 127.0.0.1, for test_door_*.c. */
#ifndef EMBERGATE_TESTS_DOOR_FIXTURE_H
#define EMBERGATE_TESTS_DOOR_FIXTURE_H

#include "door/door.h"
#include "door_client.h"

#include <stdatomic.h>

#define AT_HEAD " HTTP/1.1\r\nHost: a.example\r\n"

extern struct fixture {
    char dir[64];
    unsigned port;
    int listener;
    eg_pool *pool;
    eg_door *door;
    SSL_CTX *client;
    atomic_int gone_sent, gone_lost, refused, sources_open, heads, ended;
    atomic_int last_refusal;
    atomic_bool deny;
    atomic_bool unwelcome;   /* what the app says when it is asked again, but for "?welcome" */
    bool asking;             /* the listener asks for client certificates; a second one, at quiet_port, doesn't */
    unsigned quiet_port;
    int quiet_listener;
    atomic_llong most_ahead; /* bytes the client was ahead of the app */
} f;

extern const eg_door_limits usual;

void wait_ms(long ms);
bool becomes(atomic_int *value, int expected); /* within five seconds */
eg_err start_door(const eg_door_limits *limits, const char *min_tls, eg_door **ret);
/* For cmocka. */
int make_group(void **state);
int end_group(void **state);
int set_up(void **state);
int set_up_narrow(void **state); /* two lanes */
int set_up_hasty(void **state); /* all time-outs 300 ms, four connections an address */
int set_up_asking(void **state); /* for client certificates */
int tear_down(void **state);
client *enter(void);            /* a client that has shaken hands */
/* Reads an answer; body NULL = any. */
void expect(client *c, int status, const char *body);

#endif
