/*
 * What differs between PostgreSQL 15 and 18, in one place.  For server files
 * only, after "postgres.h"; no other file of ours asks for PG_VERSION_NUM.
 *
 * The macros name functions of headers that their users include themselves:
 * optimizer/pathnode.h, executor/executor.h, storage/proc.h, utils/acl.h.
 */
#ifndef STBL_COMPAT_H
#define STBL_COMPAT_H

#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "PostgreSQL 15 or later is required"
#endif

#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
#endif

/*
 * A wait event of ours.  Before 17 all extensions share one; since then a
 * name is registered at its first use and remembered in *event, which is a
 * static variable of the caller, 0 at first.
 */
static inline uint32
stbl_wait_event(uint32 *event, const char *name)
{
#if PG_VERSION_NUM >= 170000
	if (*event == 0)
		*event = WaitEventExtensionNew(name);
	return *event;
#else
	(void) event;
	(void) name;
	return PG_WAIT_EXTENSION;
#endif
}

/* The running transaction's number in this session; with storage/proc.h. */
#if PG_VERSION_NUM >= 170000
#define STBL_LOCAL_XID (MyProc->vxid.lxid)
#else
#define STBL_LOCAL_XID (MyProc->lxid)
#endif

/*
 * 17 added the restrictions a pushed-down join was built from, 18 the count
 * of disabled nodes.
 */
#if PG_VERSION_NUM >= 180000
#define STBL_CREATE_FOREIGNSCAN_PATH(root, rel, target, rows, startup, total, pathkeys, outer, \
									 fdw_outerpath, fdw_private) \
	create_foreignscan_path(root, rel, target, rows, 0, startup, total, pathkeys, outer, \
							fdw_outerpath, NIL, fdw_private)
#define STBL_CREATE_FOREIGN_UPPER_PATH(root, rel, target, rows, startup, total, pathkeys, fdw_outerpath, fdw_private) \
	create_foreign_upper_path(root, rel, target, rows, 0, startup, total, pathkeys, fdw_outerpath, NIL, fdw_private)
#elif PG_VERSION_NUM >= 170000
#define STBL_CREATE_FOREIGNSCAN_PATH(root, rel, target, rows, startup, total, pathkeys, outer, \
									 fdw_outerpath, fdw_private) \
	create_foreignscan_path(root, rel, target, rows, startup, total, pathkeys, outer, \
							fdw_outerpath, NIL, fdw_private)
#define STBL_CREATE_FOREIGN_UPPER_PATH(root, rel, target, rows, startup, total, pathkeys, fdw_outerpath, fdw_private) \
	create_foreign_upper_path(root, rel, target, rows, startup, total, pathkeys, fdw_outerpath, NIL, fdw_private)
#else
#define STBL_CREATE_FOREIGNSCAN_PATH(root, rel, target, rows, startup, total, pathkeys, outer, \
									 fdw_outerpath, fdw_private) \
	create_foreignscan_path(root, rel, target, rows, startup, total, pathkeys, outer, \
							fdw_outerpath, fdw_private)
#define STBL_CREATE_FOREIGN_UPPER_PATH(root, rel, target, rows, startup, total, pathkeys, fdw_outerpath, fdw_private) \
	create_foreign_upper_path(root, rel, target, rows, startup, total, pathkeys, fdw_outerpath, fdw_private)
#endif

/*
 * ExecutorRun_hook's parameters, and what forbids a run to use workers: a
 * plan that was, or may be, run again gets none.  Minor versions of 15 to 17
 * differ in which of the two they look at.
 */
#if PG_VERSION_NUM >= 180000
#define STBL_EXECUTOR_RUN_PARAMS QueryDesc *desc, ScanDirection direction, uint64 count
#define STBL_EXECUTOR_RUN_ARGS desc, direction, count
#define STBL_FORBID_WORKERS() (desc->already_executed = true)
#else
#define STBL_EXECUTOR_RUN_PARAMS QueryDesc *desc, ScanDirection direction, uint64 count, bool execute_once
#define STBL_EXECUTOR_RUN_ARGS desc, direction, count, execute_once
#define STBL_FORBID_WORKERS() (desc->already_executed = true, execute_once = false)
#endif

