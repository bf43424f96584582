// Package names answers a container's questions for names: those of the
// networks' containers from a table, others by asking further, or not at all.
//
//	query ─▶ Answer ─┬─ a name or address of the table   → its answer
//	                 ├─ one word that no container has    → NXDOMAIN
//	                 ├─ anything else, with a way out     → what Forward says
//	                 └─ anything else, without            → REFUSED, and why (RFC 8914)
//
// Queries come from hostile containers. They are parsed by dnsmessage, answered
// one by one, and never kept.
//
// Sources: RFC 1035, RFC 6891 (EDNS), RFC 8914 (extended errors), and Docker's
// embedded resolver for which names a container has.
package names
