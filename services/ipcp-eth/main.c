/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-ipcp-eth: a layer directly on an Ethernet. Started by o7s-ipcp for layers of Type=eth;
 * its command line is that of services/common/layer-program.h.
 */

#include "basic/log.h"
#include "services/common/layer-program.h"
#include "services/ipcp-eth/service.h"

static int run(const LayerProgram *program) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        _cleanup_(daemon_done) Daemon daemon = {};
        _cleanup_(service_done) Service service = {};
        int r;

        r = daemon_init(&daemon, program->name);
        if (r < 0)
                return EXIT_FAILURE;

        r = layer_program_load(program, &file);
        if (r < 0)
                return r == -ENOMEM ? EXIT_FAILURE : EXIT_CONFIGURATION;

        r = service_init(&service, &daemon, file);
        if (r >= 0)
                r = layer_program_connect_bus(program, &daemon);
        if (r >= 0 && daemon.bus)
                r = service_bus_export(&service, daemon.bus);
        if (r < 0)
                return EXIT_FAILURE;

        r = daemon_loop(&daemon);

        /* So that the IRM can tell a layer that was stopped from one that broke. */
        if (r == EXIT_SUCCESS)
                layer_set_state(service.layer, LAYER_STOPPING, "its service is being stopped");
        return r;
}

int main(int argc, char *argv[]) {
        LayerProgram program = { .name = "o7s-ipcp-eth", .type = "eth", .kind = LAYER_KIND_ETH };
        int r;

        log_open();

        r = layer_program_parse(&program, argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        if (program.introspect)
                return service_bus_introspect() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        return run(&program);
}
