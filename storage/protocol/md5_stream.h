/* MD5 of a body that comes in pieces, for Content-MD5 alone. */
#ifndef EG_STORAGE_MD5_STREAM_H
#define EG_STORAGE_MD5_STREAM_H

#include <embergate/bytes.h>

typedef struct eg_md5_stream eg_md5_stream;
eg_err eg_md5_stream_new(eg_md5_stream **ret) EG_MUST_CHECK;
eg_err eg_md5_stream_add(eg_md5_stream *m, eg_bytes b) EG_MUST_CHECK;
eg_err eg_md5_stream_end(eg_md5_stream *m, uint8_t ret[16]) EG_MUST_CHECK;
void eg_md5_stream_free(eg_md5_stream *m);
EG_DEFINE_CLEANUP(eg_md5_stream, eg_md5_stream_free)

#endif
