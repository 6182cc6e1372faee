/* The system's clocks, and the two ways in which time is written: RFC 3339 and HTTP-date. */
#include <embergate/clock.h>

#include <stdio.h>
#include <time.h>

#define NS_PER_S 1000000000LL

static int64_t read_clock(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t system_wall(void *ctx) {
    (void)ctx;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_mono(void *ctx) {
    (void)ctx;
    return read_clock(CLOCK_MONOTONIC);
}

const eg_clock eg_clock_system = {.wall_ns = system_wall, .mono_ns = system_mono};

static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const day_long_names[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* Splits towards minus infinity; an int64 of nanoseconds stays within the years 1677 to 2262. */
static int64_t split(int64_t wall_ns, struct tm *ret_tm) {
    int64_t s = wall_ns / NS_PER_S;
    int64_t rest = wall_ns % NS_PER_S;
    if (rest < 0) {
        rest += NS_PER_S;
        s--;
    }
    time_t t = (time_t)s;
    gmtime_r(&t, ret_tm);
    return rest;
}

static void put_digits(char *p, int width, unsigned v) {
    for (int i = width - 1; i >= 0; i--) {
        p[i] = (char)('0' + v % 10);
        v /= 10;
    }
}

void eg_time_rfc3339(int64_t wall_ns, char ret[EG_RFC3339_LEN]) {
    struct tm tm;
    int64_t ns = split(wall_ns, &tm);
    memcpy(ret, "0000-00-00T00:00:00.000000Z", EG_RFC3339_LEN);
    put_digits(ret, 4, (unsigned)tm.tm_year + 1900);
    put_digits(ret + 5, 2, (unsigned)tm.tm_mon + 1);
    put_digits(ret + 8, 2, (unsigned)tm.tm_mday);
    put_digits(ret + 11, 2, (unsigned)tm.tm_hour);
    put_digits(ret + 14, 2, (unsigned)tm.tm_min);
    put_digits(ret + 17, 2, (unsigned)tm.tm_sec);
    put_digits(ret + 20, 6, (unsigned)(ns / 1000));
}

void eg_time_http_date(int64_t wall_ns, char ret[EG_HTTP_DATE_LEN]) {
    struct tm tm;
    split(wall_ns, &tm);
    memcpy(ret, "Day, 00 Mon 0000 00:00:00 GMT", EG_HTTP_DATE_LEN);
    memcpy(ret, day_names[tm.tm_wday], 3);
    put_digits(ret + 5, 2, (unsigned)tm.tm_mday);
    memcpy(ret + 8, month_names[tm.tm_mon], 3);
    put_digits(ret + 12, 4, (unsigned)tm.tm_year + 1900);
    put_digits(ret + 17, 2, (unsigned)tm.tm_hour);
    put_digits(ret + 20, 2, (unsigned)tm.tm_min);
    put_digits(ret + 23, 2, (unsigned)tm.tm_sec);
}

/* A reader over the text whose first mismatch sticks. */
typedef struct scan {
    eg_str rest;
    bool bad;
} scan;

static int take_number(scan *s, size_t width) {
    int v = 0;
    if (s->bad || s->rest.len < width) {
        s->bad = true;
        return 0;
    }
    for (size_t i = 0; i < width; i++) {
        char c = s->rest.ptr[i];
        s->bad = s->bad || c < '0' || c > '9';
        v = v * 10 + (c - '0');
    }
    s->rest.ptr += width;
    s->rest.len -= width;
    return s->bad ? 0 : v;
}

static void take_text(scan *s, const char *text) {
    size_t n = strlen(text);
    if (s->bad || !eg_str_starts(s->rest, text)) {
        s->bad = true;
        return;
    }
    s->rest.ptr += n;
    s->rest.len -= n;
}

static int take_name(scan *s, const char *const *names, int count) {
    for (int i = 0; !s->bad && i < count; i++) {
        if (eg_str_starts(s->rest, names[i])) {
            take_text(s, names[i]);
            return i;
        }
    }
    s->bad = true;
    return 0;
}

static void take_time(scan *s, struct tm *tm) {
    tm->tm_hour = take_number(s, 2);
    take_text(s, ":");
    tm->tm_min = take_number(s, 2);
    take_text(s, ":");
    tm->tm_sec = take_number(s, 2);
}

/* Refuses what is no date, such as 31 February, by comparing with what the calendar makes of it; *tm gets the day of the week. A time that an int64 of nanoseconds
 * can't have is refused, or with `far` the last or the first that it can. */
static eg_err join(struct tm *tm, int64_t shift_s, int64_t ns, bool far, int64_t *ret) {
    struct tm check = *tm;
    time_t t = timegm(&check);
    if (check.tm_mday != tm->tm_mday || check.tm_mon != tm->tm_mon || check.tm_hour != tm->tm_hour ||
        check.tm_min != tm->tm_min || check.tm_sec != tm->tm_sec || check.tm_year != tm->tm_year) {
        return EG_ERR_INVALID;
    }
    int64_t wall = 0;
    if (__builtin_mul_overflow((int64_t)t - shift_s, NS_PER_S, &wall) || __builtin_add_overflow(wall, ns, &wall)) {
        if (!far) {
            return EG_ERR_INVALID;
        }
        wall = t > 0 ? INT64_MAX : INT64_MIN;
    }
    tm->tm_wday = check.tm_wday;
    *ret = wall;
    return EG_OK;
}

/* RFC 9110 section 5.6.7: IMF-fixdate is what is sent; the two obsolete forms must be understood. */
eg_err eg_time_parse_http_date(eg_str text, int64_t *ret_wall_ns) {
    scan s = {text, false};
    struct tm tm = {0};
    int weekday = 0;
    if (text.len == EG_HTTP_DATE_LEN - 1) {
        weekday = take_name(&s, day_names, 7);
        take_text(&s, ", ");
        tm.tm_mday = take_number(&s, 2);
        take_text(&s, " ");
        tm.tm_mon = take_name(&s, month_names, 12);
        take_text(&s, " ");
        tm.tm_year = take_number(&s, 4) - 1900;
        take_text(&s, " ");
        take_time(&s, &tm);
        take_text(&s, " GMT");
    } else if (text.len > 3 && text.ptr[3] == ' ') {
        weekday = take_name(&s, day_names, 7);
        take_text(&s, " ");
        tm.tm_mon = take_name(&s, month_names, 12);
        take_text(&s, " ");
        bool padded = s.rest.len > 0 && s.rest.ptr[0] == ' ';
        take_text(&s, padded ? " " : "");
        tm.tm_mday = take_number(&s, padded ? 1 : 2);
        take_text(&s, " ");
        take_time(&s, &tm);
        take_text(&s, " ");
        tm.tm_year = take_number(&s, 4) - 1900;
    } else {
        weekday = take_name(&s, day_long_names, 7);
        take_text(&s, ", ");
        tm.tm_mday = take_number(&s, 2);
        take_text(&s, "-");
        tm.tm_mon = take_name(&s, month_names, 12);
        take_text(&s, "-");
        int year = take_number(&s, 2);
        tm.tm_year = year < 70 ? year + 100 : year;
        take_text(&s, " ");
        take_time(&s, &tm);
        take_text(&s, " GMT");
    }
    int64_t wall = 0;
    if (s.bad || s.rest.len != 0 || join(&tm, 0, 0, true, &wall) != EG_OK || tm.tm_wday != weekday) {
        return EG_ERR_INVALID;
    }
    *ret_wall_ns = wall;
    return EG_OK;
}

static int64_t take_fraction(scan *s) {
    int64_t ns = 0;
    int64_t unit = NS_PER_S / 10;
    if (s->bad || s->rest.len == 0 || s->rest.ptr[0] != '.') {
        return 0;
    }
    take_text(s, ".");
    size_t digits = 0;
    while (s->rest.len > 0 && s->rest.ptr[0] >= '0' && s->rest.ptr[0] <= '9') {
        ns += (s->rest.ptr[0] - '0') * unit;
        unit /= 10;
        digits++;
        s->rest.ptr++;
        s->rest.len--;
    }
    s->bad = digits == 0 || digits > 9;
    return ns;
}

/* Seconds east of UTC. */
static int64_t take_offset(scan *s) {
    if (s->rest.len > 0 && s->rest.ptr[0] == 'Z') {
        take_text(s, "Z");
        return 0;
    }
    bool west = s->rest.len > 0 && s->rest.ptr[0] == '-';
    take_text(s, west ? "-" : "+");
    int hours = take_number(s, 2);
    take_text(s, ":");
    int minutes = take_number(s, 2);
    s->bad = s->bad || hours > 23 || minutes > 59;
    int64_t shift = (int64_t)hours * 3600 + minutes * 60;
    return west ? -shift : shift;
}

static eg_err parse_rfc3339(eg_str text, bool far, int64_t *ret_wall_ns) {
    scan s = {text, false};
    struct tm tm = {0};
    tm.tm_year = take_number(&s, 4) - 1900;
    take_text(&s, "-");
    tm.tm_mon = take_number(&s, 2) - 1;
    take_text(&s, "-");
    tm.tm_mday = take_number(&s, 2);
    take_text(&s, "T");
    take_time(&s, &tm);
    int64_t ns = take_fraction(&s);
    int64_t shift = take_offset(&s);
    if (s.bad || s.rest.len != 0) {
        return EG_ERR_INVALID;
    }
    return join(&tm, shift, ns, far, ret_wall_ns);
}

eg_err eg_time_parse_rfc3339(eg_str text, int64_t *ret_wall_ns) { return parse_rfc3339(text, false, ret_wall_ns); }
eg_err eg_time_parse_rfc3339_far(eg_str text, int64_t *ret_wall_ns) { return parse_rfc3339(text, true, ret_wall_ns); }
