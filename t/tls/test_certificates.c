/* Which certificates are accepted, and what is said of those that are not. */
#include "support/tls_kit.h"

#include <stdio.h>
#include <string.h>

static void
release_ends(vetch_transport *ends[2])
{
    vetch_transport_unref(ends[0]);
    vetch_transport_unref(ends[1]);
    vt_run_ready();
}

static void
expect_refusal(vetch_tls *client, const char *name, const char *file,
               const char *words)
{
    vetch_tls *server = tlk_server(file);
    vetch_transport *ends[2];

    tlk_shake(TK_MEMORY, client, name, server, ends);
    ck_assert_msg(ends[0] == NULL, "%s is accepted", file);
    ck_assert_int_eq(vetch_error_code(tlk_error[0]), VETCH_ECERTIFICATE);
    ck_assert_msg(strstr(vetch_error_message(tlk_error[0]), words) != NULL,
                  "%s: %s", file, vetch_error_text(tlk_error[0]));
    ck_assert_ptr_nonnull(vetch_error_cause(tlk_error[0]));
    release_ends(ends);
    vetch_tls_unref(server);
}

static void
expect_success(vetch_tls *client, const char *name, const char *file)
{
    vetch_tls *server = tlk_server(file);
    vetch_transport *ends[2];

    tlk_shake(TK_MEMORY, client, name, server, ends);
    ck_assert_msg(ends[0] != NULL, "%s: %s", name,
                  vetch_error_text(tlk_error[0]));
    release_ends(ends);
    vetch_tls_unref(server);
}

VT_CASE("names", vt_reactor_tcase, .set_up = tlk_open, .take_down = tlk_close);

VT_TEST(names_and_addresses_are_compared)
{
    static const char *const good[] = { "localhost", "localhost.", "LOCALHOST",
                                        "127.0.0.1", "a.example.org" };
    static const char *const bad[] = { "example.org", "a.b.example.org",
                                       "localhost.localdomain", "xlocalhost" };
    vetch_tls *client = tlk_client();

    for (int i = 0; i < VT_COUNT_OF(good); i++)
        expect_success(client, good[i], "server");
    for (int i = 0; i < VT_COUNT_OF(bad); i++)
        expect_refusal(client, bad[i], "server", "for another host");
    expect_refusal(client, "127.0.0.2", "server", "for another address");
    expect_refusal(client, "::1", "server", "for another address");
    vetch_tls_unref(client);
}

VT_TEST(a_client_that_verifies_has_to_say_whom_it_expects)
{
    vetch_tls *client = tlk_client(), *server = tlk_server("server");
    vetch_transport *pair[2];
    vetch_error *error = NULL;

    tk_pair(TK_MEMORY, pair);
    ck_assert_ptr_null(
        vetch_run(vetch_tls_start(pair[0], client, NULL), &error));
    ck_assert_int_eq(vetch_error_code(error), EINVAL);
    vetch_error_unref(error);
    release_ends(pair);
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}

VT_TEST(a_client_may_choose_not_to_verify)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;
    vetch_tls *client;

    options.verify = false;
    client = tlk_client_with(options);
    expect_success(client, NULL, "server");
    expect_success(client, "elsewhere", "server");
    vetch_tls_unref(client);
}

VT_TEST(the_authorities_of_the_system_do_not_know_ours)
{
    vetch_tls *client = vetch_tls_client_new(NULL, NULL);

    ck_assert_ptr_nonnull(client);
    expect_refusal(client, "localhost", "server", "authority is unknown");
    vetch_tls_unref(client);
}

VT_CASE("bad", vt_reactor_tcase, .set_up = tlk_open, .take_down = tlk_close);

VT_TEST(bad_certificates_are_refused_with_the_reason)
{
#define LOCALHOST .names = "DNS:localhost"
    static const struct {
        struct tlk_subject subject;
        const char *words;
    } bad[] = {
        { { "expired", LOCALHOST, .from = -20, .until = -1 }, "has expired" },
        { { "future", LOCALHOST, .from = 2 }, "not valid yet" },
        { { "other", .names = "DNS:other.example" }, "for another host" },
        { { "cnonly", .cn = "localhost" }, "for another host" },
        { { "star", .names = "DNS:*" }, "for another host" },
        { { "partial", .names = "DNS:loc*" }, "for another host" },
        { { "self", LOCALHOST, .issuer = "self" }, "self-signed" },
        { { "usage", LOCALHOST, .usage = "clientAuth" }, "not for this use" },
        { { "between", .authority = true }, NULL },
        { { "alone", LOCALHOST, .issuer = "between", .alone = true },
          "authority is unknown" },
        { { "foreign", .issuer = "foreign", .authority = true }, NULL },
        { { "stranger", LOCALHOST, .issuer = "foreign" },
          "authority is unknown" },
        { { "notca", .names = "DNS:x.example" }, NULL },
        { { "forged", LOCALHOST, .issuer = "notca" },
          "invalid CA certificate" },
    };
    vetch_tls *client = tlk_client();

    for (int i = 0; i < VT_COUNT_OF(bad); i++) {
        tlk_certify(&bad[i].subject);
        if (bad[i].words != NULL)
            expect_refusal(client, "localhost", bad[i].subject.file,
                           bad[i].words);
    }
    vetch_tls_unref(client);
}

