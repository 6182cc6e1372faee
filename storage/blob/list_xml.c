/* One entry of List Blobs in XML. */
#include "list_blobs.h"

#include "copy.h"
#include "json_text.h"
#include "metadata.h"
#include "permissions.h"

#include <embergate/encoding.h>

/* XML 1.0 section 2.2 lacks control characters, U+FFFE and U+FFFF. */
static bool fits_xml(eg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        const bool last_two = c == 0xef && i + 2 < s.len && (unsigned char)s.ptr[i + 1] == 0xbf && (unsigned char)s.ptr[i + 2] >= 0xbe;
        if (c < 0x20 || c == 0x7f || last_two) {
            return false;
        }
    }
    return true;
}

static void add_name(eg_buf *b, eg_str name) {
    if (fits_xml(name)) {
        (void)eg_buf_adds(b, "<Name>");
        (void)eg_xml_text(b, name);
    } else {
        (void)eg_buf_adds(b, "<Name Encoded=\"true\">");
        (void)eg_percent_encode(name, true, b);
    }
    (void)eg_buf_adds(b, "</Name>");
}

static void add_times(eg_buf *b, const eg_inode *i) {
    char created[EG_HTTP_DATE_LEN];
    char modified[EG_HTTP_DATE_LEN];
    char etag[EG_ETAG_LEN];
    eg_time_http_date(i->created_ns, created);
    eg_time_http_date(i->modified_ns, modified);
    eg_ns_etag(i, etag);
    (void)eg_buf_addf(b, "<Creation-Time>%s</Creation-Time><Last-Modified>%s</Last-Modified><Etag>%s</Etag><ResourceType>%s</ResourceType>"
        "<Content-Length>%llu</Content-Length>", created, modified, etag, i->kind == EG_KIND_DIRECTORY ? "directory" : "file",
        (unsigned long long)i->length);
}

static void add_lease(eg_list_page *g, const eg_inode *i) {
    eg_lease l = {0};
    (void)!eg_lease_decode(i->attr[EG_ATTR_LEASE], &l);
    const eg_lease_state state = eg_lease_state_at(&l, g->forward_ns);
    const char *duration = eg_lease_duration_text(&l, state);
    (void)eg_buf_addf(&g->body, "<LeaseStatus>%s</LeaseStatus><LeaseState>%s</LeaseState>", eg_lease_status_text(state), eg_lease_state_text(state));
    if (duration) {
        (void)eg_buf_addf(&g->body, "<LeaseDuration>%s</LeaseDuration>", duration);
    }
}

static void add_access(eg_buf *b, const eg_inode *i) {
    char permissions[EG_PERMISSIONS_LEN];
    char acl[EG_PERMISSIONS_ACL_LEN];
    const eg_str stored = eg_bytes_str(i->attr[EG_ATTR_ACL]);
    eg_permissions_text(i->mode, permissions);
    eg_permissions_acl(i->mode, acl);
    (void)eg_buf_adds(b, "<Owner>");
    (void)eg_xml_text(b, eg_bytes_str(i->attr[EG_ATTR_OWNER]));
    (void)eg_buf_adds(b, "</Owner><Group>");
    (void)eg_xml_text(b, eg_bytes_str(i->attr[EG_ATTR_GROUP]));
    (void)eg_buf_addf(b, "</Group><Permissions>%s%s</Permissions><Acl>", permissions, stored.len ? "+" : "");
    (void)eg_xml_text(b, stored.len ? stored : eg_str_of(acl));
    (void)eg_buf_adds(b, "</Acl>");
}

/* Of every copy that is done, as they all are. */
static void add_copy(eg_buf *b, const eg_inode *i) {
    eg_copy_mark m;
    char id[EG_UUID_LEN];
    char date[EG_HTTP_DATE_LEN];
    if (eg_copy_mark_decode(i->attr[EG_ATTR_COPY], &m) != EG_OK) {
        return;
    }
    eg_lease_id_text(&m.id, id);
    eg_time_http_date(m.done_ns, date);
    (void)eg_buf_addf(b, "<CopyId>%s</CopyId><CopyStatus>success</CopyStatus><CopySource>", id);
    (void)eg_xml_text(b, m.source);
    (void)eg_buf_addf(b, "</CopySource><CopyProgress>%llu/%llu</CopyProgress><CopyCompletionTime>%s</CopyCompletionTime>", (unsigned long long)m.bytes,
        (unsigned long long)m.bytes, date);
}

