// Package rootless lets an ordinary user run the server: in a user namespace
// where that user is root, with the subordinate ids that subuid(5) grants for
// the containers.
//
//	layerlab serve ─ Gather ─▶ Facts ─ Findings ─▶ what is missing, in words
//	       │ Enter
//	       ├─ keeper: clone(NEWUSER|NEWNS) ◀─ newuidmap, newgidmap
//	       └─ execve nsenter ─▶ layerlab serve, as root of that namespace
//
//	id there   id on the host
//	0          the user's own
//	1 …        the user's subordinate ids: the one range of all containers
//
// A process that joined a namespace may join those beneath it; one in another,
// even with the same ids, may not. So the namespaces outlive the server: a
// keeper holds them while shims or network helpers live in them, and the next
// server of that RUN folder enters the same.
//
// Sources: user_namespaces(7), newuidmap(1), subuid(5), overlayfs.rst.
package rootless