VT_TEST(a_chain_is_sent_and_followed)
{
    vetch_tls *client = tlk_client();

    tlk_certify(&(struct tlk_subject){ .file = "between", .authority = true });
    tlk_certify(&(struct tlk_subject){
        .file = "below", .issuer = "between", .names = "DNS:localhost" });
    expect_success(client, "localhost", "below");
    vetch_tls_unref(client);
}

VT_TEST(a_weak_key_is_refused_by_whoever_would_show_it)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;
    vetch_error *error = NULL;

    tlk_certify(&(struct tlk_subject){ .file = "weak", .rsa_bits = 1024 });
    options.certificate_file = tlk_path("weak");
    ck_assert_ptr_null(vetch_tls_server_new(&options, &error));
    ck_assert_ptr_nonnull(strstr(vetch_error_text(error), "key too small"));
    vetch_error_unref(error);
}

VT_CASE("clients", vt_reactor_tcase, .set_up = tlk_open,
        .take_down = tlk_close);

static vetch_tls *
asking_server(bool require)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;

    options.authorities_file = tlk_path("ca");
    options.require_certificate = require;
    return tlk_server_with(options);
}

static vetch_tls *
client_showing(const char *file)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;

    options.certificate_file = tlk_path(file);
    return tlk_client_with(options);
}

VT_TEST(a_client_certificate_names_the_client)
{
    vetch_tls *client = client_showing("client"), *server = asking_server(true);
    vetch_transport *ends[2];

    tlk_shake(TK_MEMORY, client, "localhost", server, ends);
    ck_assert_ptr_nonnull(ends[1]);
    ck_assert_str_eq(vetch_transport_tls(ends[1])->subject, "CN=client");
    ck_assert_str_eq(vetch_transport_tls(ends[0])->subject, "CN=server");
    release_ends(ends);
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}

VT_TEST(a_client_without_certificate_is_refused_where_one_is_required)
{
    vetch_tls *client = tlk_client(), *server = asking_server(true);
    vetch_transport *ends[2];

    tlk_shake(TK_MEMORY, client, "localhost", server, ends);
    ck_assert_ptr_null(ends[1]);
    ck_assert_ptr_nonnull(
        strstr(vetch_error_text(tlk_error[1]), "did not return a certificate"));
    release_ends(ends);
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}

VT_TEST(a_client_without_certificate_is_welcome_where_none_is_required)
{
    vetch_tls *client = tlk_client(), *server = asking_server(false);
    vetch_transport *ends[2];

    tlk_shake(TK_MEMORY, client, "localhost", server, ends);
    ck_assert_ptr_nonnull(ends[1]);
    ck_assert_ptr_null(vetch_transport_tls(ends[1])->subject);
    release_ends(ends);
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}

VT_TEST(a_server_certificate_is_no_client_certificate)
{
    vetch_tls *client, *server = asking_server(true);
    vetch_transport *ends[2];

    tlk_certify(
        &(struct tlk_subject){ .file = "wrong", .usage = "serverAuth" });
    client = client_showing("wrong");
    tlk_shake(TK_MEMORY, client, "localhost", server, ends);
    ck_assert_ptr_null(ends[1]);
    ck_assert_int_eq(vetch_error_code(tlk_error[1]), VETCH_ECERTIFICATE);
    release_ends(ends);
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}

VT_CASE("several", vt_reactor_tcase, .set_up = tlk_open,
        .take_down = tlk_close);

static void
expect_subject(vetch_tls *client, vetch_tls *server, const char *name,
               const char *subject)
{
    vetch_transport *ends[2];

    tlk_shake(TK_MEMORY, client, name, server, ends);
    ck_assert_msg(ends[0] != NULL, "%s", vetch_error_text(tlk_error[0]));
    ck_assert_str_eq(vetch_transport_tls(ends[0])->subject, subject);
    release_ends(ends);
}

