/* file_type.c - see file_type.h. Whatever could run a script in a browser is for saving only. */
#include "front/file_type.h"

#include <string.h>
#include <strings.h>

#include "base/macros.h"

#define TEXT "text/plain; charset=utf-8"

static const struct type {
        const char *ending, *mime;
        bool shown;
} types[] = {
        {"png", "image/png", true},
        {"jpg", "image/jpeg", true},
        {"jpeg", "image/jpeg", true},
        {"gif", "image/gif", true},
        {"webp", "image/webp", true},
        {"bmp", "image/bmp", true},
        {"ico", "image/x-icon", true},
        {"avif", "image/avif", true},
        {"txt", TEXT, true},
        {"md", TEXT, true},
        {"py", TEXT, true},
        {"c", TEXT, true},
        {"h", TEXT, true},
        {"cpp", TEXT, true},
        {"java", TEXT, true},
        {"rs", TEXT, true},
        {"go", TEXT, true},
        {"sh", TEXT, true},
        {"csv", TEXT, true},
        {"log", TEXT, true},
        {"ini", TEXT, true},
        {"toml", TEXT, true},
        {"yaml", TEXT, true},
        {"yml", TEXT, true},
        {"json", "application/json", false},
        {"pdf", "application/pdf", false},
        {"zip", "application/zip", false},
        {"html", "text/html", false},
        {"htm", "text/html", false},
        {"svg", "image/svg+xml", false},
        {"xml", "application/xml", false},
        {"css", "text/css", false},
        {"js", "text/javascript", false},
        {"mp3", "audio/mpeg", false},
        {"wav", "audio/wav", false},
        {"mp4", "video/mp4", false},
};
static const struct type unknown = {"", "application/octet-stream", false};

static const struct type *find(const char *name) {
        const char *dot = strrchr(name, '.');

        for (size_t i = 0; dot && i < ELEMENTS(types); i++)
                if (!strcasecmp(dot + 1, types[i].ending))
                        return &types[i];
        return &unknown;
}

const char *file_type(const char *name) {
        return find(name)->mime;
}

bool file_type_shown(const char *name) {
        return find(name)->shown;
}