static void add_properties(eg_list_page *g, const eg_inode *i, eg_str deleted_xml) {
    eg_buf *b = &g->body;
    const eg_str scope = eg_bytes_str(i->attr[EG_ATTR_ENCRYPTION_SCOPE]);
    (void)eg_buf_adds(b, "<Properties>");
    add_times(b, i);
    (void)eg_blob_content_xml(b, i);
    (void)eg_buf_addf(b, "<BlobType>%s</BlobType>", eg_blob_type_name(i));
    if (eg_blob_kind_of(i) == EG_BLOB_APPEND_SEALED) {
        (void)eg_buf_adds(b, "<Sealed>true</Sealed>");
    }
    add_lease(g, i);
    (void)eg_buf_adds(b, "<ServerEncrypted>true</ServerEncrypted>");
    if (scope.len > 0) {
        (void)eg_buf_adds(b, "<EncryptionScope>");
        (void)eg_xml_text(b, scope);
        (void)eg_buf_adds(b, "</EncryptionScope>");
    }
    if (g->include & EG_LIST_COPY) {
        add_copy(b, i);
    }
    if (g->include & EG_LIST_PERMISSIONS) {
        add_access(b, i);
    }
    (void)eg_buf_addf(b, "%.*s</Properties>", EG_FMT(deleted_xml));
}

static void add_state(eg_buf *b, const eg_list_state *state) {
    if (state->deleted) {
        (void)eg_buf_addf(b, "<Deleted>true</Deleted><DeletionId>%llu</DeletionId>", (unsigned long long)state->deletion);
    }
    if (state->snapshot.len > 0) {
        (void)eg_buf_addf(b, "<Snapshot>%.*s</Snapshot>", EG_FMT(state->snapshot));
    }
    if (state->version.len > 0) {
        (void)eg_buf_addf(b, "<VersionId>%.*s</VersionId>%s", EG_FMT(state->version), state->current ? "<IsCurrentVersion>true</IsCurrentVersion>" : "");
    }
}

static void add_metadata(eg_list_page *g, const eg_inode *i) {
    if (g->include & EG_LIST_METADATA) {
        (void)eg_buf_adds(&g->body, "<Metadata>");
        if (i->kind == EG_KIND_DIRECTORY) {
            (void)eg_buf_adds(&g->body, "<hdi_isfolder>true</hdi_isfolder>");
        }
        (void)eg_metadata_xml(&g->body, eg_bytes_str(i->attr[EG_ATTR_PROPERTIES]));
        (void)eg_buf_adds(&g->body, "</Metadata>");
    }
}

eg_err eg_list_blob_xml(eg_list_page *g, eg_str name, const eg_inode *i, const eg_list_state *state) {
    (void)eg_buf_adds(&g->body, "<Blob>");
    add_name(&g->body, name);
    add_state(&g->body, state);
    add_properties(g, i, state->deleted_xml.ptr ? state->deleted_xml : EG_LIT(""));
    add_metadata(g, i);
    return eg_buf_adds(&g->body, "</Blob>");
}

eg_err eg_list_prefix_xml(eg_list_page *g, eg_str name, const eg_inode *i) {
    char whole[EG_PATH_MAX + 2];
    if (name.len > EG_PATH_MAX) {
        return EG_ERR_INTERNAL;
    }
    memcpy(whole, name.ptr, name.len);
    whole[name.len] = '/';
    (void)eg_buf_adds(&g->body, "<BlobPrefix>");
    add_name(&g->body, (eg_str){whole, name.len + 1});
    (void)eg_buf_adds(&g->body, "<Properties>");
    add_times(&g->body, i);
    if (g->include & EG_LIST_PERMISSIONS) {
        add_access(&g->body, i);
    }
    return eg_buf_adds(&g->body, "</Properties></BlobPrefix>");
}

eg_err eg_list_uncommitted_xml(eg_list_page *g, eg_str name, int64_t touched_ns) {
    char date[EG_HTTP_DATE_LEN];
    eg_time_http_date(touched_ns, date);
    (void)eg_buf_adds(&g->body, "<Blob>");
    add_name(&g->body, name);
    return eg_buf_addf(&g->body, "<Properties><Last-Modified>%s</Last-Modified><Etag></Etag><Content-Length>0</Content-Length>"
        "<BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        "<ServerEncrypted>true</ServerEncrypted></Properties></Blob>", date);
}
