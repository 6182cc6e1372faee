/* The one table of what the door bounds and how long it waits; docs/DOOR.md repeats it and a test compares both. */
#ifndef EMBERGATE_DOOR_LIMITS_H
#define EMBERGATE_DOOR_LIMITS_H

#include <stdint.h>

/* X(field, default, unit, meaning) */
#define EG_DOOR_LIMIT_LIST(X)                                                                                        \
    X(head_bytes, 16384, "bytes", "a request's head, its request line included")                                     \
    X(header_count, 64, "fields", "header fields of a request")                                                      \
    X(target_bytes, 8192, "bytes", "a request's target")                                                             \
    X(connections, 4096, "connections", "open connections, all workers together")                                    \
    X(connections_per_address, 512, "connections", "open connections of one IPv4 address or IPv6 /64")               \
    X(handshake_ms, 10000, "ms", "from accept to the end of the TLS handshake")                                      \
    X(idle_ms, 75000, "ms", "between two requests, or before the first")                                             \
    X(head_ms, 15000, "ms", "from the first byte of a head to its last")                                             \
    X(body_ms, 60000, "ms", "for every progress_bytes of a request's body")                                          \
    X(write_ms, 60000, "ms", "for every progress_bytes of an answer that the peer doesn't take, or a source doesn't give") \
    X(progress_bytes, 16384, "bytes", "what counts as progress of a body or an answer")                              \
    X(linger_ms, 5000, "ms", "reading on after the last answer, so that a peer that still sends can hear it")        \
    X(linger_bytes, 16777216, "bytes", "of an unwanted body that are read and thrown away before closing")           \
    X(drain_bytes, 65536, "bytes", "of an unwanted body that are read and thrown away to keep the connection")       \
    X(lanes, 1024, "answers", "answers of unknown length at once, all workers together; each has its share")

typedef struct eg_door_limits {
#define X(field, value, unit, meaning) uint32_t field;
    EG_DOOR_LIMIT_LIST(X)
#undef X
} eg_door_limits;

#define EG_DOOR_LIMITS_DEFAULT                                  \
    {                                                           \
        EG_DOOR_LIMIT_LIST(EG_DOOR_LIMIT_INIT_)                 \
    }
#define EG_DOOR_LIMIT_INIT_(field, value, unit, meaning) .field = (value),

/* What no option changes. */
enum {
    EG_DOOR_METHOD_MAX = 32,
    EG_DOOR_HEADER_COUNT_MAX = 64,            /* the most that header_count can be set to */
    EG_DOOR_HEAD_MAX = 64 * 1024,             /* the most that head_bytes can be set to */
    EG_DOOR_CHUNK_DIGITS = 15,                /* hex digits of a chunk's size */
    EG_DOOR_ARENA_MAX = 256 * 1024,           /* a request's arena */
    EG_DOOR_SPARES = 16,                      /* arenas that a worker keeps for its next requests */
    EG_DOOR_READ_MAX = 64 * 1024,             /* what one turn takes from a connection */
    EG_DOOR_SOURCE_HALF = 64 * 1024,          /* half of a source's buffer: one is read while the other is sent; a sealed chunk of storage fits exactly */
    EG_DOOR_RESPONSE_HEAD_MAX = 16 * 1024,    /* names and values of an answer's header fields */
    EG_DOOR_MHD_POOL = 16 * 1024,             /* libmicrohttpd's memory for a lane */
};

#endif