/* 16 made one function of those that check ownership, and of most on ACLs. */
#if PG_VERSION_NUM >= 160000
#define STBL_CLASS_OWNERCHECK(oid, role) object_ownercheck(RelationRelationId, oid, role)
#define STBL_NAMESPACE_OWNERCHECK(oid, role) object_ownercheck(NamespaceRelationId, oid, role)
#define STBL_SERVER_OWNERCHECK(oid, role) object_ownercheck(ForeignServerRelationId, oid, role)
#define STBL_DATABASE_OWNERCHECK(oid, role) object_ownercheck(DatabaseRelationId, oid, role)
#define STBL_NAMESPACE_ACLCHECK(oid, role, mode) \
	object_aclcheck(NamespaceRelationId, oid, role, mode)
#define STBL_SERVER_ACLCHECK(oid, role, mode) \
	object_aclcheck(ForeignServerRelationId, oid, role, mode)
#else
#define STBL_CLASS_OWNERCHECK(oid, role) pg_class_ownercheck(oid, role)
#define STBL_NAMESPACE_OWNERCHECK(oid, role) pg_namespace_ownercheck(oid, role)
#define STBL_SERVER_OWNERCHECK(oid, role) pg_foreign_server_ownercheck(oid, role)
#define STBL_DATABASE_OWNERCHECK(oid, role) pg_database_ownercheck(oid, role)
#define STBL_NAMESPACE_ACLCHECK(oid, role, mode) pg_namespace_aclcheck(oid, role, mode)
#define STBL_SERVER_ACLCHECK(oid, role, mode) pg_foreign_server_aclcheck(oid, role, mode)
#endif

/*
 * The role whose rights a scan, or a change, has when it is not the current
 * user (as in a view); InvalidOid when it is.  16 moved it out of the range
 * table entry.
 */
#if PG_VERSION_NUM >= 160000
#define STBL_SCAN_CHECK_AS_USER(fsplan, estate) ((fsplan)->checkAsUser)
#define STBL_UPPER_CHECK_AS_USER(fsplan, relid, estate) ((fsplan)->checkAsUser)
#define STBL_RESULT_CHECK_AS_USER(rinfo, estate) ExecGetResultRelCheckAsUser(rinfo, estate)
#else
#define STBL_SCAN_CHECK_AS_USER(fsplan, estate) \
	(exec_rt_fetch((fsplan)->scan.scanrelid, estate)->checkAsUser)
#define STBL_UPPER_CHECK_AS_USER(fsplan, relid, estate) (exec_rt_fetch(relid, estate)->checkAsUser)
#define STBL_RESULT_CHECK_AS_USER(rinfo, estate) \
	(exec_rt_fetch((rinfo)->ri_RootResultRelInfo != NULL ? \
				   (rinfo)->ri_RootResultRelInfo->ri_RangeTableIndex : \
				   (rinfo)->ri_RangeTableIndex, estate)->checkAsUser)
#endif

/* 17 lets a set of wait events belong to a resource owner; ours lives within one function. */
#if PG_VERSION_NUM >= 170000
#define STBL_CREATE_WAIT_EVENT_SET(n) CreateWaitEventSet(NULL, n)
#else
#define STBL_CREATE_WAIT_EVENT_SET(n) CreateWaitEventSet(CurrentMemoryContext, n)
#endif

/* Memory of a setting's extra: 16 has it in a context of its own. */
#if PG_VERSION_NUM >= 160000
#define STBL_GUC_MALLOC(size) guc_malloc(LOG, size)
#else
#define STBL_GUC_MALLOC(size) malloc(size)
#endif

#endif							/* STBL_COMPAT_H */