static int
add_certificate(vetch_tls *server, const char *name, const char *file)
{
    return vetch_tls_add_certificate(server, name, tlk_path(file), NULL, NULL);
}

VT_TEST(a_server_shows_the_certificate_that_is_asked_for)
{
    vetch_tls *client = tlk_client(), *server = tlk_server("server");

    tlk_certify(
        &(struct tlk_subject){ .file = "one", .names = "DNS:one.example" });
    tlk_certify(
        &(struct tlk_subject){ .file = "two", .names = "DNS:*.two.example" });
    ck_assert_int_eq(add_certificate(server, "one.example", "one"), 0);
    ck_assert_int_eq(add_certificate(server, "*.two.example", "two"), 0);
    ck_assert_int_eq(add_certificate(server, "three.example", "absent"), -1);
    expect_subject(client, server, "one.example", "CN=one");
    expect_subject(client, server, "ONE.example", "CN=one");
    expect_subject(client, server, "a.two.example", "CN=two");
    expect_subject(client, server, "localhost", "CN=server");
    expect_subject(client, server, "127.0.0.1", "CN=server");
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}

VT_CASE("files", vt_reactor_tcase, .set_up = tlk_open, .take_down = tlk_close);

static void
expect_no_server(const char *certificate, const char *key,
                 const char *authorities, const char *words)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;
    vetch_error *error = NULL;

    options.certificate_file =
        certificate != NULL ? tlk_path(certificate) : NULL;
    options.key_file = key != NULL ? tlk_path(key) : NULL;
    options.authorities_file =
        authorities != NULL ? tlk_path(authorities) : NULL;
    ck_assert_ptr_null(vetch_tls_server_new(&options, &error));
    ck_assert_msg(strstr(vetch_error_text(error), words) != NULL, "%s",
                  vetch_error_text(error));
    vetch_error_unref(error);
}

VT_TEST(bad_files_are_named)
{
    FILE *f = fopen(tlk_path("empty"), "w");

    fclose(f);
    f = fopen(tlk_path("garbage"), "w");
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", f);
    fclose(f);
    expect_no_server(NULL, NULL, NULL, "no certificate_file");
    expect_no_server("absent", NULL, NULL, "absent: no such file");
    expect_no_server("empty", NULL, NULL, "empty: there is none in it");
    expect_no_server("garbage", NULL, NULL, "certificate ");
    expect_no_server("server", "empty", NULL, "empty: there is none in it");
    expect_no_server("server", "client", NULL, "does not fit");
    expect_no_server("server", NULL, "empty", "authorities ");
}

VT_TEST(bad_options_are_refused)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;
    vetch_error *error = NULL;

    options.alpn = "h2,,http/1.1";
    ck_assert_ptr_null(vetch_tls_client_new(&options, &error));
    ck_assert_int_eq(vetch_error_code(error), EINVAL);
    vetch_error_unref(error);
    options.alpn = NULL;
    options.handshake_seconds = -1;
    ck_assert_ptr_null(vetch_tls_client_new(&options, NULL));
    ck_assert_int_eq(errno, EINVAL);
}

VT_CASE("reload", vt_real_reactor_tcase, .set_up = tlk_open,
        .take_down = tlk_close);

VT_TEST(new_connections_use_what_was_reloaded)
{
    vetch_tls *client = tlk_client(), *server;
    vetch_transport *old[2];
    vetch_error *error = NULL;

    tlk_certify(&(struct tlk_subject){
        .file = "changing", .cn = "old", .names = "DNS:localhost" });
    server = tlk_server("changing");
    tlk_shake(TK_MEMORY, client, "localhost", server, old);
    ck_assert_ptr_nonnull(old[0]);
    tlk_certify(&(struct tlk_subject){
        .file = "changing", .cn = "new", .names = "DNS:localhost" });
    vetch_run(vetch_tls_reload(server), &error);
    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    expect_subject(client, server, "localhost", "CN=new");
    ck_assert_str_eq(vetch_transport_tls(old[0])->subject, "CN=old");
    release_ends(old);
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}

VT_TEST(a_reload_that_fails_changes_nothing)
{
    vetch_tls *client = tlk_client(), *server = tlk_server("server");
    vetch_error *error = NULL;
    FILE *f = fopen(tlk_path("server"), "w");

    fclose(f);
    vetch_run(vetch_tls_reload(server), &error);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETLS);
    vetch_error_unref(error);
    expect_subject(client, server, "localhost", "CN=server");
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}
