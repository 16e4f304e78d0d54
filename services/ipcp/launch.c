/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the name of a layer to the program that serves it, or to the one sentence that says why not and what to do. */

#include <stdarg.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/string.h"
#include "services/common/file-check.h"
#include "services/ipcp/drop-in.h"
#include "services/ipcp/launch.h"

void launch_done(Launch *launch) {
        free(launch->program);
        free(launch->problem);
        (void) layer_file_free(launch->file);
        *launch = (Launch) {};
}

static int refuse(Launch *launch, const char *format, ...) _printf_(2, 3);
static int refuse(Launch *launch, const char *format, ...) {
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vasprintf(&launch->problem, format, arguments);
        va_end(arguments);
        if (n < 0) {
                launch->problem = NULL;
                return -ENOMEM;
        }

        return -EBADMSG;
}

/* The first error of the file, as compilers write; main() logs the others. */
static int refuse_messages(Launch *launch) {
        int r;

        r = check_message_text(check_first_error(launch->file->conf), &launch->problem);
        return r < 0 ? r : -EBADMSG;
}

static int check_file(Launch *launch, const char *root, const char *name) {
        int r;

        r = layer_file_load(root, name, &launch->file);
        if (r == -ENOENT)
                return refuse(launch,
                              "There is no file %s.layer in /etc/o7s/layers, /run/o7s/layers or /usr/lib/o7s/layers: "
                              "write one, or run \"o7sctl new %s\".",
                              name, name);
        if (r == -EBADMSG)
                return refuse_messages(launch);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                errno = -r;
                return refuse(
                        launch,
                        "Cannot read the file of layer %s: %m. Check that everybody may read "
                        "%s.layer and its drop-ins.",
                        name, name);
        }

        return 0;
}

static int check_drop_in(Launch *launch, const char *root, const char *drop_ins, const char *name) {
        _cleanup_(record_done) Record record = { .kind = _LAYER_KIND_INVALID };
        _cleanup_free_ char *directory = NULL, *path = NULL, *difference = NULL;
        _cleanup_(conf_freep) ConfFile *drop_in = NULL;
        const FileIdentity *untrusted;
        uid_t administrator, manager;
        int r;

        r = record_from_layer_file(&record, root, launch->file);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return refuse(launch, "The file of layer %s changes just now: start the layer again.", name);

        record_owners(root, &administrator, &manager);
        untrusted = record_untrusted(&record, administrator, manager);
        if (untrusted)
                return refuse(launch,
                              "%s could be changed by users other than root: run chown root:root and chmod 644 on it, "
                              "then systemctl daemon-reload.",
                              untrusted->path);

        r = drop_in_directory(name, &directory);
        if (r >= 0)
                r = format_string(&path, "%s/%s/" DROP_IN_FILE, drop_ins, directory);
        if (r >= 0)
                r = conf_new(&drop_in);
        if (r < 0)
                return r;

        r = conf_add_file(drop_in, path);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return refuse(
                        launch,
                        "systemd does not know %s yet (no %s): run systemctl daemon-reload and start the layer again.",
                        record.n_files > 0 ? record.files[0].path : name, path);

        r = record_compare(&record, drop_in, &difference);
        if (r == -ESTALE)
                return refuse(launch, "For layer %s, %s: run systemctl daemon-reload and start the layer again.", name,
                              difference);

        return r;
}

static int check_program(Launch *launch, const char *programs) {
        const char *kind = layer_kind_to_string((LayerKind) launch->file->kind);
        ConfPlace place;
        int r;

        r = format_string(&launch->program, "%s/o7s-ipcp-%s", programs, kind);
        if (r < 0)
                return r;
        if (access(launch->program, X_OK) >= 0)
                return 0;

        place = check_place(launch->file->conf, "Layer", "Type");
        return refuse(launch,
                      "%s:%u:%u: This build has no IPCP of type %s (no %s): install it, or choose another Type=.",
                      place.path, place.line, place.column, kind, launch->program);
}

int launch_prepare(Launch *launch, const char *root, const char *drop_ins, const char *programs, const char *name) {
        int r;

        *launch = (Launch) { .kind = _LAYER_KIND_INVALID };
        if (!layer_name_is_valid(name))
                return refuse(
                        launch,
                        "The instance of the unit is not the name of a layer: names have 1 to 63 of A-Z a-z 0-9 . _ - "
                        "and no dot in front.");

        r = check_file(launch, root, name);
        if (r < 0)
                return r;

        r = check_drop_in(launch, root, drop_ins, name);
        if (r < 0)
                return r;

        r = check_program(launch, programs);
        if (r < 0)
                return r;

        launch->kind = launch->file->kind;
        return 0;
}
