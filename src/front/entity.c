/* entity.c - see entity.h. */
#include "front/entity.h"

#include <string.h>
#include <strings.h>

#include "base/macros.h"

/* One etag of a list, and past it: *ret_n characters from its quote on. NULL: there is none. */
static const char *next_etag(const char **list, size_t *ret_n, bool *ret_weak) {
        const char *p = *list + strspn(*list, " \t,"), *end;

        *ret_weak = !strncmp(p, "W/", 2);
        if (*ret_weak)
                p += 2;
        end = *p == '"' ? strchr(p + 1, '"') : NULL;
        if (!end || !strchr(", \t", end[1])) /* the end of the text, too */
                return NULL;
        *ret_n = (size_t)(end + 1 - p);
        *list = end + 1 + strspn(end + 1, " \t");
        return p;
}

bool entity_listed(const char *list, const char *etag, bool strong) {
        size_t n = strlen(etag), k;
        bool weak;

        if (!list)
                return false;
        list += strspn(list, " \t,");
        if (*list == '*')
                return true;
        for (const char *p; (p = next_etag(&list, &k, &weak));)
                if (k == n && !memcmp(p, etag, n) && !(strong && weak))
                        return true;
        return false;
}

/* The parameters of one element say q=0. */
static bool weighs_nothing(const char *p, const char *end) {
        for (; p < end; p++) {
                if (*p != ';')
                        continue;
                p += 1 + strspn(p + 1, " \t");
                if (p + 3 <= end && !strncasecmp(p, "q=0", 3))
                        return strspn(p + 3, ".0") == strcspn(p + 3, " \t,;");
                p--;
        }
        return false;
}

bool entity_accepts(const char *list, const char *coding) {
        bool any = !list;
        size_t n = strlen(coding);

        while (list && *list) {
                const char *end;
                size_t name;

                list += strspn(list, " \t,");
                end = list + strcspn(list, ",");
                name = strcspn(list, " \t,;");
                if (name == n && !strncasecmp(list, coding, n))
                        return !weighs_nothing(list + name, end);
                if (name == 1 && *list == '*')
                        any = !weighs_nothing(list + name, end);
                list = end;
        }
        return any;
}

/* Digits, at least one. False: none, or a number that no file reaches. */
static bool number(const char **p, uint64_t *ret) {
        uint64_t n = 0;
        size_t digits = strspn(*p, "0123456789");

        if (digits == 0 || digits > 18)
                return false;
        for (size_t i = 0; i < digits; i++)
                n = n * 10 + (uint64_t)((*p)[i] - '0');
        *p += digits;
        *ret = n;
        return true;
}

/* bytes=-N: the last N. */
static enum entity_range suffix(const char *p, uint64_t size, uint64_t *ret_from, uint64_t *ret_n) {
        uint64_t n;

        if (!number(&p, &n) || *p)
                return ENTITY_WHOLE;
        if (n == 0 || size == 0)
                return ENTITY_NONE;
        *ret_n = MIN(n, size);
        *ret_from = size - *ret_n;
        return ENTITY_PART;
}

enum entity_range entity_range(const char *range, uint64_t size, uint64_t *ret_from,
                               uint64_t *ret_n) {
        uint64_t from, to = UINT64_MAX;
        const char *p = range;

        if (!p || strncasecmp(p, "bytes=", 6) != 0)
                return ENTITY_WHOLE;
        p += 6;
        if (*p == '-')
                return suffix(p + 1, size, ret_from, ret_n);
        if (!number(&p, &from) || *p++ != '-')
                return ENTITY_WHOLE;
        if (*p && (!number(&p, &to) || *p || to < from))
                return ENTITY_WHOLE;
        if (from >= size)
                return ENTITY_NONE;
        *ret_from = from;
        *ret_n = MIN(to, size - 1) - from + 1;
        return ENTITY_PART;
}
