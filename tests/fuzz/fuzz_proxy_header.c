/* Fuzzes eg_proxy_header_length and eg_proxy_header_read: what is accepted names a host and a port, and is exactly as long as it says.
 *
 *   ./dev fuzz proxy_header */
#include "door/proxy_header.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sockaddr_storage source = {.ss_family = AF_UNSPEC};
    bool local = false;
    size_t n = 0;
    if (size < EG_PROXY_FIXED || eg_proxy_header_length(data, &n) != EG_OK) {
        require(eg_proxy_header_read((eg_bytes){data, size}, &source, &local) != EG_OK);
        return 0;
    }
    require(n >= EG_PROXY_FIXED && n <= EG_PROXY_HEADER_MAX);
    const eg_err e = eg_proxy_header_read((eg_bytes){data, size}, &source, &local);
    require(e != EG_OK || size == n);
    if (e == EG_OK && !local) {
        struct sockaddr_in v4;
        memcpy(&v4, &source, sizeof v4);
        require(source.ss_family == AF_INET6 || (source.ss_family == AF_INET && v4.sin_addr.s_addr != 0 && v4.sin_port != 0));
    } else {
        require(source.ss_family == AF_UNSPEC);
    }
    return 0;
}
