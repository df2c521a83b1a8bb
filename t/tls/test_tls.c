/* TLS over transports of every kind. */
#include "support/tls_kit.h"

#include <stdlib.h>
#include <string.h>

VT_CASE("basics", vt_real_reactor_tcase, .set_up = tlk_open,
        .take_down = tlk_close, .loops = TK_KINDS);

VT_TEST(bytes_arrive_both_ways)
{
    struct tk_probe ends[2];

    tlk_connect((enum tk_kind)_i, ends);
    tk_write_all(ends[0].t, "hello");
    tk_write_all(ends[1].t, "world!");
    tk_until(ends[0].n_data == 6 && ends[1].n_data == 5);
    tk_assert_data(&ends[0], "world!");
    tk_assert_data(&ends[1], "hello");
    tk_finish(ends);
}

VT_TEST(much_arrives_whole_and_in_order)
{
    size_t n = vt_on_valgrind() ? 300000 : 10000000;
    char *data = tk_pattern(n);
    struct tk_probe ends[2];

    tlk_connect((enum tk_kind)_i, ends);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, n), 0);
    tk_until(ends[1].n_data == n);
    ck_assert_int_eq(memcmp(ends[1].data, data, n), 0);
    tk_finish(ends);
    free(data);
}

VT_TEST(the_close_of_one_end_is_the_orderly_end_of_the_other)
{
    struct tk_probe ends[2];

    tlk_connect((enum tk_kind)_i, ends);
    tk_write_all(ends[0].t, "last words");
    vetch_transport_close(ends[0].t);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    ck_assert_str_eq(ends[1].trace, "crelf");
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_int_eq(ends[1].lost_code, 0);
    tk_assert_data(&ends[1], "last words");
    tk_finish(ends);
}

VT_TEST(an_abort_is_no_orderly_end)
{
    struct tk_probe ends[2];

    tlk_connect((enum tk_kind)_i, ends);
    vetch_transport_abort(ends[0].t);
    tk_until(tk_has(&ends[1], TK_FREED));
    ck_assert_int_eq(ends[0].lost_code, ECONNABORTED);
    ck_assert_int_ne(ends[1].lost_code, 0);
    tk_finish(ends);
}

VT_TEST(one_direction_can_end_alone)
{
    struct tk_probe ends[2];

    tlk_connect((enum tk_kind)_i, ends);
    ends[1].stay_open = true;
    ck_assert_int_eq(vetch_transport_end(ends[0].t), 0);
    tk_until(tk_has(&ends[1], TK_ENDED));
    tk_write_all(ends[1].t, "more");
    tk_until(ends[0].n_data == 4);
    vetch_transport_close(ends[1].t);
    tk_until(tk_has(&ends[0], TK_FREED));
    ck_assert_int_eq(ends[0].lost_code, 0);
    tk_finish(ends);
}
