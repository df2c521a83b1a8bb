/* Sessions that a client may resume: a bounded list, the newest first. A
 * session of TLS 1.3 is used once (RFC 8446, appendix C.4): whoever watches
 * cannot tell by it that two connections are the same client's. */
#include "tls/tls-private.h"

#include <string.h>

#include "base/mem-private.h"

struct tls_session {
    struct vetch__list link;
    SSL_SESSION *session;
    char key[]; /* whom it was with */
};

static void
drop_session(struct vetch__tls_sessions *s, struct tls_session *one)
{
    vetch__list_remove(&one->link);
    s->n--;
    SSL_SESSION_free(one->session);
    vetch__free(one);
}

void
vetch__tls_sessions_clear(struct vetch__tls_sessions *s)
{
    while (!vetch__list_empty(&s->list))
        drop_session(s,
                     vetch__container(s->list.next, struct tls_session, link));
}

bool
vetch__tls_session_keep(struct vetch__tls_transport *t, SSL_SESSION *session)
{
    struct vetch__tls_sessions *s = &t->tls->sessions;
    struct tls_session *one;
    size_t len;

    if (s->max == 0 || t->session_key == NULL)
        return false;
    len = strlen(t->session_key) + 1;
    one = vetch__malloc(sizeof(*one) + len);
    if (one == NULL)
        return false;
    if (s->n == s->max)
        drop_session(s,
                     vetch__container(s->list.prev, struct tls_session, link));
    one->session = session;
    memcpy(one->key, t->session_key, len);
    vetch__list_append(s->list.next, &one->link);
    s->n++;
    return true;
}

void
vetch__tls_session_resume(struct vetch__tls_transport *t)
{
    struct vetch__tls_sessions *s = &t->tls->sessions;
    struct vetch__list *at;

    if (t->session_key == NULL)
        return;
    for (at = s->list.next; at != &s->list; at = at->next) {
        struct tls_session *one =
            vetch__container(at, struct tls_session, link);

        if (strcmp(one->key, t->session_key) != 0)
            continue;
        SSL_set_session(t->ssl, one->session);
        if (SSL_SESSION_get_protocol_version(one->session) >= TLS1_3_VERSION)
            drop_session(s, one);
        return;
    }
}
