/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-ipcp-unicast: a member of a routed layer over other layers. Started by o7s-ipcp for layers of Type=unicast.
 *
 *   o7s-ipcp-unicast LAYER              serve the layer that LAYER.layer describes
 *   o7s-ipcp-unicast --bus-introspect   print its bus interfaces as XML
 */

#include <getopt.h>
#include <stdio.h>

#include "basic/log.h"
#include "services/common/bus.h"
#include "services/ipcp-unicast/service.h"

static const char *arg_layer;
static const char *arg_root = "";
static bool arg_bus = true;
static bool arg_introspect;

static int help(void) {
        printf("o7s-ipcp-unicast [OPTIONS] LAYER\n\n"
               "Serves a layer of Type=unicast. Usually started by o7s-ipcp@LAYER.service.\n\n"
               "     --root=DIRECTORY    read configuration below DIRECTORY\n"
               "     --no-bus            do without the system bus\n"
               "     --bus-introspect    print the bus interfaces as XML\n"
               "  -h --help              show this help\n"
               "     --version           show the version\n");
        return 0;
}

/* Returns: 1: go on; 0: done; < 0. */
static int parse_arguments(int argc, char *argv[]) {
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

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {

                case ARG_ROOT:
                        arg_root = optarg;
                        break;

                case ARG_NO_BUS:
                        arg_bus = false;
                        break;

                case ARG_BUS_INTROSPECT:
                        arg_introspect = true;
                        return 1;

                case ARG_VERSION:
                        puts(O7S_VERSION);
                        return 0;

                case 'h':
                        return help();

                default:
                        return -EINVAL;
                }

        if (optind + 1 != argc) {
                log_error("Exactly one layer is expected; see o7s-ipcp-unicast --help.");
                return -EINVAL;
        }

        arg_layer = argv[optind];
        return 1;
}

static int load(LayerFile **ret) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        int r;

        r = layer_file_load(arg_root, arg_layer, &file);
        if (file)
                conf_print_messages(file->conf, stderr);
        if (r < 0)
                return log_error_errno(r, "Failed to load %s.layer: %m", arg_layer);
        if (file->kind != LAYER_KIND_UNICAST) {
                log_error("%s.layer does not have Type=unicast.", arg_layer);
                return -EINVAL;
        }

        *ret = TAKE_PTR(file);
        return 0;
}

static int connect_bus(Daemon *daemon, Service *service) {
        _cleanup_free_ char *name = NULL;
        int r;

        r = bus_layer_service(arg_layer, &name);
        if (r < 0)
                return log_error_errno(r, "Failed to name the layer on the bus: %m");

        r = daemon_connect_bus(daemon, name);
        if (r < 0)
                return r;

        return service_bus_export(service, daemon->bus);
}

static int run(void) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        _cleanup_(daemon_done) Daemon daemon = {};
        _cleanup_(service_done) Service service = {};
        int r;

        r = daemon_init(&daemon, "o7s-ipcp-unicast");
        if (r < 0)
                return EXIT_FAILURE;

        r = load(&file);
        if (r < 0)
                return r == -ENOMEM ? EXIT_FAILURE : EXIT_CONFIGURATION;

        r = service_init(&service, &daemon, file);
        if (r < 0)
                return EXIT_FAILURE;

        r = arg_bus ? connect_bus(&daemon, &service) : 0;
        if (r >= 0)
                r = service_start(&service);
        if (r < 0)
                return EXIT_FAILURE;

        r = daemon_loop(&daemon);

        /* So that the IRM can tell a layer that was stopped from one that broke. */
        if (r == EXIT_SUCCESS)
                layer_set_state(service.layer, LAYER_STOPPING, "its service is being stopped");
        return r;
}

int main(int argc, char *argv[]) {
        int r;

        log_open();

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        if (arg_introspect)
                return service_bus_introspect() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        return run();
}
