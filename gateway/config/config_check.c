/* Decides what the texts of the configuration may look like. */
#include "config_check.h"

#include "../door/proxy_header.h"

#include <embergate/audit.h>
#include <embergate/crypto.h>

#include <arpa/inet.h>

static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_alnum(char c) { return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z'); }

/* Lower-case letters, digits and hyphens; a letter first, no hyphen last: also a DNS label. */
static bool dns_label(eg_str v, size_t max) {
    if (v.len == 0 || v.len > max || !is_lower(v.ptr[0]) || v.ptr[v.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < v.len; i++) {
        if (!is_lower(v.ptr[i]) && !is_digit(v.ptr[i]) && v.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool label(eg_str v) { return dns_label(v, 31); }
static bool cluster_name(eg_str v) { return dns_label(v, 48); }

static bool account_name(eg_str v) {
    if (v.len < 3 || v.len > 24) {
        return false;
    }
    for (size_t i = 0; i < v.len; i++) {
        if (!is_lower(v.ptr[i]) && !is_digit(v.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool tenant_name(eg_str v) { return v.len > 0 && v.len < 128; }
static bool nonempty(eg_str v) { return v.len > 0; }

static bool claim_value(eg_str v) {
    eg_str name = eg_str_cut(&v, '=');
    return name.len > 0 && name.len < 256 && v.ptr && v.len > 0;
}

/* AUDIENCE=CLIENT_ID; the audience may hold a "=" itself. */
static bool client_audience(eg_str v) {
    const size_t id = EG_UUID_LEN - 1;
    return v.len > id + 1 && v.ptr[v.len - id - 1] == '=' && eg_uuid_valid((eg_str){v.ptr + v.len - id, id});
}

static bool address(eg_str v) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr room;
    if (v.len == 0 || v.len >= sizeof text) {
        return false;
    }
    memcpy(text, v.ptr, v.len);
    text[v.len] = '\0';
    return inet_pton(AF_INET, text, &room) == 1 || inet_pton(AF_INET6, text, &room) == 1;
}

/* /subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.Network/virtualNetworks/{v}/subnets/{n}; ids ignore case. */
static bool subnet(eg_str v) {
    static const char *const words[] = {"", "subscriptions", NULL, "resourceGroups", NULL, "providers", "Microsoft.Network",
                                        "virtualNetworks", NULL, "subnets", NULL};
    eg_str rest = v;
    if (v.len > 255) {
        return false;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!rest.ptr) {
            return false;
        }
        eg_str segment = eg_str_cut(&rest, '/');
        if (words[i] ? !eg_str_ieq(segment, eg_str_of(words[i])) : segment.len == 0) {
            return false;
        }
    }
    return rest.ptr == NULL;
}

static bool domain(eg_str v) {
    eg_str rest = v;
    if (v.len == 0 || v.len > 200) {
        return false;
    }
    while (rest.ptr) {
        eg_str part = eg_str_cut(&rest, '.');
        if (part.len == 0 || part.len > 63 || part.ptr[0] == '-' || part.ptr[part.len - 1] == '-') {
            return false;
        }
        for (size_t i = 0; i < part.len; i++) {
            if (!is_lower(part.ptr[i]) && !is_digit(part.ptr[i]) && part.ptr[i] != '-') {
                return false;
            }
        }
    }
    return true;
}

/* What follows "https://", up to the first '/'; no user info, query, fragment, blank or quote anywhere. */
static bool split_url(eg_str v, eg_str *ret_authority, eg_str *ret_path) {
    if (!eg_str_starts(v, "https://") || v.len > EG_CONFIG_TEXT_MAX) {
        return false;
    }
    eg_str rest = {v.ptr + 8, v.len - 8};
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (c <= ' ' || c > '~' || c == '@' || c == '?' || c == '#' || c == '"' || c == '\\' || c == '<' || c == '>') {
            return false;
        }
    }
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/') {
        n++;
    }
    *ret_authority = (eg_str){rest.ptr, n};
    *ret_path = (eg_str){rest.ptr + n, rest.len - n};
    return n > 0;
}

/* host, address or [address], and perhaps a port. */
static bool authority(eg_str v) {
    eg_str host;
    eg_str port = {NULL, 0};
    if (v.ptr[0] == '[') {
        const char *end = memchr(v.ptr, ']', v.len);
        if (!end) {
            return false;
        }
        host = (eg_str){v.ptr + 1, (size_t)(end - v.ptr) - 1};
        size_t left = v.len - host.len - 2;
        if (!address(host) || !memchr(host.ptr, ':', host.len) || (left > 0 && end[1] != ':')) {
            return false;
        }
        port = left > 0 ? (eg_str){end + 2, left - 1} : port;
    } else {
        port = v;
        host = eg_str_cut(&port, ':');
        for (size_t i = 0; i < host.len; i++) {
            if (!is_alnum(host.ptr[i]) && host.ptr[i] != '-' && host.ptr[i] != '.') {
                return false;
            }
        }
    }
    uint64_t number = 0;
    return host.len > 0 && (!port.ptr || (eg_str_u64(port, 65535, &number) == EG_OK && number > 0));
}

static bool origin_url(eg_str v) {
    eg_str host;
    eg_str path;
    return split_url(v, &host, &path) && authority(host) && path.len == 0;
}

static bool https_url(eg_str v) {
    eg_str host;
    eg_str path;
    return split_url(v, &host, &path) && authority(host);
}

static bool https_url_or_none(eg_str v) {
    return v.len == 0 || https_url(v);
}

static bool unix_user(eg_str v) {
    if (v.len == 0 || v.len > 32 || !(is_lower(v.ptr[0]) || v.ptr[0] == '_')) {
        return false;
    }
    for (size_t i = 0; i < v.len; i++) {
        if (!is_lower(v.ptr[i]) && !is_digit(v.ptr[i]) && v.ptr[i] != '_' && v.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool resource_group(eg_str v) {
    if (v.len == 0 || v.len > 90 || v.ptr[v.len - 1] == '.') {
        return false;
    }
    for (size_t i = 0; i < v.len; i++) {
        if (!is_alnum(v.ptr[i]) && !memchr("._()-", v.ptr[i], 5)) {
            return false;
        }
    }
    return true;
}

static bool tls_version(eg_str v) { return eg_str_is(v, "1.2") || eg_str_is(v, "1.3"); }

static bool log_level(eg_str v) {
    return eg_str_is(v, "debug") || eg_str_is(v, "info") || eg_str_is(v, "warn") || eg_str_is(v, "error");
}

static bool account_tls(eg_str v) { return eg_str_is(v, "TLS1_2") || eg_str_is(v, "TLS1_3"); }

static bool policies_source(eg_str v) { return eg_str_is(v, "store") || eg_str_is(v, "files"); }

static bool client_certificates(eg_str v) { return eg_str_is(v, "off") || eg_str_is(v, "request") || eg_str_is(v, "sign_in"); }

static bool isolation(eg_str v) { return eg_str_is(v, "cluster"); }

static bool prefix(eg_str v) {
    eg_proxy_prefix unused;
    return eg_proxy_prefix_parse(v, &unused) == EG_OK;
}

static bool quota_per(eg_str v) { return eg_str_is(v, "tenant") || eg_str_is(v, "principal") || eg_str_is(v, "cluster") || eg_str_is(v, "account"); }
static bool quota_only(eg_str v) { return eg_uuid_valid(v) || cluster_name(v); }

const eg_config_check eg_config_check_guid = {eg_uuid_valid, "a GUID (8-4-4-4-12 hexadecimal digits)"};
const eg_config_check eg_config_check_label = {label, "1 to 31 lower-case letters, digits and hyphens, a letter first"};
const eg_config_check eg_config_check_cluster_name = {cluster_name, "1 to 48 lower-case letters, digits and hyphens, a letter first"};
const eg_config_check eg_config_check_account_name = {account_name, "3 to 24 lower-case letters and digits"};
const eg_config_check eg_config_check_account_tls = {account_tls, "TLS1_2 or TLS1_3"};
const eg_config_check eg_config_check_tenant_name = {tenant_name, "1 to 127 bytes of text"};
const eg_config_check eg_config_check_address = {address, "an IPv4 or IPv6 address"};
const eg_config_check eg_config_check_subnet = {subnet,
    "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.Network/virtualNetworks/{v}/subnets/{n}"};
const eg_config_check eg_config_check_domain = {domain, "a domain name in lower case"};
const eg_config_check eg_config_check_origin_url = {origin_url, "https://HOST or https://HOST:PORT, without a path"};
const eg_config_check eg_config_check_https_url = {https_url, "an https:// URL without user, query and fragment"};
const eg_config_check eg_config_check_unix_user = {unix_user, "the name of a UNIX user"};
const eg_config_check eg_config_check_resource_group = {resource_group, "1 to 90 letters, digits and . _ ( ) -"};
const eg_config_check eg_config_check_tls_version = {tls_version, "\"1.2\" or \"1.3\""};
const eg_config_check eg_config_check_log_level = {log_level, "debug, info, warn or error"};
const eg_config_check eg_config_check_isolation = {isolation, "cluster (this version does not build principal and job)"};
const eg_config_check eg_config_check_prefix = {prefix, "an address such as 192.0.2.7, or a prefix such as 192.0.2.0/24 without bits behind it"};
const eg_config_check eg_config_check_quota_per = {quota_per, "tenant, principal, cluster or account"};
const eg_config_check eg_config_check_quota_only = {quota_only, "a GUID, or the name of a cluster or storage account"};
const eg_config_check eg_config_check_witness_key = {eg_witness_key_valid, "a cosigner's key as name+hash+base64, as its witness shows it"};
const eg_config_check eg_config_check_https_url_or_none = {https_url_or_none, "an https:// URL without user, query and fragment, or none"};
const eg_config_check eg_config_check_client_audience = {client_audience, "AUDIENCE=CLIENT_ID, the id a GUID"};
const eg_config_check eg_config_check_claim_value = {claim_value, "CLAIM=VALUE"};
const eg_config_check eg_config_check_policies_source = {policies_source, "store or files"};
const eg_config_check eg_config_check_client_certificates = {client_certificates, "off, request or sign_in"};
const eg_config_check eg_config_check_nonempty = {nonempty, "a text that is not empty"};
