/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "libo7s/bus-names.h"
#include "libo7s/error.h"
#include "services/common/bus-error.h"
#include "services/common/bus.h"

static const struct {
        const char *layer, *path, *service, *unit;
} layers[] = {
        { "lan", "/org/o7s/irm1/layer/lan", "org.o7s.ipcp1.lan", "o7s-ipcp@lan.service" },
        { "lab-1", "/org/o7s/irm1/layer/lab_2d1", "org.o7s.ipcp1.lab_2d1", "o7s-ipcp@lab-1.service" },
        { "1.x_y", "/org/o7s/irm1/layer/_31_2ex_5fy", "org.o7s.ipcp1._31_2ex_5fy", "o7s-ipcp@1.x_y.service" },
};

static void test_layers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(layers); i++) {
                _cleanup_free_ char *path = NULL, *service = NULL, *unit = NULL, *layer = NULL;

                assert_int_equal(bus_object_path(BUS_PATH_LAYER, layers[i].layer, &path), 0);
                assert_string_equal(path, layers[i].path);
                assert_int_equal(bus_layer_service(layers[i].layer, &service), 0);
                assert_string_equal(service, layers[i].service);
                assert_int_equal(bus_layer_unit(layers[i].layer, &unit), 0);
                assert_string_equal(unit, layers[i].unit);
                assert_int_equal(bus_layer_from_unit(unit, &layer), 0);
                assert_string_equal(layer, layers[i].layer);
        }
}

static void test_foreign_units(void **state) {
        static const char *const units[] = {
                "o7s-ipcp@.service", "o7s-ipcp@lan", "xo7s-ipcp@lan.service", "o7s-ipcp@a/b.service",
                "o7s-ipcp@.a.service", "o7s-irm.service", "", ".service",
        };

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                char *layer = NULL;

                print_message("%s\n", units[i]);
                assert_int_equal(bus_layer_from_unit(units[i], &layer), -ENXIO);
                assert_null(layer);
        }
}

static void test_errors(void **state) {
        const ErrorRow *row = error_row(ENOENT);
        sd_bus_error e = SD_BUS_ERROR_NULL;

        assert_int_equal(bus_error_set(&e, -ENOENT, "No layer '%s'", "lan"), -ENOENT);
        assert_non_null(strstr(e.name, BUS_ERROR_PREFIX));
        assert_string_equal(e.name + strlen(BUS_ERROR_PREFIX), row->bus_name);
        assert_ptr_equal(strstr(e.message, "No layer 'lan'. "), e.message);     /* the sentence is ended for us */
        assert_non_null(strstr(e.message, row->hint));
        sd_bus_error_free(&e);

        assert_int_equal(bus_error_set(&e, ENOENT, NULL), -ENOENT);
        assert_ptr_equal(strstr(e.message, row->sentence), e.message);
        sd_bus_error_free(&e);

        assert_int_equal(bus_error_set_named(&e, "NoSuchLayer", NULL), -error_row_by_name("NoSuchLayer")->error);
        assert_string_equal(e.name, BUS_ERROR_PREFIX "NoSuchLayer");
        sd_bus_error_free(&e);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_layers),
                cmocka_unit_test(test_foreign_units),
                cmocka_unit_test(test_errors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
