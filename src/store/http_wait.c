/* Waiting for sockets the way a backend waits: with its latch and its postmaster. */
#include "postgres.h"

#include <poll.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/pgmem.h"
#include "store/http.h"

typedef struct Wait
{
	StblHttpSocket *sockets;
	int			n;
	int			timeout_ms;
	WaitEventSet *volatile set;
	bool		any;
} Wait;

static void
wait_guarded(void *arg)
{
	static uint32 wait_event = 0;
	Wait	   *w = arg;
	WaitEvent	events[16];
	int			n;

	w->set = STBL_CREATE_WAIT_EVENT_SET(w->n + 2);
	AddWaitEventToSet(w->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(w->set, WL_POSTMASTER_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < w->n; i++)
		if (w->sockets[i].want_read || w->sockets[i].want_write)
			AddWaitEventToSet(w->set, (w->sockets[i].want_read ? WL_SOCKET_READABLE : 0) |
							  (w->sockets[i].want_write ? WL_SOCKET_WRITEABLE : 0),
							  w->sockets[i].fd, NULL, &w->sockets[i]);
	n = WaitEventSetWait(w->set, w->timeout_ms, events, lengthof(events),
						 stbl_wait_event(&wait_event, "SupertableHttp"));
	for (int i = 0; i < n; i++)
		if (events[i].user_data != NULL)
		{
			((StblHttpSocket *) events[i].user_data)->is_ready = true;
			w->any = true;
		}
}

bool
stbl_http_wait(StblHttpSocket *sockets, int n, int timeout_ms)
{
	Wait		w = {sockets, n, timeout_ms, NULL, false};
	StblError	err;

	for (int i = 0; i < n; i++)
		sockets[i].is_ready = false;
	/* making a set can fail for want of descriptors: a short sleep then does */
	if (!stbl_guarded(wait_guarded, &w, &err))
	{
		w.any = false;
		(void) poll(NULL, 0, Min(timeout_ms, 10));
	}
	if (w.set != NULL)
		FreeWaitEventSet(w.set);
	return w.any;
}
