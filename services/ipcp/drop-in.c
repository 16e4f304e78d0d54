/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What comes from a file goes into a unit only through here. Names of layers need no escaping (their alphabet is that
 * of units, without '%'); a description is free text and gets one.
 */

#include <stdio.h>

#include "basic/string.h"
#include "services/common/bus.h"
#include "services/ipcp/drop-in.h"

typedef struct KindSettings {
        const char *user;
        const char *lines;      /* what the type needs beyond the sandbox of o7s-ipcp@.service */
} KindSettings;

static const KindSettings kind_settings[_LAYER_KIND_MAX] = {
        [LAYER_KIND_UNICAST] = { "o7s-unicast", "" },
        [LAYER_KIND_BROADCAST] = { "o7s-broadcast", "" },
        [LAYER_KIND_UDP] = {
                "o7s-udp",
                "PrivateNetwork=no\n"
                "IPAddressDeny=\n"
                "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK\n",
        },
        [LAYER_KIND_ETH] = {
                "o7s-eth",
                "PrivateNetwork=no\n"
                "RestrictAddressFamilies=AF_PACKET AF_NETLINK\n"
                "CapabilityBoundingSet=CAP_NET_RAW\n"
                "AmbientCapabilities=CAP_NET_RAW\n",
        },
};

const char *drop_in_user(LayerKind kind) {
        return kind_settings[kind].user;
}

int drop_in_directory(const char *name, char **ret) {
        _cleanup_free_ char *unit = NULL;
        int r;

        r = bus_layer_unit(name, &unit);
        if (r < 0)
                return r;

        return format_string(ret, "%s.d", unit);
}

/* '%' begins a specifier and a backslash at the end continues the line; control characters the schema has refused. */
static void write_description(FILE *out, const char *name, const char *description) {
        fprintf(out, "Description=Ouroboros layer %s (", name);
        for (; *description; description++)
                if (*description == '%')
                        fputs("%%", out);
                else
                        fputc(*description, out);
        fputs(")\n", out);
}

static int write_unit_section(FILE *out, const char *name, const LayerFile *file, const Record *record, bool usable) {
        fputs("[Unit]\n", out);

        /* systemd compares its time stamp and says "changed on disk" in systemctl status. */
        if (record->n_files > 0 && !strpbrk(record->files[0].path, "%\\\n"))
                fprintf(out, "SourcePath=%s\n", record->files[0].path);
        if (!usable)
                return 0;

        if (!isempty(file->description))
                write_description(out, name, file->description);

        for (size_t i = 0; i < file->over.n; i++) {
                _cleanup_free_ char *lower = NULL;
                int r;

                r = bus_layer_unit(file->over.items[i], &lower);
                if (r < 0)
                        return r;
                /* not Requires=: a layer whose lower layer stops is degraded */
                fprintf(out, "Wants=%s\nAfter=%s\n", lower, lower);
        }

        return 0;
}

static int write_service_section(FILE *out, const char *name, LayerKind kind) {
        _cleanup_free_ char *bus_name = NULL;
        int r;

        r = bus_layer_service(name, &bus_name);
        if (r < 0)
                return r;

        fprintf(out, "\n[Service]\nBusName=%s\nUser=%s\n%s", bus_name, kind_settings[kind].user,
                kind_settings[kind].lines);
        return 0;
}

static int write_all(FILE *out, const char *name, const LayerFile *file, const Record *record, bool usable) {
        _cleanup_free_ char *section = NULL;
        int r;

        fputs("# Made by o7s-generator at boot and at each \"systemctl daemon-reload\". Do not edit: change the "
              "layer's file.\n",
              out);

        r = write_unit_section(out, name, file, record, usable);
        if (r < 0)
                return r;

        if (usable) {
                r = write_service_section(out, name, (LayerKind) file->kind);
                if (r < 0)
                        return r;
        }

        r = record_format(record, &section);
        if (r < 0)
                return r;

        fprintf(out, "\n%s", section);
        return 0;
}

int drop_in_format(const char *name, const LayerFile *file, const Record *record, bool usable, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out;
        bool failed;
        int r;

        out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;

        r = write_all(out, name, file, record, usable);
        failed = ferror(out);
        if (fclose(out) != 0 || failed)
                return -ENOMEM;
        if (r < 0)
                return r;

        *ret = TAKE_PTR(text);
        return 0;
}
