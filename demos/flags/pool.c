/* A pool of threads over the blocking client.  A lock guards what they share:
 * the number of the next flag, and the account. */

#include "pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "blocking.h"
#include "stop.h"

struct pool {
    struct run *run;
    pthread_mutex_t lock;
    size_t next;
};

/* The next flag, or NULL if there is none or a signal came. */
static struct flag *
take_flag(struct pool *pool)
{
    struct flag *flag = NULL;

    pthread_mutex_lock(&pool->lock);
    if (stop_signal() == 0 && pool->next < pool->run->n_flags)
        flag = &pool->run->flags[pool->next++];
    pthread_mutex_unlock(&pool->lock);
    return flag;
}

static void *
work(void *arg)
{
    struct pool *pool = arg;
    struct connection connection;
    struct flag *flag;

    open_connection(&connection, pool->run->timeout);
    while ((flag = take_flag(pool)) != NULL) {
        vetch_error *error = blocking_download(&connection, flag);

        pthread_mutex_lock(&pool->lock);
        count(flag, error);
        pthread_mutex_unlock(&pool->lock);
        vetch_error_unref(error);
    }
    hang_up(&connection);
    return NULL;
}

void
run_pool(struct run *run)
{
    struct pool pool = { .run = run };
    pthread_t *threads = calloc(run->max_req, sizeof(*threads));
    size_t n = 0;

    stop_on_signals();
    pthread_mutex_init(&pool.lock, NULL);
    while (threads != NULL && n < run->max_req &&
           pthread_create(&threads[n], NULL, work, &pool) == 0)
        n++;
    if (n == 0)
        work(&pool); /* no threads to be had: do it here */
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&pool.lock);
    free(threads);
    run->interrupted = stop_signal();
}
