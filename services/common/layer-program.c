/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <getopt.h>
#include <stdio.h>

#include "basic/log.h"
#include "services/common/bus.h"
#include "services/common/layer-program.h"

static void help(const LayerProgram *program) {
        printf("%s [OPTIONS] LAYER\n\n"
               "Serves a layer of Type=%s. Usually started by o7s-ipcp@LAYER.service.\n\n"
               "     --root=DIRECTORY    read configuration below DIRECTORY\n"
               "     --no-bus            do without the system bus\n"
               "     --bus-introspect    print the bus interfaces as XML\n"
               "  -h --help              show this help\n"
               "     --version           show the version\n", program->name, program->type);
}

int layer_program_parse(LayerProgram *program, int argc, char *argv[]) {
        enum { ARG_ROOT = 0x100, ARG_NO_BUS, ARG_BUS_INTROSPECT, ARG_VERSION };
        static const struct option options[] = {
                { "root",           required_argument, NULL, ARG_ROOT           },
                { "no-bus",         no_argument,       NULL, ARG_NO_BUS         },
                { "bus-introspect", optional_argument, NULL, ARG_BUS_INTROSPECT },
                { "version",        no_argument,       NULL, ARG_VERSION        },
                { "help",           no_argument,       NULL, 'h'                },
                {}
        };
        int c;

        program->root = "";

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {

                case ARG_ROOT:
                        program->root = optarg;
                        break;

                case ARG_NO_BUS:
                        program->no_bus = true;
                        break;

                case ARG_BUS_INTROSPECT:
                        program->introspect = true;
                        return 1;

                case ARG_VERSION:
                        puts(O7S_VERSION);
                        return 0;

                case 'h':
                        help(program);
                        return 0;

                default:
                        return -EINVAL;
                }

        if (optind + 1 != argc) {
                log_error("Exactly one layer is expected; see %s --help.", program->name);
                return -EINVAL;
        }

        program->layer = argv[optind];
        return 1;
}

int layer_program_load(const LayerProgram *program, LayerFile **ret) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        int r;

        r = layer_file_load(program->root, program->layer, &file);
        if (file)
                conf_print_messages(file->conf, stderr);
        if (r < 0)
                return log_error_errno(r, "Failed to load %s.layer: %m", program->layer);
        if (file->kind != program->kind) {
                log_error("%s.layer does not have Type=%s.", program->layer, program->type);
                return -EINVAL;
        }

        *ret = TAKE_PTR(file);
        return 0;
}

int layer_program_connect_bus(const LayerProgram *program, Daemon *daemon) {
        _cleanup_free_ char *name = NULL;
        int r;

        if (program->no_bus)
                return 0;

        r = bus_layer_service(program->layer, &name);
        if (r < 0)
                return log_error_errno(r, "Failed to name the layer on the bus: %m");

        return daemon_connect_bus(daemon, name);
}
